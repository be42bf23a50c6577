import { setTimeout as sleep } from 'node:timers/promises'
import { AgainError, FenceError, SyncError } from '../errors.ts'
import type { Key } from '../model/key.ts'
import type { Mark } from '../model/outcome.ts'
import type { Database, Sql, Tx } from '../staging/database.ts'
import { type ClaimRow, claimOf } from './claim-row.ts'
import { ClaimWindow } from './claim-window.ts'
import { type Claimed, claimDue, markAndClaimIn } from './claiming.ts'
import { giveBackFailed, giveBackToWait, parkUnreadable, release, renew } from './giving-back.ts'
import { claimKin, type Kin } from './kin.ts'
import { keyText, markIn, markRows } from './marking.ts'
import { QUEUE_TIMING, type QueueOptions, type QueueTiming } from './options.ts'
import type {
  Claim,
  Ending,
  FinishedClaim,
  FinishOptions,
  ParkedKey,
  Queue,
  QueueCounts,
  Relook,
} from './queue.ts'
import { readNextDueMs, readParked } from './reading.ts'
import { settleAll } from './settle-all.ts'
import { endAtOnce, removeSettled, type Settlement, settle } from './settling.ts'

/** Of so many claims that end together, many were marked meanwhile. */
const MANY = 50

/** Tries of a statement of ours that lost a race for row locks. */
const TRIES = 5

/**
 * The queue in `staging_sync.queue`. Every method is one statement where the usual case allows it.
 *
 * Errors of the database pass as Database throws them; races for row locks are tried again here first.
 */
export class PostgresQueue implements Queue {
  readonly #database: Database
  readonly #options: QueueOptions
  readonly #timing: QueueTiming
  readonly #window: ClaimWindow
  readonly #counts = { leasesExpired: 0, expectationsExpired: 0, expectationsDropped: 0, parkings: 0 }

  constructor(options: QueueOptions) {
    this.#database = options.database
    this.#options = options
    this.#timing = { ...QUEUE_TIMING, ...options.timing }
    this.#window = new ClaimWindow({ fullScanMs: this.#timing.fullScanMs })
  }

  async mark(marks: readonly Mark[]): Promise<void> {
    const rows = markRows(marks)
    for (let at = 0; at < rows.length; at += this.#timing.markChunk) {
      const chunk = rows.slice(at, at + this.#timing.markChunk)
      await this.#racing(() => markIn(this.#database, chunk, { lockTimeoutMs: 2_000 }))
    }
  }

  async markIn(tx: Sql, marks: readonly Mark[]): Promise<void> {
    const rows = markRows(marks)
    // Sorted over all chunks, so that their locks are taken in order too.
    for (let at = 0; at < rows.length; at += this.#timing.markChunk) {
      await markIn(tx, rows.slice(at, at + this.#timing.markChunk), {})
    }
  }

  async claim(limit: number): Promise<Claim[]> {
    if (limit < 1) return []
    const now = this.#options.monotonicMs
    const sweepShare = this.#window.nextSweepShare(limit)
    const first = await this.#scan(this.#window.mustScanAll(now()) ? 'full' : 'range', limit, sweepShare)
    const left = limit - first.rows.length
    const second =
      left > 0 && first.scan === 'range' && this.#window.mayScanAll(now())
        ? (await this.#scan('full', left, 0)).rows
        : []
    return this.#readable([...first.rows, ...second])
  }

  async claimKin(kin: Kin, limit: number): Promise<Claim[]> {
    if (limit < 1) return []
    const rows = await this.#racing(() =>
      claimKin(this.#database, kin, {
        limit,
        ...this.#window.begin('range'),
        leaseMs: this.#timing.leaseMs,
        holder: this.#options.holder,
      }),
    )
    return this.#readable(rows)
  }

  async markAndClaim(marks: readonly Mark[]): Promise<Claim[]> {
    const rows = markRows(marks)
    const claimed = await this.#racing(() =>
      markAndClaimIn(this.#database, rows, {
        leaseMs: this.#timing.leaseMs,
        holder: this.#options.holder,
      }),
    )
    return this.#readable(claimed)
  }

