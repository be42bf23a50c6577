import { runProgram } from '../../src/cli/program.ts'
import { scriptedOperations } from './scripted.ts'

// As src/main.ts, with the work of $SCRIPT, for tests that send signals to a real process.
process.exitCode = await runProgram({
  argv: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  open: async () => scriptedOperations(process.env.SCRIPT ?? ''),
})
