import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const ROOT = join(import.meta.dirname, '..', '..')

/** The program as it is shipped, built once for a test file: a process of it starts in a fraction of the time. */
export interface Program {
  /** where main.js is */
  readonly directory: string
  remove(): Promise<void>
}

export async function buildProgram(): Promise<Program> {
  const home = await mkdtemp(join(tmpdir(), 'kss-program-'))
  const directory = join(home, 'dist')
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc')
  // Types are checked elsewhere.
  const argv = [
    '-p',
    join(ROOT, 'tsconfig.build.json'),
    '--outDir',
    directory,
    '--noCheck',
    '--sourceMap',
    'false',
  ]
  await promisify(execFile)(tsc, argv, { cwd: ROOT })
  await cp(join(ROOT, 'package.json'), join(home, 'package.json'))
  await symlink(join(ROOT, 'node_modules'), join(home, 'node_modules'))
  return { directory, remove: () => rm(home, { recursive: true, force: true }) }
}
