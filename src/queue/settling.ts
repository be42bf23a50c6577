import type { Sql } from '../staging/database.ts'
import { holds } from '../staging/database-errors.ts'
import { IS_WITHIN } from '../staging/open-transaction.ts'
import { safeNumber } from './claim-row.ts'
import {
  formatExpectations,
  parseExpectations,
  type Settled,
  type StoredExpectations,
  settleExpectations,
} from './expectations.ts'
import { keyText } from './marking.ts'
import type { QueueTiming } from './options.ts'
import {
  type Claim,
  type Ending,
  FENCE_AT_ONCE,
  type FinishOptions,
  QUEUE_CHANNEL,
  type Relook,
} from './queue.ts'
import { wakeFrom } from './waking.ts'

/** How a claim ended, and what of its expectations was given up. */
export interface Settlement {
  readonly ending: Ending
  readonly dropped: number
  readonly expired: number
}

/**
 * Deletes the rows whose key, token and generation are given, and wakes who waits for them.
 *
 * Rows are locked in the order of keys first, like everywhere; the wake's rows come after (a wait locks in this order too).
 */
const remove = (timing: QueueTiming, settings: string): string => `
with settings as materialized (select ${settings} as set),
locked as materialized (
  select q.key from settings, staging_sync.queue q
  join unnest($1::text[], $2::bigint[], $3::bigint[]) as c (key, token, generation)
    on q.key = c.key and q.token = c.token and q.generation = c.generation
  order by q.key collate "C" for update of q
),
gone as (
  delete from staging_sync.queue q using locked where q.key = locked.key
  returning q.key, q.priority, q.wakes, q.expect_dropped
),
woken as (${wakeFrom('gone', timing)}
  returning 1
),
told as (select pg_notify($4, '') from (select 1 from woken limit 1) w)
select gone.key, gone.expect_dropped, (select count(*)::integer from told) as told from gone`

/**
 * Ends claims that wrote nothing and expect nothing more, in one statement; those that are not in the answer were marked
 * meanwhile, or are lost. It does not wait for the disk: what a crash of the server undoes is converged once more.
 */
export function removeSettled(
  sql: Sql,
  claims: readonly Claim[],
  timing: QueueTiming,
): Promise<Map<string, Settlement>> {
  const settings = `set_config('lock_timeout', '2s', true) || set_config('synchronous_commit', 'off', true)`
  return removeUnmoved(sql, claims, { timing, settings })
}

/** The same as a part of a transaction: `settings` is an expression, and may make settings of it. */
export async function removeUnmoved(
  sql: Sql,
  claims: readonly Claim[],
  { timing, settings }: { readonly timing: QueueTiming; readonly settings: string },
): Promise<Map<string, Settlement>> {
  if (claims.length === 0) return new Map()
  const gone = await sql.query<{ key: string; expect_dropped: number }>(
    'queue.remove',
    remove(timing, settings),
    [
      claims.map(({ key }) => keyText(key)),
      claims.map(({ token }) => token),
      claims.map(({ generation }) => generation),
      QUEUE_CHANNEL,
    ],
    { prepare: false },
  )
  return new Map(
    gone.map(({ key, expect_dropped }) => [key, { ending: 'done', dropped: expect_dropped, expired: 0 }]),
  )
}

/** No row that is gone fails the transaction. */
const FENCE = `
with gone as (
  delete from staging_sync.queue
   where key = $1 and token = $2 and generation = $3 and wakes = '{}' returning expect_dropped
)
select ${holds(`count(*) = 1 and ${IS_WITHIN}`)}, max(expect_dropped) as dropped from gone`

/** Ends a claim whose row is as it was claimed, and that nobody waits for; fails the transaction when it is not. */
export async function endAtOnce(
  tx: Sql,
  claim: Claim,
  relook: Relook | null,
  timing: QueueTiming,
): Promise<Settlement> {
  const own = [keyText(claim.key), claim.token, claim.generation]
  const { kept, expired, relookMs } = settleClaim(claim, relook, timing)
  if (relookMs !== null) {
    const values = [...own, relookMs, formatExpectations(kept)]
    await tx.query(FENCE_AT_ONCE, GIVE_BACK_AT_ONCE, values, { prepare: 'by-text' })
    return { ending: 'again', dropped: 0, expired }
  }
  const [row] = await tx.query<{ dropped: number }>(FENCE_AT_ONCE, FENCE, own, {
    prepare: 'by-text',
    early: true,
  })
  return { ending: 'done', dropped: row?.dropped ?? 0, expired }
}

/** What of the claim's own expectations stays: nothing else came, or its generation would tell. */
function settleClaim(claim: Claim, relook: Relook | null, timing: QueueTiming): Settled {
  if (relook === null) return { kept: new Map(), expired: 0, relookMs: null }
  const stored: StoredExpectations = new Map(
    claim.expect.map(({ subject, claim: said, sinceMs }) => [subject, [said, sinceMs]]),
  )
  const options = { nowMs: relook.nowMs, ttlMs: timing.expectationTtlMs, delaysMs: timing.relookMs }
  return settleExpectations(stored, claim.expect, relook.relook, options)
}

