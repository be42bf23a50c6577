import type { Priority } from '../model/outcome.ts'

export interface LimiterOptions {
  /** Mean rate; up to one second's worth may go at once. */
  readonly requestsPerSecond: number
  /** Requests that are on their way at a time, all together. */
  readonly concurrency: number
}

/** Which priorities have something to send. */
export type Waiting = Readonly<Record<Priority, boolean>>

/** Every so manieth request is a sweep's, however much live work waits. */
const SWEEP_TURN = 10

/**
 * Who may send the next request, and when. Live work goes first. Sweeps never take the last slot (unless there is
 * but one) nor, out of turn, the last token, so that live work finds one at once; and every tenth request is theirs.
 */
export class Limiter {
  readonly #rate: number
  readonly #burst: number
  readonly #concurrency: number
  readonly #running: Record<Priority, number> = { live: 0, sweep: 0 }
  #tokens: number
  #refilledMs: number
  /** Live requests that went while a sweep waited. */
  #passed = 0

  constructor(options: LimiterOptions, nowMs: number) {
    this.#rate = options.requestsPerSecond
    this.#burst = Math.max(1, options.requestsPerSecond)
    this.#concurrency = options.concurrency
    this.#tokens = this.#burst
    this.#refilledMs = nowMs
  }

  /** Takes a slot for one of those that wait; a number is the milliseconds until it is worth asking again; null: when one is done. */
  take(waiting: Waiting, nowMs: number): Priority | number | null {
    const { live, sweep } = this.#running
    if (live + sweep >= this.#concurrency) return null
    const mayLive = waiting.live
    const maySweep = waiting.sweep && (this.#concurrency === 1 || sweep < this.#concurrency - 1)
    const isTurn = this.#passed >= SWEEP_TURN - 1
    const chosen = maySweep && (!mayLive || isTurn) ? 'sweep' : mayLive ? 'live' : null
    if (chosen === null) return null
    this.#refill(nowMs)
    const kept = chosen === 'sweep' && !isTurn && this.#burst >= 2 ? 1 : 0
    const missing = 1 + kept - this.#tokens
    if (missing > 0) return Math.ceil((missing / this.#rate) * 1000)
    this.#tokens -= 1
    this.#running[chosen] += 1
    if (chosen === 'sweep') this.#passed = 0
    else if (waiting.sweep) this.#passed += 1
    return chosen
  }

  /** Gives the slot back. */
  done(priority: Priority): void {
    this.#running[priority] -= 1
  }

  #refill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#refilledMs)
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs / 1000) * this.#rate)
    this.#refilledMs = nowMs
  }
}
