import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A command in a process of its own, as a person would start it. */
export class Child {
  readonly #child: ChildProcess
  #stdout = ''
  #stderr = ''
  readonly ended: Promise<Ended>

  constructor(argv: readonly string[], options: { script?: string; env?: Record<string, string> } = {}) {
    const script = options.script ?? 'src/main.ts'
    this.#child = spawn(process.execPath, ['--import', 'tsx', script, ...argv], {
      cwd: root,
      env: { PATH: process.env.PATH ?? '', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#stdout += chunk.toString()
    })
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString()
    })
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (code, signal) =>
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr }),
      )
    })
  }

  /** Closes the reader's end of standard output. */
  closeOutput(): void {
    this.#child.stdout?.destroy()
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Resolves once standard output or standard error has this text; fails if the process ends before. */
  async says(text: string): Promise<void> {
    const has = (): boolean => this.#stdout.includes(text) || this.#stderr.includes(text)
    while (!has()) {
      const next = new Promise<'more'>((resolve) => {
        this.#child.stdout?.once('data', () => resolve('more'))
        this.#child.stderr?.once('data', () => resolve('more'))
      })
      if ((await Promise.race([next, this.ended])) !== 'more' && !has()) {
        throw new Error(`ended without saying ${text}: ${this.#stdout}${this.#stderr}`)
      }
    }
  }
}

/** Runs a command to its end. */
export function runChild(
  argv: readonly string[],
  options?: { script?: string; env?: Record<string, string> },
): Promise<Ended> {
  return new Child(argv, options).ended
}
