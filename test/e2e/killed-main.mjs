/*
 * The built program (its directory in PROGRAM), but it ends by SIGKILL at the step named in KILL_AT: `sql.converge.commit`, or
 * `hub.answer#3` for the third time that it comes there. `after:` before the name: once the step that follows it begins, so
 * the named one has happened. Steps count from a SIGUSR2 on, so that it can come to rest before; it says when.
 */
const { runProgram } = await import(`${process.env.PROGRAM}/cli/program.js`)
const { createOperations } = await import(`${process.env.PROGRAM}/context.js`)

const [, after, name, times] = /^(after:)?([^#]+)(?:#([0-9]+))?$/.exec(process.env.KILL_AT)
let left = Number(times ?? 1)
let next = false
let armed = false
process.on('SIGUSR2', () => {
  armed = true
  process.stdout.write(`${JSON.stringify({ level: 'info', msg: 'armed' })}\n`)
})

function step(at) {
  if (!armed) return
  if (next) process.kill(process.pid, 'SIGKILL')
  if (at !== name) return
  left -= 1
  if (left > 0) return
  if (after === undefined) process.kill(process.pid, 'SIGKILL')
  next = true
}

process.exitCode = await runProgram({
  argv: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  open: (options) => createOperations({ ...options, step }),
})
