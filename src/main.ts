#!/usr/bin/env node
import { openOperations } from './cli/open.ts'
import { runProgram } from './cli/program.ts'

const LINGER_MS = 10_000

// `... status | head`: the reader has gone, there is nobody to tell.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

// Stays, should the event loop run empty before the program has ended.
process.exitCode = 1

runProgram({
  argv: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  open: openOperations,
}).then((code) => {
  process.exitCode = code
  // Fires only if something keeps the process alive, which is a bug that an operator should be able to report.
  setTimeout(() => {
    process.stderr.write(`still open: ${process.getActiveResourcesInfo().join(', ')}\n`)
    // A service manager must see that it has failed.
    process.exit()
  }, LINGER_MS).unref()
})
