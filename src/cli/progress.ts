import type { Output } from './commands.ts'

const WIDTH = 30
const EVERY_MS = 200

/** A bar on a terminal, one line that is written over; nothing where the output is none. */
export class Progress {
  readonly #output: Output
  readonly #what: string
  readonly #shown: boolean
  #lastMs = Number.NEGATIVE_INFINITY
  #drawn = false

  constructor(output: Output, what: string) {
    this.#output = output
    this.#what = what
    this.#shown = output.isTTY === true
  }

  show(done: number, total: number, nowMs: number): void {
    if (!this.#shown || (nowMs - this.#lastMs < EVERY_MS && done < total)) return
    this.#lastMs = nowMs
    this.#drawn = true
    const share = total === 0 ? 1 : Math.min(1, done / total)
    const full = Math.round(share * WIDTH)
    const bar = '#'.repeat(full) + '-'.repeat(WIDTH - full)
    this.#output.write(`\r[${bar}] ${Math.floor(share * 100)} %  ${done} of ${total} ${this.#what}\u001b[K`)
  }

  /** Takes the bar away, so that other text may come; the next `show` draws it again. */
  clear(): void {
    if (this.#drawn) this.#output.write('\r\u001b[K')
    this.#drawn = false
    this.#lastMs = Number.NEGATIVE_INFINITY
  }
}