/** Ends one claim, in a transaction: removes its row, or gives it back for another round. */
export async function settle(
  tx: Sql,
  claim: Claim,
  options: FinishOptions,
  timing: QueueTiming,
): Promise<Settlement> {
  const key = keyText(claim.key)
  const relook = options.relook ?? []
  if (relook.length === 0) {
    const removed = await removeOwn(tx, key, claim, timing)
    if (removed !== undefined) return removed
  }
  const row = await lockOwn(tx, key, claim.token)
  if (row === undefined) return { ending: 'lost', dropped: 0, expired: 0 }
  const moved = safeNumber(row.generation, 'generation') !== claim.generation
  const { kept, expired, relookMs } = settleExpectations(
    parseExpectations(row.expect),
    claim.expect,
    relook,
    { nowMs: row.now_ms, ttlMs: timing.expectationTtlMs, delaysMs: timing.relookMs },
  )
  if (!moved && relookMs === null) {
    const removed = await removeOwn(tx, key, claim, timing)
    if (removed !== undefined) return { ...removed, expired }
  }
  await tx.query(
    'queue.give-back',
    GIVE_BACK,
    [
      key,
      claim.token,
      moved ? 0 : (relookMs ?? 0),
      formatExpectations(kept),
      moved ? [QUEUE_CHANNEL] : [],
      moved,
    ],
    { prepare: false },
  )
  // What was read is applied: who waits for this key need not wait for what a message claimed of it.
  await wakeWaiters(tx, { key, ...row }, timing)
  return { ending: 'again', dropped: row.expect_dropped, expired }
}

/**
 * The last statement of an applying transaction, short since row locks of Koji's tables are held until its answer is here;
 * a second one where others wait for the key.
 */
async function removeOwn(
  tx: Sql,
  key: string,
  claim: Claim,
  timing: QueueTiming,
): Promise<Settlement | undefined> {
  const [gone] = await tx.query<{ priority: number; wakes: string[]; expect_dropped: number }>(
    'queue.remove-own',
    `delete from staging_sync.queue where key = $1 and token = $2 and generation = $3
    returning priority, wakes, expect_dropped`,
    [key, claim.token, claim.generation],
    { prepare: false },
  )
  if (gone === undefined) return undefined
  await wakeWaiters(tx, { key, ...gone }, timing)
  return { ending: 'done', dropped: gone.expect_dropped, expired: 0 }
}

export async function wakeWaiters(
  tx: Sql,
  ended: { readonly key: string; readonly priority: number; readonly wakes: readonly string[] },
  timing: QueueTiming,
): Promise<void> {
  if (ended.wakes.length === 0) return
  const { key, priority, wakes } = ended
  await tx.query('queue.wake', wake(timing), [key, priority, wakes, QUEUE_CHANNEL], { prepare: false })
}

const wake = (timing: QueueTiming): string => `
with gone as materialized (select $1::text as key, $2::smallint as priority, $3::text[] as wakes),
woken as (${wakeFrom('gone', timing)}
  returning 1
)
select pg_notify($4, '') from (select count(*) from woken) w`

export interface OwnRow {
  readonly generation: unknown
  readonly priority: number
  readonly wakes: readonly string[]
  readonly expect: string | null
  readonly expect_dropped: number
  readonly now_ms: number
}

async function lockOwn(tx: Sql, key: string, token: number): Promise<OwnRow | undefined> {
  const [row] = await tx.query<OwnRow>(
    'queue.lock-own',
    `select generation, priority, wakes, expect, expect_dropped, extract(epoch from clock_timestamp())::float8 * 1000 as now_ms
    from staging_sync.queue where key = $1 and token = $2 for update`,
    [key, token],
    { prepare: false },
  )
  return row
}

/** The row of a round that ended well, given back: failures and waits start again from nothing. The token ends with the lease. */
export const givenBack = (dueMs: string, expect: string): string => `
    token = null, lease_until = null, claimed_by = null,
    due_at = clock_timestamp() + ${dueMs}::float8 * interval '1 ms',
    marked_at = coalesce(remarked_at, marked_at), remarked_at = null,
    attempts = 0, last_code = null, last_error = null, failed_at = null, parked_at = null,
    waits = 0, waiting_for = '{}', depends_on = '{}', wait_reason = null,
    wakes = '{}', expect = ${expect}::jsonb, expect_dropped = 0`

/** All but what is expected is equal now. */
const GIVE_BACK_AT_ONCE = `
with given as (
  update staging_sync.queue set ${givenBack('$4', '$5')}, only_expected = true
   where key = $1 and token = $2 and generation = $3 and wakes = '{}'
  returning 1
)
select ${holds('count(*) = 1')} from given`

/** $6: marked meanwhile; else all but what is expected is equal now. */
const GIVE_BACK = `
with given as (
  update staging_sync.queue set ${givenBack('$3', '$4')}, only_expected = only_expected or not $6::boolean
  where key = $1 and token = $2
  returning key
)
select pg_notify(channel, '') from given, unnest($5::text[]) as channel`