  async fence(tx: Tx, claim: Claim, options: FinishOptions = {}): Promise<Exclude<Ending, 'lost'>> {
    const settlement = await settle(tx, claim, options, this.#timing)
    this.#count(settlement)
    if (settlement.ending !== 'lost') return settlement.ending
    throw claimLost(claim)
  }

  async fenceAll(tx: Tx, claims: readonly Claim[]): Promise<void> {
    for (const { claim, settlement } of await settleAll(tx, claims, this.#timing)) {
      this.#count(settlement)
      if (settlement.ending === 'lost') throw claimLost(claim)
    }
  }

  async fenceAtOnce(tx: Tx, claim: Claim, options?: Relook): Promise<void> {
    this.#count(await endAtOnce(tx, claim, options ?? null, this.#timing))
  }

  async finish(finished: readonly FinishedClaim[]): Promise<Ending[]> {
    const plain = finished.filter(({ relook = [] }) => relook.length === 0).map(({ claim }) => claim)
    const removed = await this.#racing(() =>
      plain.length > MANY
        ? this.#database.transaction('queue.finish', async (tx) => {
            const ends = await settleAll(tx, plain, this.#timing)
            return new Map(ends.map(({ claim, settlement }) => [keyText(claim.key), settlement]))
          })
        : removeSettled(this.#database, plain, this.#timing),
    )
    const endings: Ending[] = []
    for (const { claim, relook = [] } of finished) {
      const settlement =
        removed.get(keyText(claim.key)) ??
        (await this.#racing(() =>
          this.#database.transaction('queue.finish', (tx) => settle(tx, claim, { relook }, this.#timing)),
        ))
      this.#count(settlement)
      endings.push(settlement.ending)
    }
    return endings
  }

  async wait(claim: Claim, dependencies: readonly Key[], reason: string): Promise<void> {
    const request = { dependencies, reason, priority: claim.priority }
    await this.#racing(() => giveBackToWait(this.#database, claim, request, this.#timing))
  }

  async fail(claim: Claim, failure: { reason: string; code: string; park?: boolean }): Promise<boolean> {
    const options = { timing: this.#timing, random: this.#options.random }
    const parked = await this.#racing(() => giveBackFailed(this.#database, claim, failure, options))
    if (parked) this.#counts.parkings += 1
    return parked
  }

  async release(claims: readonly Claim[], options: { delayMs: number }): Promise<void> {
    if (claims.length === 0) return
    await this.#racing(() => release(this.#database, claims, options.delayMs))
  }

  async endLost(held: readonly Claim[]): Promise<number> {
    const rows = await this.#database.query(
      'queue.end-lost',
      `update staging_sync.queue set lease_until = clock_timestamp()
        where claimed_by = $1 and lease_until > clock_timestamp() and token <> all($2::bigint[]) returning 1`,
      [this.#options.holder, held.map(({ token }) => token)],
      { prepare: false },
    )
    return rows.length
  }

  async renew(claims: readonly Claim[]): Promise<Claim[]> {
    if (claims.length === 0) return []
    const held = await this.#racing(() => renew(this.#database, claims, this.#timing.leaseMs))
    return claims.filter(({ key }) => !held.has(keyText(key)))
  }

  nextDueMs(): Promise<number | null> {
    return readNextDueMs(this.#database, this.#window.begin('range'))
  }

  get counted(): QueueCounts {
    return { ...this.#counts }
  }

  parked(options: { limit: number }): Promise<ParkedKey[]> {
    return readParked(this.#database, options.limit)
  }

  async #scan(
    scan: 'full' | 'range',
    limit: number,
    sweepShare: number,
  ): Promise<{ scan: 'full' | 'range'; rows: Claimed[] }> {
    const startMs = this.#options.monotonicMs()
    const { rows, seenUntil } = await this.#racing(() =>
      claimDue(this.#database, {
        limit,
        sweepShare,
        ...this.#window.begin(scan),
        leaseMs: this.#timing.leaseMs,
        holder: this.#options.holder,
      }),
    )
    if (scan === 'full') this.#window.scannedAll(startMs, this.#options.monotonicMs())
    this.#window.ended(rows, { limit, sweepShare }, seenUntil)
    this.#counts.leasesExpired += rows.filter(({ expired }) => expired).length
    return { scan, rows }
  }

  /** Claims of rows that can be read. One that cannot (somebody wrote into our table) is parked and stops no other. */
  async #readable(rows: readonly ClaimRow[]): Promise<Claim[]> {
    const claims: Claim[] = []
    for (const row of rows) {
      try {
        claims.push(claimOf(row))
      } catch (error) {
        if (!(error instanceof SyncError)) throw error
        await parkUnreadable(this.#database, row, error, this.#timing)
        this.#counts.parkings += 1
      }
    }
    return claims
  }

  #count(settlement: Settlement): void {
    this.#counts.expectationsDropped += settlement.dropped
    this.#counts.expectationsExpired += settlement.expired
  }

  /** Two who lock rows crosswise (waits for each other, wakes against marks): one is told, and tries again. */
  async #racing<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof AgainError) || tries === TRIES) throw error
        await sleep(tries * 20 * (0.5 + this.#options.random()))
      }
    }
  }
}

function claimLost({ key, token }: Claim): FenceError {
  return new FenceError('QUEUE_CLAIM_LOST', `somebody else has claimed ${keyText(key)} meanwhile`, {
    detail: { key: keyText(key), token },
  })
}
