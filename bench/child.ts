import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** A script of ours as a process of its own, under tsx where it is not built. Its last output is kept for error messages. */
export class Child {
  readonly #process: ChildProcess
  readonly #name: string
  #said = ''
  #ended: string | null = null

  constructor(script: string, argv: readonly string[], nodeFlags: readonly string[] = []) {
    this.#name = script
    const loader = script.endsWith('.ts') ? ['--import', 'tsx'] : []
    this.#process = spawn(process.execPath, [...nodeFlags, ...loader, script, ...argv], {
      cwd: root,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#said = `${this.#said}${chunk}`.slice(-20_000)
      })
    }
    this.#process.on('close', (code, signal) => {
      this.#ended = signal ?? `code ${code}`
    })
  }

  get pid(): number {
    return this.#process.pid as number
  }

  get said(): string {
    return this.#said
  }

  /** Resolves with what `pick` finds in its output; rejects when it ends before. */
  async says(pick: (text: string) => string | null): Promise<string> {
    for (;;) {
      const found = pick(this.#said)
      if (found !== null) return found
      this.alive()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Throws, with what it said, when it has ended. */
  alive(): void {
    if (this.#ended !== null)
      throw new Error(`${this.#name} ended (${this.#ended}): ${this.#said.slice(-3000)}`)
  }

  /** Its exit code, when it has ended; null after a signal. */
  async exit(): Promise<number | null> {
    if (this.#ended === null) await once(this.#process, 'close')
    return this.#process.exitCode
  }

  /** Resolves when it has ended. */
  async stop(): Promise<void> {
    if (this.#ended !== null) return
    const ended = once(this.#process, 'close')
    this.#process.kill('SIGTERM')
    await ended
  }
}

/** Runs a script to its end, which must be a good one. */
export async function runChild(script: string, argv: readonly string[]): Promise<void> {
  const child = new Child(script, argv)
  if ((await child.exit()) !== 0) child.alive()
}
