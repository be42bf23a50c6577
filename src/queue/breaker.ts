import { OutageError, type Part, StopError } from '../errors.ts'
import { backoffMs } from './options.ts'

/** Time as a breaker sees it; tests bring their own. */
export interface BreakerClock {
  /** Monotonic milliseconds. */
  nowMs(): number
  /** Resolves after `delayMs`, or as soon as the signal aborts; never rejects. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>
}

export interface BreakerOptions {
  readonly part: Part
  readonly clock: BreakerClock
  /** A number in [0, 1) for jitter. */
  readonly random: () => number
  /** Pause before the first probe, doubled after each probe that fails. */
  readonly baseMs?: number
  readonly ceilingMs?: number
}

export interface BreakerState {
  readonly part: Part
  /** `half-open`: one probe is under way. */
  readonly state: 'closed' | 'open' | 'half-open'
  /** Outages in a row: the one that opened it and the probes that failed. */
  readonly failures: number
  /** Milliseconds until the next probe may start; 0 when closed. */
  readonly retryInMs: number
  /** Milliseconds since it opened; 0 when closed. */
  readonly openForMs: number
  readonly lastCode: string | null
}

/** The right to try once. Exactly one of the methods is to be called, once. */
export interface Permit {
  /** The part answered, be it with an error of the key's own. */
  succeeded(): void
  /** What was thrown: an OutageError of the part opens the breaker, anything else means that the part is up. */
  failed(error: unknown): void
  /** Not tried, or not known how it ended. */
  unused(): void
}

/**
 * Stops all work on a part of the world that is down, so that its outage counts against no key and meets no flood when it is back.
 * Opens at the first OutageError of its part; after a pause lets one probe through; closes when that succeeds.
 */
export class Breaker {
  readonly part: Part
  readonly #options: BreakerOptions
  /** Goes up when it opens or closes: answers to what was tried before then tell nothing about now. */
  #epoch = 0
  #failures = 0
  #openedAtMs = 0
  #retryAtMs = 0
  #probing = false
  #lastCode: string | null = null
  #changed = new AbortController()

  constructor(options: BreakerOptions) {
    this.part = options.part
    this.#options = options
  }

  /** Waits until work may be tried. Throws StopError when the signal aborts first. */
  async acquire(signal: AbortSignal): Promise<Permit> {
    for (;;) {
      if (signal.aborted) throw new StopError('STOPPED', `stopped while waiting for the ${this.part}`)
      if (this.#failures === 0) return this.#permit('work')
      const delayMs = this.#retryAtMs - this.#options.clock.nowMs()
      if (!this.#probing && delayMs <= 0) {
        this.#probing = true
        return this.#permit('probe')
      }
      // While somebody else probes there is no time to wait for: his end wakes us.
      const pauseMs = this.#probing ? this.#ceilingMs() : delayMs
      await this.#options.clock.sleep(pauseMs, AbortSignal.any([signal, this.#changed.signal]))
    }
  }

  /** Waits for its turn, works, and learns from how that ends. Throws what `work` throws, and StopError. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const permit = await this.acquire(signal)
    try {
      const result = await work()
      permit.succeeded()
      return result
    } catch (error) {
      if (error instanceof StopError) permit.unused()
      else permit.failed(error)
      throw error
    }
  }

  /** Opens it for an outage that was noticed outside of a permit, if it is one of this part. */
  report(error: unknown): void {
    if (this.#isOutage(error) && this.#failures === 0) this.#open(error)
  }

  state(): BreakerState {
    const nowMs = this.#options.clock.nowMs()
    const open = this.#failures > 0
    return {
      part: this.part,
      state: !open ? 'closed' : this.#probing ? 'half-open' : 'open',
      failures: this.#failures,
      retryInMs: open ? Math.max(0, this.#retryAtMs - nowMs) : 0,
      openForMs: open ? nowMs - this.#openedAtMs : 0,
      lastCode: this.#lastCode,
    }
  }

  #permit(kind: 'work' | 'probe'): Permit {
    const epoch = this.#epoch
    let used = false
    const once = (act: () => void) => {
      if (used) return
      used = true
      if (epoch === this.#epoch) act()
    }
    const release = () => {
      if (kind === 'work') return
      this.#probing = false
      this.#wake()
    }
    return {
      succeeded: () => once(() => this.#close()),
      failed: (error) => once(() => (this.#isOutage(error) ? this.#open(error) : this.#close())),
      unused: () => once(release),
    }
  }

  #isOutage(error: unknown): error is OutageError {
    return error instanceof OutageError && error.part === this.part
  }

  #open(error: OutageError): void {
    const nowMs = this.#options.clock.nowMs()
    if (this.#failures === 0) this.#openedAtMs = nowMs
    this.#failures += 1
    this.#probing = false
    this.#epoch += 1
    this.#lastCode = error.code
    const baseMs = this.#options.baseMs ?? 500
    const random = this.#options.random
    this.#retryAtMs = nowMs + backoffMs(this.#failures, { baseMs, ceilingMs: this.#ceilingMs(), random })
    this.#wake()
  }

  #close(): void {
    if (this.#failures === 0) return
    this.#failures = 0
    this.#probing = false
    this.#epoch += 1
    this.#wake()
  }

  #ceilingMs(): number {
    return this.#options.ceilingMs ?? 30_000
  }

  #wake(): void {
    this.#changed.abort()
    this.#changed = new AbortController()
  }
}
