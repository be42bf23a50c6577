import type { Output } from './commands.ts'

const WIDTH = 24
/** Not more often: a terminal far away is slow. */
const EVERY_MS = 100

/** One line of a terminal that is written over. Ends with `clear`, whatever happens. */
export class ProgressBar {
  readonly #output: Output
  #shown = ''
  #lastMs = Number.NEGATIVE_INFINITY

  constructor(output: Output) {
    this.#output = output
  }

  /** `part`: 0 to 1. */
  show(part: number, text: string): void {
    const line = `[${bar(part)}] ${text}`
    const nowMs = performance.now()
    if (line === this.#shown || (nowMs - this.#lastMs < EVERY_MS && part < 1)) return
    this.#lastMs = nowMs
    this.#output.write(`\r${line}${' '.repeat(Math.max(0, this.#shown.length - line.length))}`)
    this.#shown = line
  }

  clear(): void {
    if (this.#shown === '') return
    this.#output.write(`\r${' '.repeat(this.#shown.length)}\r`)
    this.#shown = ''
  }
}

function bar(part: number): string {
  const full = Math.round(Math.min(1, Math.max(0, part)) * WIDTH)
  return '#'.repeat(full) + '-'.repeat(WIDTH - full)
}
