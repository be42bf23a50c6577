import { openOperations } from '../../src/cli/open.ts'
import { runProgram } from '../../src/cli/program.ts'

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command line with the real work behind it, in this process. */
export async function command(...argv: readonly string[]): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  const code = await runProgram({
    argv,
    env: {},
    stdout: {
      write: (text) => {
        stdout += text
      },
    },
    stderr: {
      write: (text) => {
        stderr += text
      },
    },
    open: openOperations,
  })
  return { code, stdout, stderr }
}
