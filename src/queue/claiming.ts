import type { Sql } from '../staging/database.ts'
import { CLAIM_COLUMNS, type ClaimRow } from './claim-row.ts'
import { IS_HELD, MARK_INPUT, MARK_UPDATE, type MarkRow, markValues } from './marking.ts'

/** A row that was claimed. */
export interface Claimed extends ClaimRow {
  /** as PostgreSQL wrote it, to the microsecond: where the next claim may begin */
  readonly due_at: string
  /** its holder let the lease end */
  readonly expired: boolean
  /** when the statement ran, less a second */
  readonly seen_until: string
}

export interface ClaimRequest {
  readonly limit: number
  /** Of `limit`, places that sweeps get first, if any is ready. */
  readonly sweepShare: number
  readonly liveFrom: string
  readonly sweepFrom: string
  readonly leaseMs: number
  readonly holder: string
}

/**
 * A claim's commit need not survive a crash of the server, so it waits for no fsync. A lost claim makes its holder's fence
 * fail: the row has its old token, or none. Should the sequence give the same token again after the crash, to another claim
 * of the same key, then both have the same generation, hence both read prod after the newest mark; whoever applies first
 * takes the row, and with it the other's fence. Marks are always durable.
 */
export const QUICK_COMMIT = `select set_config('synchronous_commit', 'off', true)`

const due = (priority: 0 | 1, from: string): string => `
    select q.key, q.due_at, q.lease_until is not null as expired
    from staging_sync.queue q
    where q.priority = ${priority} and q.due_at >= ${from}::timestamptz and q.due_at <= (select now from clock)
      and (q.lease_until is null or q.lease_until <= (select now from clock))`

/**
 * $1 limit, $2 places for sweeps first, $3 and $4 where the ranges begin, $5 lease in ms, $6 holder.
 * Walks queue_due from the given places on: three ranges, each in the order of due_at.
 *
 * The rows that were picked are named to the update by an array, not joined: a row that somebody marked meanwhile is judged once more,
 * and PostgreSQL runs what is joined anew for that, limits included, which then no longer fit each other ("LIMIT must not be negative").
 */
export const CLAIM = `
with clock as materialized (select clock_timestamp() as now, (${QUICK_COMMIT}) as quick),
share as materialized (${due(1, '$4')}
    order by q.due_at limit $2::bigint for update of q skip locked),
live as materialized (${due(0, '$3')}
    order by q.due_at limit $1::bigint - (select count(*) from share) for update of q skip locked),
rest as materialized (${due(1, '$4')} and q.key not in (select key from share)
    order by q.due_at limit $1::bigint - (select count(*) from share) - (select count(*) from live)
    for update of q skip locked),
picked as (select * from share union all select * from live union all select * from rest),
claimed as (
  update staging_sync.queue q set
    token = nextval('staging_sync.queue_token'),
    lease_until = (select now from clock) + $5::float8 * interval '1 ms',
    claimed_by = $6, remarked_at = null
  where q.key = any (array(select key from picked))
  returning ${CLAIM_COLUMNS}, q.due_at
)
select c.*, p.expired, clock.now - interval '1 s' as seen_until
from clock left join (claimed c join picked p on p.key = c.key) on true
order by c.priority, c.due_at`

/** Rows claimed (at most `limit`) and the clock. */
export async function claimDue(
  sql: Sql,
  request: ClaimRequest,
): Promise<{ rows: Claimed[]; seenUntil: string }> {
  const { limit, sweepShare, liveFrom, sweepFrom, leaseMs, holder } = request
  const rows = await sql.query<Claimed | { key: null; seen_until: string }>(
    'queue.claim',
    CLAIM,
    [limit, sweepShare, liveFrom, sweepFrom, leaseMs, holder],
    { prepare: false },
  )
  const seenUntil = rows[0]?.seen_until ?? '-infinity'
  return { rows: rows.filter((row): row is Claimed => row.key !== null), seenUntil }
}

/** $1 to $6 the marks, $7 lease in ms, $8 holder. A key that somebody holds is marked and stays his. */
const MARK_AND_CLAIM = `
with settings as materialized (select set_config('lock_timeout', '2s', true) as set),
input as materialized (
  select m.*, nextval('staging_sync.queue_token') as token, m.now + $7::float8 * interval '1 ms' as lease_until
  from (${MARK_INPUT}) m
),
claimed as (
  insert into staging_sync.queue as q
    (key, kind, priority, due_at, marked_at, expect, expect_dropped, only_expected, token, lease_until, claimed_by)
  select key, kind, priority, now, now, expect, dropped, only_expected, token, lease_until, $8 from settings, input
  on conflict (key) do update set ${MARK_UPDATE},
    token = case when ${IS_HELD} then q.token else excluded.token end,
    lease_until = case when ${IS_HELD} then q.lease_until else excluded.lease_until end,
    claimed_by = case when ${IS_HELD} then q.claimed_by else excluded.claimed_by end
  returning ${CLAIM_COLUMNS}
)
select c.* from claimed c join input i on i.key = c.key and i.token = c.token order by c.key collate "C"`

export async function markAndClaimIn(
  sql: Sql,
  rows: readonly MarkRow[],
  options: { leaseMs: number; holder: string },
): Promise<ClaimRow[]> {
  if (rows.length === 0) return []
  return sql.query<ClaimRow>('queue.mark-and-claim', MARK_AND_CLAIM, [
    ...markValues(rows),
    options.leaseMs,
    options.holder,
  ])
}
