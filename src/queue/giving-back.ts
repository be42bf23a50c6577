import type { Sql } from '../staging/database.ts'
import { keyText, PRIORITY } from './marking.ts'
import { backoffMs, type QueueTiming } from './options.ts'
import { type Claim, QUEUE_CHANNEL } from './queue.ts'
import { paced } from './waking.ts'

/** A wait for a row lock ends soon: then it is tried again, since two keys that wait for each other lock crosswise. */
const SHORT_LOCKS = `select set_config('lock_timeout', '500ms', true) as set`

/**
 * $1 key, $2 token, $3 dependencies, $4 kinds, $5 priority, $6 bound in ms, $7 reason, $8 channel, $9 generation.
 * A dependency that is queued is not marked (it would be tried again for every waiter, parked or not), only raised.
 * Waiting for others than last time is progress, and starts the count of waits anew.
 */
const wait = (timing: QueueTiming): string => `
with settings as materialized (${SHORT_LOCKS}),
deps as (
  insert into staging_sync.queue as q (key, kind, priority, due_at, marked_at, wakes)
  select d.key, d.kind, $5::smallint, t.now, t.now, array[$1::text]
  from settings, (select clock_timestamp() as now) t, unnest($3::text[], $4::text[]) as d (key, kind)
  order by d.key collate "C"
  on conflict (key) do update set
    priority = least(q.priority, excluded.priority),
    wakes = case when $1 = any(q.wakes) then q.wakes else q.wakes || $1::text end
  returning q.key, q.parked_at is not null as parked
),
open as materialized (select coalesce(array_agg(key) filter (where not parked), '{}') as keys from deps),
given as (
  update staging_sync.queue q set
    due_at = clock_timestamp() + case
      when q.generation <> $9 then interval '0'
      when open.keys = '{}' then ${paced('q.waits', { ...timing, promptWaits: 0 })}
      else $6::float8 * interval '1 ms' end,
    token = null, lease_until = null, claimed_by = null, remarked_at = null,
    waits = case when q.depends_on && $3 or q.depends_on = '{}' then q.waits + 1 else 1 end, waiting_for = open.keys, depends_on = $3, wait_reason = $7
  from open where q.key = $1 and q.token = $2
  returning 1
)
select pg_notify($8, '') from (select count(*) from given) g`

/**
 * How many are waited for at a time. The end of each rewrites the waiter's row, so a list of thousands would cost the
 * square of its length; the waiter comes back and waits for the next ones.
 */
const MAX_DEPENDENCIES = 500

export async function giveBackToWait(
  sql: Sql,
  claim: Claim,
  request: { dependencies: readonly Claim['key'][]; reason: string; priority: Claim['priority'] },
  timing: QueueTiming,
): Promise<void> {
  const own = keyText(claim.key)
  const others = request.dependencies.filter((key) => keyText(key) !== own)
  const kinds = new Map(others.slice(0, MAX_DEPENDENCIES).map((key) => [keyText(key), key.kind]))
  const boundMs = Math.min(timing.waitCeilingMs, timing.waitBaseMs * 2 ** Math.min(claim.waits, 30))
  await sql.query(
    'queue.wait',
    wait(timing),
    [
      own,
      claim.token,
      [...kinds.keys()],
      [...kinds.values()],
      PRIORITY[request.priority],
      boundMs,
      storable(request.reason),
      QUEUE_CHANNEL,
      claim.generation,
    ],
    { prepare: false },
  )
}

/**
 * $1 key, $2 token, $3 code, $4 reason, $5 backoff ms, $6 park, $7 retry of parked ms, $8 channel, $9 generation.
 * A key that was marked meanwhile is due now and not parked: the failure may be older than what the mark tells of.
 * The waiters of a parked key no longer wait for it; `wakes` stays, so that its end still marks them. Whether they do wait
 * is asked of the row as it is once locked, not in `where`, which would see it as it was when the statement began.
 */
