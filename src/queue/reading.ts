import type { Sql } from '../staging/database.ts'
import type { ParkedKey } from './queue.ts'

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
