import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { LogLines } from '../e2e/log-lines.ts'
import type { Program } from '../e2e/program.ts'
import type { Living } from './living.ts'

/** Exit codes that are an outage's, or its end in order (docs/operations.md): whoever starts daemons starts it again. */
const EXPECTED = [0, 3, 4, 10, 11, 12, 13]

/** A race was lost, or a statement cut off, before there was a key to count it against: it says so, and may be started again. */
const LOST_RACE = /^error DATABASE_(?:RACE|TIMEOUT):/m

/** The built program in a process of its own, which dies by SIGKILL. */
export class Child implements Living {
  readonly log = new LogLines()
  readonly ended: Promise<unknown>
  readonly #child: ChildProcess
  #dying = false

  constructor(file: string, set: readonly string[], program: Program, command: string) {
    const sets = set.flatMap((one) => ['--set', one])
    const argv = [join(import.meta.dirname, 'child-main.mjs'), command, '--config', file, ...sets]
    this.#child = spawn(process.execPath, argv, {
      env: { PATH: process.env.PATH ?? '', PROGRAM: program.directory },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#child.stdin?.on('error', () => {})
    this.#child.stdout?.on('data', (chunk: Buffer) => this.log.write(chunk.toString()))
    let stderr = ''
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => {
        this.log.end()
        if (signal === 'SIGKILL') this.#dying = true
        const isExpected =
          signal === 'SIGKILL' ||
          // Told to stop before it had read a line of itself.
          (signal === 'SIGTERM' && this.log.all.length === 0) ||
          (code === 1 && LOST_RACE.test(stderr)) ||
          (code !== null && EXPECTED.includes(code))
        resolve(
          isExpected ? null : new Error(`${command} ended with ${code ?? signal}: ${stderr.slice(-2000)}`),
        )
      })
    })
  }

  get wasKilled(): boolean {
    return this.#dying
  }

  dieIn(steps: number): void {
    this.#child.stdin?.write(`${steps}\n`)
  }

  kill(): Promise<unknown> {
    this.#dying = true
    this.#child.kill('SIGKILL')
    return this.ended
  }

  stop(): Promise<unknown> {
    this.#child.kill('SIGTERM')
    return this.ended
  }
}