const FAIL = `
with settings as materialized (${SHORT_LOCKS}),
failed as (
  update staging_sync.queue q set
    attempts = q.attempts + 1, last_code = $3, last_error = $4, failed_at = clock_timestamp(),
    due_at = clock_timestamp() + interval '1 ms' *
      case when q.generation <> $9 then 0 when $6 then $7::float8 else $5::float8 end,
    parked_at = case when $6 and q.generation = $9 then coalesce(q.parked_at, clock_timestamp()) end,
    token = null, lease_until = null, claimed_by = null, remarked_at = null,
    waits = 0, waiting_for = '{}'
  from settings where q.key = $1 and q.token = $2
  returning q.key, q.wakes, q.parked_at is not null as parked
),
freed as (
  update staging_sync.queue q set
    waiting_for = array_remove(q.waiting_for, f.key),
    due_at = case when q.waiting_for = array[f.key] then least(q.due_at, clock_timestamp()) else q.due_at end
  from failed f where f.parked and q.key = any(f.wakes)
  returning q.key
),
told as (select pg_notify($8, '') from (select count(*) as n from freed) f where f.n > 0)
select failed.parked, (select count(*)::integer from told) as told from failed`

/** Whether the key was parked by it. */
export async function giveBackFailed(
  sql: Sql,
  claim: Claim,
  failure: { reason: string; code: string; park?: boolean },
  options: { timing: QueueTiming; random: () => number },
): Promise<boolean> {
  const { timing, random } = options
  const attempt = claim.attempts + 1
  const delayMs = backoffMs(attempt, {
    baseMs: timing.backoffBaseMs,
    ceilingMs: timing.backoffCeilingMs,
    random,
  })
  const [row] = await sql.query<{ parked: boolean }>(
    'queue.fail',
    FAIL,
    [
      keyText(claim.key),
      claim.token,
      failure.code,
      storable(failure.reason),
      delayMs,
      failure.park === true || attempt >= timing.maxAttempts,
      timing.parkedRetryMs,
      QUEUE_CHANNEL,
      claim.generation,
    ],
    { prepare: false },
  )
  return row?.parked === true
}

/** Parks a row that was just claimed and can't be read as one. */
export async function parkUnreadable(
  sql: Sql,
  row: { key: string; token: unknown },
  error: { code: string; message: string },
  timing: QueueTiming,
): Promise<void> {
  await sql.query(
    'queue.park-unreadable',
    `update staging_sync.queue set
      parked_at = coalesce(parked_at, clock_timestamp()), failed_at = clock_timestamp(), attempts = attempts + 1,
      last_code = $3, last_error = $4, due_at = clock_timestamp() + $5::float8 * interval '1 ms',
      token = null, lease_until = null, claimed_by = null
    where key = $1 and token = $2::bigint`,
    [row.key, String(row.token), error.code, storable(error.message), timing.parkedRetryMs],
    { prepare: false },
  )
}

/** $1 keys, $2 tokens, $3 delay ms, $4 channels to tell. */
const RELEASE = `
with locked as materialized (
  select q.key from staging_sync.queue q join unnest($1::text[], $2::bigint[]) as c (key, token)
    on q.key = c.key and q.token = c.token
  order by q.key collate "C" for update of q
),
given as (
  update staging_sync.queue q set
    token = null, lease_until = null, claimed_by = null, remarked_at = null,
    due_at = clock_timestamp() + $3::float8 * interval '1 ms'
  from locked where q.key = locked.key
  returning 1
)
select pg_notify(channel, '') from (select count(*) as n from given) g, unnest($4::text[]) as channel where g.n > 0`

export async function release(sql: Sql, claims: readonly Claim[], delayMs: number): Promise<void> {
  await sql.query(
    'queue.release',
    RELEASE,
    [
      claims.map(({ key }) => keyText(key)),
      claims.map(({ token }) => token),
      delayMs,
      delayMs > 0 ? [] : [QUEUE_CHANNEL],
    ],
    { prepare: false },
  )
}

/** $1 keys, $2 tokens, $3 lease ms. */
const RENEW = `
with locked as materialized (
  select q.key from staging_sync.queue q join unnest($1::text[], $2::bigint[]) as c (key, token)
    on q.key = c.key and q.token = c.token
  order by q.key collate "C" for update of q
)
update staging_sync.queue q set lease_until = clock_timestamp() + $3::float8 * interval '1 ms'
from locked where q.key = locked.key
returning q.key`

/** Keys whose lease was lengthened. */
export async function renew(sql: Sql, claims: readonly Claim[], leaseMs: number): Promise<Set<string>> {
  const rows = await sql.query<{ key: string }>(
    'queue.renew',
    RENEW,
    [claims.map(({ key }) => keyText(key)), claims.map(({ token }) => token), leaseMs],
    { prepare: false },
  )
  return new Set(rows.map(({ key }) => key))
}

/** What PostgreSQL's text takes, of a bounded length: a reason may quote what the world sent. */
function storable(text: string): string {
  return Buffer.from(text.slice(0, 2_000).replaceAll('\0', '')).toString()
}
