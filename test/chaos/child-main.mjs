/*
 * The built program (its directory in PROGRAM), which ends by SIGKILL at a step: each line on stdin says after how many more.
 */
const { runProgram } = await import(`${process.env.PROGRAM}/cli/program.js`)
const { createOperations } = await import(`${process.env.PROGRAM}/context.js`)

let left = Number.POSITIVE_INFINITY
process.stdin.on('data', (chunk) => {
  left = Number(chunk.toString().trim().split('\n').at(-1))
})
process.stdin.unref()

function step() {
  left -= 1
  if (left < 0) process.kill(process.pid, 'SIGKILL')
}

process.exitCode = await runProgram({
  argv: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  open: (options) => createOperations({ ...options, step }),
})
process.stdin.destroy()
