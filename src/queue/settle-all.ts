import type { Sql } from '../staging/database.ts'
import { safeNumber } from './claim-row.ts'
import { formatExpectations, parseExpectations, settleExpectations } from './expectations.ts'
import { keyText } from './marking.ts'
import type { QueueTiming } from './options.ts'
import { type Claim, QUEUE_CHANNEL } from './queue.ts'
import { givenBack, type OwnRow, removeUnmoved, type Settlement, wakeWaiters } from './settling.ts'

interface Settled {
  readonly claim: Claim
  readonly settlement: Settlement
}

/**
 * `settle` for many claims that look for nothing again, in a transaction: in one statement those that nobody marked meanwhile, in two
 * more the others, each a round further.
 */
export async function settleAll(
  tx: Sql,
  claims: readonly Claim[],
  timing: QueueTiming,
): Promise<readonly Settled[]> {
  const removed = await removeUnmoved(tx, claims, { timing, settings: `''` })
  const moved = claims.filter(({ key }) => !removed.has(keyText(key)))
  const again = moved.length === 0 ? new Map<string, Settlement>() : await giveBackAll(tx, moved, timing)
  const lost: Settlement = { ending: 'lost', dropped: 0, expired: 0 }
  return claims.map((claim) => {
    const text = keyText(claim.key)
    return { claim, settlement: removed.get(text) ?? again.get(text) ?? lost }
  })
}

type Row = OwnRow & { readonly key: string }

async function giveBackAll(
  tx: Sql,
  claims: readonly Claim[],
  timing: QueueTiming,
): Promise<Map<string, Settlement>> {
  const rows = await tx.query<Row>(
    'queue.lock-all',
    `select q.key, q.generation, q.priority, q.wakes, q.expect, q.expect_dropped,
            extract(epoch from clock_timestamp())::float8 * 1000 as now_ms
       from staging_sync.queue q join unnest($1::text[], $2::bigint[]) as c (key, token)
         on q.key = c.key and q.token = c.token
      order by q.key collate "C" for update of q`,
    [claims.map(({ key }) => keyText(key)), claims.map(({ token }) => token)],
    { prepare: false },
  )
  const own = new Map(claims.map((claim) => [keyText(claim.key), claim]))
  const ends = new Map<string, Settlement>()
  const given: { readonly row: Row; readonly claim: Claim; readonly expect: string | null; dueMs: number }[] =
    []
  for (const row of rows) {
    const claim = own.get(row.key) as Claim
    const { kept, expired, relookMs } = settleExpectations(parseExpectations(row.expect), claim.expect, [], {
      nowMs: row.now_ms,
      ttlMs: timing.expectationTtlMs,
      delaysMs: timing.relookMs,
    })
    const moved = safeNumber(row.generation, 'generation') !== claim.generation
    given.push({ row, claim, expect: formatExpectations(kept), dueMs: moved ? 0 : (relookMs ?? 0) })
    ends.set(row.key, { ending: 'again', dropped: row.expect_dropped, expired })
  }
  await tx.query('queue.give-back-all', GIVE_BACK_ALL, [
    given.map(({ row }) => row.key),
    given.map(({ claim }) => claim.token),
    given.map(({ dueMs }) => dueMs),
    given.map(({ expect }) => expect),
    QUEUE_CHANNEL,
  ])
  // What was read is applied: who waits for these keys need not wait for what came since.
  for (const { row } of given) await wakeWaiters(tx, row, timing)
  return ends
}

const GIVE_BACK_ALL = `
with given as (
  update staging_sync.queue q set ${givenBack('r.due_ms', 'r.expect')}
    from unnest($1::text[], $2::bigint[], $3::float8[], $4::jsonb[]) as r (key, token, due_ms, expect)
   where q.key = r.key and q.token = r.token
  returning 1
)
select pg_notify($5, '') from (select count(*) from given) g`
