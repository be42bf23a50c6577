import type { Sql } from '../staging/database.ts'
import { safeNumber } from './claim-row.ts'
import type { ParkedKey, QueueStats } from './queue.ts'

const STATS = `
with clock as materialized (select clock_timestamp() as now),
rows as (
  select q.priority, q.marked_at, q.due_at <= now as due, q.parked_at is not null as parked, case
    when q.lease_until > now then 'claimed'
    when q.parked_at is not null then 'parked'
    when q.due_at <= now then 'ready'
    when q.waiting_for <> '{}' then 'waiting'
    else 'delayed' end as state
  from staging_sync.queue q, clock
)
select
  count(*) filter (where state = 'ready' and priority = 0) as live,
  count(*) filter (where state = 'ready' and priority = 1) as sweep,
  count(*) filter (where state = 'waiting') as waiting,
  count(*) filter (where state = 'delayed') as delayed,
  count(*) filter (where state = 'claimed') as claimed,
  count(*) filter (where state = 'parked') as parked,
  coalesce(extract(epoch from (select now from clock) - min(marked_at) filter (where due and not parked)), 0)::float8
    as oldest_seconds
from rows`

interface StatsRow {
  readonly live: unknown
  readonly sweep: unknown
  readonly waiting: unknown
  readonly delayed: unknown
  readonly claimed: unknown
  readonly parked: unknown
  readonly oldest_seconds: number
}

/** Reads the whole table once: for a scrape every few seconds, not for a loop. */
export async function readStats(sql: Sql): Promise<Omit<QueueStats, 'counted'>> {
  const [row] = await sql.query<StatsRow>('queue.stats', STATS)
  return {
    ready: { live: safeNumber(row?.live, 'count'), sweep: safeNumber(row?.sweep, 'count') },
    waiting: safeNumber(row?.waiting, 'count'),
    delayed: safeNumber(row?.delayed, 'count'),
    claimed: safeNumber(row?.claimed, 'count'),
    parked: safeNumber(row?.parked, 'count'),
    oldestSeconds: Math.max(0, row?.oldest_seconds ?? 0),
  }
}

interface ParkedRow {
  readonly key: string
  readonly code: string | null
  readonly reason: string | null
  readonly attempts: number
  readonly parked_at_ms: number
  readonly retry_at_ms: number
}

export async function readParked(sql: Sql, limit: number): Promise<ParkedKey[]> {
  const rows = await sql.query<ParkedRow>(
    'queue.parked',
    `select key, last_code as code, last_error as reason, attempts,
      floor(extract(epoch from parked_at) * 1000)::float8 as parked_at_ms,
      floor(extract(epoch from due_at) * 1000)::float8 as retry_at_ms
    from staging_sync.queue where parked_at is not null order by parked_at desc, key limit $1`,
    [limit],
  )
  return rows.map((row) => ({
    key: row.key,
    code: row.code ?? '',
    reason: row.reason ?? '',
    attempts: row.attempts,
    parkedAtMs: row.parked_at_ms,
    retryAtMs: row.retry_at_ms,
  }))
}

/** Both ranges begin after now, hence behind what claims have taken. A key that is ready shows as `ready`. */
export async function readNextDueMs(
  sql: Sql,
  from: { liveFrom: string; sweepFrom: string },
): Promise<number | null> {
  const [row] = await sql.query<{ next_ms: number | null }>(
    'queue.next-due',
    `select (extract(epoch from least(
      (select due_at from staging_sync.queue q where priority = 0 and due_at >= $1::timestamptz
        and coalesce(lease_until <= clock_timestamp(), true) order by due_at limit 1),
      (select due_at from staging_sync.queue q where priority = 1 and due_at >= $2::timestamptz
        and coalesce(lease_until <= clock_timestamp(), true) order by due_at limit 1)
    ) - clock_timestamp()) * 1000)::float8 as next_ms`,
    [from.liveFrom, from.sweepFrom],
    { prepare: false },
  )
  return row?.next_ms ?? null
}
