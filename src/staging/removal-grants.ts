import { SyncError } from '../errors.ts'
import type { Sql, Tx } from './database.ts'

/** A reconcile that was not seen for longer was cut off, and what was allowed for it is over; seconds. */
const GONE_SECONDS = 60

/** Who allowed more removals, for the record. */
export interface Grantor {
  /** the person's account on that host */
  readonly user: string
  readonly host: string
  readonly pid: number
}

/** Inferred removals beyond the budget that a person allowed for one reconcile. */
export interface Grant {
  readonly id: number
  /** rows, of all kinds together */
  readonly rows: number
  readonly used: number
}

/**
 * Allows `rows` removals beyond the hourly budgets, for as long as the reconcile `holder` has its turn: whoever works on the
 * queue meanwhile may spend of them. The record stays. Throws SyncError REMOVALS_INVALID.
 */
export async function grantRemovals(sql: Sql, holder: string, rows: number, by: Grantor): Promise<Grant> {
  if (!Number.isSafeInteger(rows) || rows < 1) {
    throw new SyncError('REMOVALS_INVALID', `a number of removals to allow is 1 or more, not ${rows}`)
  }
  const [grant] = await sql.query<Grant>(
    'removals.grant',
    `insert into staging_sync.removal_grant (holder, rows, granted_by, host, pid) values ($1, $2, $3, $4, $5)
     returning id, rows, used`,
    [holder, rows, by.user, by.host, by.pid],
  )
  return grant as Grant
}

/** Says that the reconcile still runs; every 15 s or so. */
export async function keepGrant(sql: Sql, holder: string): Promise<void> {
  await sql.query(
    'removals.keep-grant',
    'update staging_sync.removal_grant set seen = clock_timestamp() where holder = $1 and ended_at is null',
    [holder],
  )
}

/** Ends what was allowed for a reconcile. Returns how much of it was used. */
export async function endGrant(sql: Sql, holder: string): Promise<number> {
  const rows = await sql.query<{ used: number }>(
    'removals.end-grant',
    `update staging_sync.removal_grant set ended_at = clock_timestamp() where holder = $1 and ended_at is null returning used`,
    [holder],
  )
  return rows.reduce((sum, { used }) => sum + used, 0)
}

/** Takes up to `count` of what a person allowed; it counts only if the transaction commits. Returns how many. */
export async function spendGrant(tx: Tx, count: number): Promise<number> {
  const [spent] = await tx.query<{ taken: number }>(
    'removals.spend-grant',
    `with open as (
       select g.id, least($1::bigint, g.rows - g.used) as taken
         from staging_sync.removal_grant g
        where g.ended_at is null and g.used < g.rows
          and g.seen > clock_timestamp() - interval '${GONE_SECONDS} seconds'
        order by g.id limit 1 for update)
     update staging_sync.removal_grant g set used = g.used + open.taken from open where g.id = open.id
     returning open.taken`,
    [count],
  )
  return spent?.taken ?? 0
}
