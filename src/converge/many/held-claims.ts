import type { Claim, Queue } from '../../queue/queue.ts'

/** Well under a lease. */
const RENEW_MS = 15_000

/**
 * Claims that are worked on together. Their leases are kept until `close`, which gives back, at once, what has not ended by then, so
 * that the worker takes it key by key.
 */
export class HeldClaims {
  readonly #queue: Pick<Queue, 'renew' | 'release'>
  readonly #open: Set<Claim>
  readonly #renewing: NodeJS.Timeout

  constructor(queue: Pick<Queue, 'renew' | 'release'>, claims: readonly Claim[]) {
    this.#queue = queue
    this.#open = new Set(claims)
    this.#renewing = setInterval(() => void queue.renew(this.open).catch(() => {}), RENEW_MS)
  }

  get open(): readonly Claim[] {
    return [...this.#open]
  }

  ended(claims: readonly Claim[]): void {
    for (const claim of claims) this.#open.delete(claim)
  }

  async close(): Promise<void> {
    clearInterval(this.#renewing)
    // What cannot be given back now, its lease ends.
    await this.#queue.release(this.open, { delayMs: 0 }).catch(() => {})
  }
}
