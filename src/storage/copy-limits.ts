import { setTimeout as delay } from 'node:timers/promises'

export interface TransferLimits {
  /** null: as fast as it goes */
  readonly bytesPerSecond: number | null
  readonly openTransfers: number
}

/** Caps shared by all that is copied by one process: how many files at a time, how many bytes a second. */
export class Transfers {
  readonly #limits: TransferLimits
  readonly #waiting: (() => void)[] = []
  #open = 0
  /** when what was taken so far is paid for, by the monotonic clock */
  #paidAtMs = 0

  constructor(limits: TransferLimits) {
    this.#limits = limits
  }

  get capped(): boolean {
    return this.#limits.bytesPerSecond !== null
  }

  get openTransfers(): number {
    return this.#limits.openTransfers
  }

  /** Runs `work` when one of the places is free; in the order of asking. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#open >= this.#limits.openTransfers)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#open++
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#open--
      else next()
    }
  }

  /** Waits as long as so many bytes cost, or until the signal. A quarter of a second may be spent at once. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const { bytesPerSecond } = this.#limits
    if (bytesPerSecond === null) return
    const now = performance.now()
    const costMs = (bytes / bytesPerSecond) * 1000
    this.#paidAtMs = Math.max(this.#paidAtMs, now - 250) + costMs
    if (this.#paidAtMs > now) await delay(this.#paidAtMs - now, undefined, { signal }).catch(() => {})
  }
}
