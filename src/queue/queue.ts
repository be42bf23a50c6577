import { SyncError } from '../errors.ts'
import type { Key } from '../model/key.ts'
import type { Expectation, Mark, Outcome, Priority } from '../model/outcome.ts'
import type { Sql, Tx } from '../staging/database.ts'
import type { Kin } from './kin.ts'

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
  readonly expect: readonly ClaimedExpectation[]
  /** All who marked it since it was last made equal said so: nothing can have changed but what is expected. */
  readonly onlyExpected: boolean
  /** How often in a row this key has waited for the same others; a converger may stop waiting past a number of its own. */
  readonly waits: number
  /** Of the dependencies that it waited for: those that are parked now. Go on without them; their end marks this key. */
  readonly parkedDependencies: readonly Key[]
  /** When the oldest mark of this round was made, milliseconds since 1970 by the database's clock. */
  readonly markedAtMs: number
}

/** An expectation with its age: when it was marked last, milliseconds since 1970 by the database's clock. */
export interface ClaimedExpectation extends Expectation {
  readonly sinceMs: number
}

/** The statement of `fenceAtOnce`. */
export const FENCE_AT_ONCE = 'queue.fence-at-once'

/** Whether a transaction failed by `fenceAtOnce`. */
export function isFenceBusy(error: unknown): boolean {
  const detail = error instanceof SyncError ? error.detail : undefined
  return detail?.statement === FENCE_AT_ONCE && detail.sqlstate === '22012'
}

/** The channel on which marks, wakes and keys given back are told, once per batch; the payload is empty. */
export const QUEUE_CHANNEL = 'staging_sync_queue'

/** The generation of a key that was marked once since it is in the queue. */
export const FIRST_GENERATION = 1

/** How a claim ended: `done`, the row is gone; `again`, another round is due; `lost`, the token was no longer ours. */
export type Ending = 'done' | 'again' | 'lost'

/**
 * The durable queue in staging's database: one row per key, shared by all daemons. See `docs/design.md`.
 *
 * MUST: `mark` is durable when it returns. `fence` is the last statement of the applying transaction.
 */
export interface Queue {
  /**
   * Marks keys dirty: generation + 1, the better priority, sorted, bounded per transaction, one NOTIFY per transaction.
   * Wakes keys in backoff; parked ones start again. Throws KeyError QUEUE_KEY_INVALID before anything is written.
   */
  mark(marks: readonly Mark[]): Promise<void>
  /** The same inside the caller's transaction (cursors move in the transaction of the last mark they cover). */
  markIn(tx: Sql, marks: readonly Mark[]): Promise<void>
  /** Up to `limit` keys that are due, live ones first, sweeps at least a tenth. Never waits to fill. */
  claim(limit: number): Promise<Claim[]>
  /** More of them, up to `limit`, of those that are due and kin to each other. Live ones and sweeps alike. */
  claimKin(kin: Kin, limit: number): Promise<Claim[]>
  /** Marks and claims given keys at once, those that nobody holds: the short way of `sync` and of a fresh message. */
  markAndClaim(marks: readonly Mark[]): Promise<Claim[]>
  /**
   * Ends a claim inside the applying transaction: deletes the row, or gives the lease back for another round when the
   * key was marked meanwhile or `relook` asks for one. Wakes those that wait for the key. Throws FenceError
   * QUEUE_CLAIM_LOST when the token is no longer ours: let the transaction roll back.
   */
  fence(tx: Tx, claim: Claim, options?: FinishOptions): Promise<Exclude<Ending, 'lost'>>
  /** `fence` for many claims, in some statements for all. The lost one that is named by the error is one of them. */
  fenceAll(tx: Tx, claims: readonly Claim[]): Promise<void>
  /**
   * `fence` in one statement whose answer need not be awaited before the commit is sent: where there is more to do than to
   * end the row as it was claimed (it was marked meanwhile, somebody waits for it, the claim is lost) it fails, and the
   * transaction with it. Such a failure is known by `isFenceBusy`; then `fence` decides. `nowMs`: the database's clock, read
   * since the claim.
   */
  fenceAtOnce(tx: Tx, claim: Claim, options?: Relook): Promise<void>
  /** Ends claims that wrote nothing (unchanged, skipped), in order. A lost token is no error here. */
  finish(claims: readonly FinishedClaim[]): Promise<Ending[]>
  /**
   * Gives the key back until all of its dependencies are gone from the queue or parked, or a growing bound is over (so
   * that a cycle is no deadlock). Marks those that are not queued; takes the first 500, wait again for the next. A lost
   * token is no error here.
   */
  wait(claim: Claim, dependencies: readonly Key[], reason: string): Promise<void>
  /** The key's own failure: attempts + 1, backoff; parked with the reason past the limit, or at once. Whether it is parked now. */
  fail(claim: Claim, failure: { reason: string; code: string; park?: boolean }): Promise<boolean>
  /** Gives the claims back, counting nothing (shutdown, outage, race), due again after `delayMs`. */
  release(claims: readonly Claim[], options: { delayMs: number }): Promise<void>
  /**
   * Ends the leases of this holder's claims that are not among those: after an outage, when the answer to a claim may have been
   * lost. Returns how many. Should one be under way after all, its fence fails and the key is converged once more.
   */
  endLost(held: readonly Claim[]): Promise<number>
  /** Lengthens the leases of what is still being worked on. Returns the claims that were lost. */
  renew(claims: readonly Claim[]): Promise<Claim[]>
  /** Milliseconds until the next key is due by its schedule, 0 or less: now; null: nothing is scheduled. */
  nextDueMs(): Promise<number | null>
  /** What this instance has counted since it began. */
  readonly counted: QueueCounts
  /** Parked keys, the latest first. */
  parked(options: { limit: number }): Promise<ParkedKey[]>
}

export interface FinishOptions {
  /** Expectations that prod does not show yet: look again (0.1, 1, 5, 30 s), give up after 10 minutes. */
  readonly relook?: readonly Expectation[]
}

export type Relook = Required<FinishOptions> & { readonly nowMs: number }

export interface FinishedClaim extends FinishOptions {
  readonly claim: Claim
  readonly outcome: Outcome
}

export interface QueueCounts {
  /** Claims taken over because their holder let the lease end. */
  readonly leasesExpired: number
  /** Expectations that prod had not shown after 10 minutes. */
  readonly expectationsExpired: number
  /** Expectations beyond the bound per key, or not fit to be stored. */
  readonly expectationsDropped: number
  /** Failures that parked a key, retries of parked keys included. */
  readonly parkings: number
}

export interface ParkedKey {
  /** As stored: also a row that no version of ours can have written is shown. */
  readonly key: string
  readonly code: string
  readonly reason: string
  readonly attempts: number
  /** Milliseconds since 1970 by the database's clock. */
  readonly parkedAtMs: number
  readonly retryAtMs: number
}
