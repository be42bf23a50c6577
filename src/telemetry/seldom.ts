/** Counts what happens often and says when it is to be told again: at the first time, then once in `intervalMs`. */
export class Seldom {
  readonly #intervalMs: number
  readonly #nowMs: () => number
  readonly #seen = new Map<string, { count: number; toldAtMs: number }>()

  constructor(options: { readonly intervalMs: number; readonly nowMs?: () => number }) {
    this.#intervalMs = options.intervalMs
    this.#nowMs = options.nowMs ?? (() => performance.now())
  }

  /** It happened once more. How often since it was told last, if it is to be told now; else null. `what` is of a closed list. */
  count(what: string): number | null {
    const nowMs = this.#nowMs()
    const seen = this.#seen.get(what) ?? { count: 0, toldAtMs: Number.NEGATIVE_INFINITY }
    this.#seen.set(what, seen)
    seen.count += 1
    if (nowMs - seen.toldAtMs < this.#intervalMs) return null
    const { count } = seen
    seen.count = 0
    seen.toldAtMs = nowMs
    return count
  }
}
