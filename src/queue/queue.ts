import type { Key } from '../model/key.ts'
import type { Expectation, Mark, Outcome, Priority } from '../model/outcome.ts'
import type { Sql, Tx } from '../staging/database.ts'

/** The right to converge one key, taken before the first byte is asked of prod. */
export interface Claim {
  readonly key: Key
  /** From a sequence; whoever holds the highest one holds the key. */
  readonly token: number
  /** How often the key had been marked when it was claimed. */
  readonly generation: number
  readonly priority: Priority
  /** The key's own failures so far. */
  readonly attempts: number
  readonly expect: readonly Expectation[]
  /** When the oldest mark of this round was made, milliseconds since 1970 by the database's clock. */
  readonly markedAtMs: number
}

/**
 * The durable queue in staging's database: one row per key, shared by all daemons. See `docs/design.md`.
 *
 * MUST: `mark` is durable when it returns. `fence` is the last statement of the applying transaction.
 */
export interface Queue {
  /** Marks keys dirty: generation + 1, the better priority, sorted, bounded per transaction, one NOTIFY per batch. */
  mark(marks: readonly Mark[]): Promise<void>
  /** The same inside the caller's transaction (cursors move in the transaction of the last mark they cover). */
  markIn(tx: Sql, marks: readonly Mark[]): Promise<void>
  /** Up to `limit` keys that are due, live ones first, sweeps at least a tenth. Never waits to fill. */
  claim(limit: number): Promise<Claim[]>
  /** Marks and claims given keys at once, if nobody holds them: the short way of `sync` and of a fresh message. */
  markAndClaim(marks: readonly Mark[]): Promise<Claim[]>
  /**
   * Ends a claim inside the applying transaction: deletes the row, or gives the lease back for another round when the
   * key was marked meanwhile or `relook` asks for one. Throws FenceError when the token is no longer ours.
   */
  fence(tx: Tx, claim: Claim, options?: FinishOptions): Promise<void>
  /** Ends a claim that wrote nothing (unchanged, skipped). A lost token is no error here. */
  finish(claims: readonly FinishedClaim[]): Promise<void>
  /** Gives the key back until its dependencies are gone from the queue: marks them, remembers who waits. */
  wait(claim: Claim, dependencies: readonly Key[], reason: string): Promise<void>
  /** The key's own failure: attempts + 1, backoff; parked with the reason past the limit, or at once. */
  fail(claim: Claim, failure: { reason: string; code: string; park?: boolean }): Promise<void>
  /** Gives the claims back, counting nothing (shutdown, outage, race), due again after `delayMs`. */
  release(claims: readonly Claim[], options: { delayMs: number }): Promise<void>
  /** Lengthens the leases of what is still being worked on. Returns the claims that were lost. */
  renew(claims: readonly Claim[]): Promise<Claim[]>
  /** Numbers for metrics and `status`. */
  stats(): Promise<QueueStats>
}

export interface FinishOptions {
  /** Expectations that prod does not show yet: look again (0.1, 1, 5, 30 s), give up after 10 minutes. */
  readonly relook?: readonly Expectation[]
}

export interface FinishedClaim extends FinishOptions {
  readonly claim: Claim
  readonly outcome: Outcome
}

export interface QueueStats {
  readonly ready: Readonly<Record<Priority, number>>
  readonly waiting: number
  readonly claimed: number
  readonly parked: number
  /** Age of the oldest mark that is due and not parked, in seconds; 0 when there is none. */
  readonly oldestSeconds: number
}
