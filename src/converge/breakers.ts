import { OutageError, type Part, StopError } from '../errors.ts'
import type { Breaker, Permit } from '../queue/breaker.ts'
import { breakerClosed, breakerOpened, type Telemetry } from '../telemetry/events.ts'

export interface PartPermit {
  readonly part: Part
  readonly permit: Permit
}

/**
 * How a part is tried by itself, where a key would not do: most keys have no files, and one build's directory says nothing of the
 * disk. Throws OutageError.
 */
export type Probes = { readonly [part in Part]?: () => Promise<void> }

/** Who finds a part down comes back after this at the earliest. */
const BACK_MS = 200

/** The breakers of all parts that work needs, and what is told of them. */
export class Breakers {
  readonly #breakers: readonly Breaker[]
  readonly #telemetry: Telemetry
  readonly #probes: Probes

  constructor(breakers: readonly Breaker[], telemetry: Telemetry, probes: Probes = {}) {
    this.#breakers = breakers
    this.#telemetry = telemetry
    this.#probes = probes
  }

  /** Those that all work waits for; a part with a probe of its own holds only what needs it (`gate`). */
  get #general(): readonly Breaker[] {
    return this.#breakers.filter((breaker) => this.#probes[breaker.part] === undefined)
  }

  get healthy(): boolean {
    return this.#general.every((breaker) => breaker.state().failures === 0)
  }

  /** No part is down. */
  get allHealthy(): boolean {
    return this.#breakers.every((breaker) => breaker.state().failures === 0)
  }

  /** One of them lets a single try through. */
  get probing(): boolean {
    return this.#general.some((breaker) => breaker.state().state === 'half-open')
  }

  /** Waits until work may be tried, telling once a second that it does. Throws StopError when the signal aborts. */
  async permits(signal: AbortSignal, onTurn: () => void): Promise<PartPermit[]> {
    const permits: PartPermit[] = []
    const turning = setInterval(onTurn, 1_000)
    try {
      for (const breaker of this.#general) {
        permits.push({ part: breaker.part, permit: await breaker.acquire(signal) })
      }
      return permits
    } finally {
      clearInterval(turning)
    }
  }

  /**
   * For work that needs a part with a probe: null when it may begin, else the milliseconds after which to come back. When it is
   * time the probe is run, by one at a time.
   */
  async gate(part: Part, signal: AbortSignal): Promise<number | null> {
    const breaker = this.#breakers.find((one) => one.part === part)
    const probe = this.#probes[part]
    if (breaker === undefined || probe === undefined) return null
    const { failures, state, retryInMs } = breaker.state()
    if (failures === 0) return null
    if (state === 'half-open' || retryInMs > 0) return Math.max(retryInMs, BACK_MS)
    const permit = await breaker.acquire(signal)
    try {
      await probe()
      permit.succeeded()
      breakerClosed(this.#telemetry, part)
      return null
    } catch (error) {
      permit.failed(error)
      if (!(error instanceof OutageError)) throw error
      return Math.max(breaker.state().retryInMs, BACK_MS)
    }
  }

  /**
   * Lets them learn: a part that is down has failed, those that were tried and did not fail are up, of the rest nothing is
   * known. A permit is good for one answer; an outage counts from who has none, too.
   */
  tell(permits: readonly PartPermit[], { tried, error }: { tried: readonly Part[]; error: unknown }): void {
    const before = this.#breakers.map((breaker) => breaker.state().failures)
    const down = error instanceof OutageError ? error.part : null
    const stopped = error instanceof StopError
    for (const { part, permit } of permits) {
      if (part === down) permit.failed(error)
      else if (tried.includes(part) && down === null && !stopped) permit.succeeded()
      else permit.unused()
    }
    for (const breaker of this.#breakers) breaker.report(error)
    for (const [i, breaker] of this.#breakers.entries()) {
      const now = breaker.state().failures
      if (before[i] === 0 && now > 0) breakerOpened(this.#telemetry, error as OutageError)
      if (before[i] !== 0 && now === 0) breakerClosed(this.#telemetry, breaker.part)
    }
  }
}
