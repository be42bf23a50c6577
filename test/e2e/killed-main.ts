import { runProgram } from '../../src/cli/program.ts'
import { createOperations } from '../../src/context.ts'
import type { Step } from '../../src/step.ts'

/*
 * The program, but it ends by SIGKILL at the step named in KILL_AT: `sql.converge.commit`, or `sql.debt.any#2` for the second
 * time that it comes there. `after:` before the name: once the step that follows it begins, so the named one has happened.
 * Steps count from a SIGUSR2 on, so that it can come to rest before; it says when.
 */
const [, after, name, times] = /^(after:)?([^#]+)(?:#([0-9]+))?$/.exec(process.env.KILL_AT ?? 'never') ?? []
let left = Number(times ?? 1)
let next = false
let armed = false
process.on('SIGUSR2', () => {
  armed = true
  process.stdout.write(`${JSON.stringify({ level: 'info', msg: 'armed' })}\n`)
})

const step: Step = (at) => {
  if (!armed) return undefined
  if (next) process.kill(process.pid, 'SIGKILL')
  if (at !== name) return undefined
  left -= 1
  if (left > 0) return undefined
  if (after === undefined) process.kill(process.pid, 'SIGKILL')
  next = true
  return undefined
}

process.exitCode = await runProgram({
  argv: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  open: (options) => createOperations({ ...options, step }),
})
