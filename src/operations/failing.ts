import type { FailedKey, OpenKeys } from '../model/open-keys.ts'
import type { Sql } from '../staging/database.ts'

/** A key that failed so often has had its chance: whoever waits for others need not wait for its next one. */
const TRIES = 3

/** Of a row `q` of the queue: it failed for itself, and its next try lies ahead. */
const FAILS = (q: string): string =>
  `(${q}.attempts >= ${TRIES} and ${q}.due_at > clock_timestamp() and ${q}.lease_until is null)`
/** It waits for others. */
const WAITS = (q: string): string =>
  `(${q}.waiting_for <> '{}' and ${q}.due_at > clock_timestamp() and ${q}.lease_until is null)`
const GOES_ON = (q: string): string => `(${q}.parked_at is null and not ${FAILS(q)} and not ${WAITS(q)})`

/** $1 priority, $2 keys (null: all of that priority). */
const IS_STUCK = `
select not exists (
         select 1 from staging_sync.queue q
          where ${GOES_ON('q')} and q.priority = $1 and ($2::text[] is null or q.key = any($2))
            and (q.expect is null or q.due_at <= clock_timestamp() or q.lease_until is not null))
   and not exists (
         select 1 from staging_sync.queue q, unnest(q.waiting_for) w(key), staging_sync.queue d
          where q.parked_at is null and q.priority = $1 and ($2::text[] is null or q.key = any($2)) and ${WAITS('q')}
            and d.key = w.key and ${GOES_ON('d')}) as stuck`

/**
 * Whether nothing of a priority (or of some keys of it) goes on now: all that is not parked failed for itself a few times, and waits
 * for its next try, or waits for others of that kind.
 */
export async function isStuck(
  sql: Sql,
  priority: 'live' | 'sweep',
  keys: readonly string[] | null,
): Promise<boolean> {
  const [row] = await sql.query<{ stuck: boolean }>(
    'failing.stuck',
    IS_STUCK,
    [priority === 'live' ? 0 : 1, keys],
    { prepare: false },
  )
  return row?.stuck === true
}

/** Named in a report; of thousands nobody reads more. `status` and `parked` show all. */
const NAMED = 20

/** $1 keys, $2 how many are named. */
const FAILING = `
with mine as materialized (
  select q.key, q.parked_at, q.waiting_for from unnest($1::text[]) as k(key) join staging_sync.queue q on q.key = k.key
   where q.parked_at is not null or ${FAILS('q')} or ${WAITS('q')}
),
cause as (select key from mine union select w.key from mine, unnest(mine.waiting_for) w(key)),
failed as (
  select q.key, q.parked_at is not null as parked, coalesce(q.last_code, '') as code, coalesce(q.last_error, '') as reason
    from staging_sync.queue q where q.key in (select key from cause) and (q.parked_at is not null or ${FAILS('q')})
   order by q.key collate "C" limit $2
)
select (select count(*)::int from mine where parked_at is not null) as parked,
       (select count(*)::int from mine where parked_at is null) as failing,
       (select coalesce(json_agg(failed), '[]')::text from failed) as failed`

/** What is open of keys, but for held ones: those that are parked, and those that fail or wait for such, with why. */
export async function readFailing(sql: Sql, keys: readonly string[]): Promise<Omit<OpenKeys, 'heldKeys'>> {
  const [row] = await sql.query<{ parked: number; failing: number; failed: string }>(
    'failing.keys',
    FAILING,
    [keys, NAMED],
    { prepare: false },
  )
  const failures = JSON.parse(row?.failed ?? '[]') as FailedKey[]
  return { parkedKeys: row?.parked ?? 0, failingKeys: row?.failing ?? 0, failures }
}
