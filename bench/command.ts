import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Child } from './child.ts'

const run = promisify(execFile)

/** How a command ended. */
export interface Ran {
  /** 0, or 3 where it found differences */
  readonly code: number
  readonly ms: number
  /** the most that it had resident, MB */
  readonly rssMb: number
  readonly said: string
}

/** The program as it is installed, once for all measurements: `dist`. */
export async function buildProgram(): Promise<void> {
  await run('npm', ['run', 'build'], { cwd: join(import.meta.dirname, '..') })
}

/** Throws when a command has found differences. */
export function mustBeEqual({ code, said }: Ran): void {
  if (code !== 0) throw new Error(`not equal: ${said}`)
}

/** Runs the built program to its end, which is a good one or one that found differences. Throws for others. */
export async function runCommand(argv: readonly string[], profileDir: string | null): Promise<Ran> {
  const flags = profileDir === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`]
  const begun = performance.now()
  const child = new Child('dist/main.js', argv, flags)
  let rssMb = 0
  const timer = setInterval(() => {
    rssMb = Math.max(rssMb, residentMb(child.pid))
  }, 50)
  const code = await child.exit()
  clearInterval(timer)
  const ms = performance.now() - begun
  if (code !== 0 && code !== 3) throw new Error(`${argv[0]} ended with ${code}: ${child.said.slice(-3000)}`)
  return { code, ms, rssMb, said: child.said }
}

/** The most that a process had resident so far; 0 when it has gone, or the system does not tell. */
function residentMb(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}
