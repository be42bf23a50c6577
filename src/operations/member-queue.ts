import type { Key } from '../model/key.ts'
import type { Mark } from '../model/outcome.ts'
import type {
  Claim,
  Ending,
  FinishedClaim,
  FinishOptions,
  ParkedKey,
  Queue,
  QueueCounts,
} from '../queue/queue.ts'
import type { Sql, Tx } from '../staging/database.ts'
import type { Telemetry } from '../telemetry/events.ts'
import { keysClaimed, keysMarked } from '../telemetry/queue-events.ts'
import type { Membership } from './membership.ts'

/**
 * The queue for those who joined: a claim is handed out only when it is certain that they still belonged when it was taken. Counts what
 * is marked and claimed.
 */
export class MemberQueue implements Queue {
  readonly #queue: Queue
  readonly #membership: Membership
  readonly #telemetry: Pick<Telemetry, 'metrics'>

  constructor(queue: Queue, membership: Membership, telemetry: Pick<Telemetry, 'metrics'>) {
    this.#queue = queue
    this.#membership = membership
    this.#telemetry = telemetry
  }

  async claim(limit: number): Promise<Claim[]> {
    return this.#checked(await this.#queue.claim(limit))
  }

  async claimKin(...asked: Parameters<Queue['claimKin']>): Promise<Claim[]> {
    return this.#checked(await this.#queue.claimKin(...asked))
  }

  async markAndClaim(marks: readonly Mark[]): Promise<Claim[]> {
    const claims = await this.#queue.markAndClaim(marks)
    keysMarked(this.#telemetry, marks)
    return this.#checked(claims)
  }

  async #checked(claims: Claim[]): Promise<Claim[]> {
    if (claims.length === 0) return claims
    try {
      await this.#membership.ensure()
    } catch (error) {
      await this.#queue.release(claims, { delayMs: 0 }).catch(() => {})
      throw error
    }
    keysClaimed(this.#telemetry, claims)
    return claims
  }

  async mark(marks: readonly Mark[]): Promise<void> {
    await this.#queue.mark(marks)
    keysMarked(this.#telemetry, marks)
  }

  async markIn(tx: Sql, marks: readonly Mark[]): Promise<void> {
    await this.#queue.markIn(tx, marks)
    keysMarked(this.#telemetry, marks)
  }

  fence(tx: Tx, claim: Claim, options?: FinishOptions): Promise<Exclude<Ending, 'lost'>> {
    return this.#queue.fence(tx, claim, options)
  }

  fenceAll(...asked: Parameters<Queue['fenceAll']>): Promise<void> {
    return this.#queue.fenceAll(...asked)
  }

  fenceAtOnce(...asked: Parameters<Queue['fenceAtOnce']>): Promise<void> {
    return this.#queue.fenceAtOnce(...asked)
  }

  finish(claims: readonly FinishedClaim[]): Promise<Ending[]> {
    return this.#queue.finish(claims)
  }

  wait(claim: Claim, dependencies: readonly Key[], reason: string): Promise<void> {
    return this.#queue.wait(claim, dependencies, reason)
  }

  fail(...asked: Parameters<Queue['fail']>): Promise<boolean> {
    return this.#queue.fail(...asked)
  }

  release(claims: readonly Claim[], options: { delayMs: number }): Promise<void> {
    return this.#queue.release(claims, options)
  }

  endLost(held: readonly Claim[]): Promise<number> {
    return this.#queue.endLost(held)
  }

  renew(claims: readonly Claim[]): Promise<Claim[]> {
    return this.#queue.renew(claims)
  }

  nextDueMs(): Promise<number | null> {
    return this.#queue.nextDueMs()
  }

  get counted(): QueueCounts {
    return this.#queue.counted
  }

  parked(options: { limit: number }): Promise<ParkedKey[]> {
    return this.#queue.parked(options)
  }
}
