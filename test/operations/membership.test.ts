import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Mark } from '../../src/model/outcome.ts'
import { MemberQueue } from '../../src/operations/member-queue.ts'
import { Membership } from '../../src/operations/membership.ts'
import { isFenceBusy } from '../../src/queue/queue.ts'
import { migrate } from '../../src/staging/migration.ts'
import { stagingMigrations } from '../../src/staging/tables.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { openQueue, type TestQueue } from '../queue/setup.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'

let server: TestDatabase
const open: TestQueue[] = []
beforeAll(async () => {
  server = await testDatabase({ koji: 'none' })
})
afterAll(async () => {
  for (const { database } of open) await database.destroy()
  await server.drop()
})

/** A process with its clocks, which has joined with this policy. */
async function member(id: string, digest: string) {
  const pid = id.charCodeAt(0)
  const opened = await openQueue(server.url, {}, { holder: `host-${id}:${pid}` })
  open.push(opened)
  await migrate(opened.database, stagingMigrations)
  const clock = { monotonic: 0, wall: 0 }
  const membership = new Membership(opened.database, {
    monotonicMs: () => clock.monotonic,
    wallMs: () => clock.wall,
  })
  const metrics = new Metrics({ version: 'test', processMetrics: false })
  const join = () => membership.join({ id, host: `host-${id}`, pid, digest })
  return { ...opened, clock, join, metrics, queue: new MemberQueue(opened.queue, membership, { metrics }) }
}
type Member = Awaited<ReturnType<typeof member>>

let [stalled, other]: [Member | undefined, Member | undefined] = [undefined, undefined]
const mark = (buildId: number): Mark[] => [{ key: { kind: 'build', buildId }, priority: 'live' }]
const both = (): [Member, Member] => [stalled as Member, other as Member]

beforeEach(async () => {
  stalled ??= await member('a', 'old policy')
  other ??= await member('b', 'new policy')
  const { database } = stalled
  for (const table of ['queue', 'daemon']) {
    await database.query(`test.empty-${table}`, `delete from staging_sync.${table}`)
  }
  stalled.clock.monotonic = 0
  stalled.clock.wall = 0
  await stalled.join()
})

/** Two minutes pass on the database's clock. */
const passed = () =>
  both()[0].database.query('test.pass', `update staging_sync.daemon set seen = seen - interval '2 minutes'`)

it('another policy waits until the old one is gone, and takes its claims away', async () => {
  const [old, fresh] = both()
  const [claim] = await old.queue.markAndClaim(mark(1))
  if (claim === undefined) throw new Error('no claim')
  await expect(fresh.join()).rejects.toMatchObject({ code: 'DAEMON_OTHER_POLICY' })
  await passed()
  await fresh.join()
  // The stalled one goes on where it was: in the middle of a key.
  const applying = old.database.transaction('test.apply', (tx) => old.queue.fence(tx, claim))
  await expect(applying).rejects.toMatchObject({ code: 'QUEUE_CLAIM_LOST' })
  expect(await fresh.queue.claim(10)).toMatchObject([{ key: { buildId: 1 } }])
})

/** A daemon of another policy, as a process that was killed left it. */
const left = (host: string, pid: number, seenSecondsAgo: number) =>
  both()[0].database.query(
    'test.left',
    `insert into staging_sync.daemon (id, host, pid, digest, seen)
     values ('left', $1, $2, 'edited since', clock_timestamp() - make_interval(secs => $3))`,
    [host, pid, seenSecondsAgo],
  )
const names = () =>
  both()[0].database.query<{ id: string }>('test.names', 'select id from staging_sync.daemon order by id')

it('who was killed and is started again with another policy is not in its own way; a living one is', async () => {
  const [old] = both()
  await left('host-a', 4194305, 1)
  await old.join()
  expect(await names()).toEqual([{ id: 'a' }])
  await left('host-a', process.ppid, 1)
  await expect(old.join()).rejects.toMatchObject({ code: 'DAEMON_OTHER_POLICY' })
  await old.database.query('test.unleft', `delete from staging_sync.daemon where id = 'left'`)
  await left('another-host', 4194305, 1)
  await expect(old.join()).rejects.toMatchObject({ code: 'DAEMON_OTHER_POLICY' })
})

it('one of another policy that has missed its beats is waited for until it counts as gone', async () => {
  const [old] = both()
  await left('another-host', 1, 59.5)
  await old.join()
  expect(await names()).toEqual([{ id: 'a' }])
})

it.each(['monotonic', 'wall'] as const)(
  'who was stalled by the %s clock gets no claim of it',
  async (which) => {
    const [old, fresh] = both()
    await passed()
    await fresh.join()
    old.clock[which] += 31_000
    await fresh.queue.mark(mark(2))
    await expect(old.queue.claim(10)).rejects.toMatchObject({ code: 'DAEMON_OTHER_POLICY' })
    await expect(old.queue.markAndClaim(mark(3))).rejects.toMatchObject({ code: 'DAEMON_OTHER_POLICY' })
    // What it took is free at once.
    expect(await fresh.queue.claim(10)).toHaveLength(2)
  },
)

it('who was stalled and nobody came goes on, and asks again only after half the time', async () => {
  const [old] = both()
  await passed()
  const seen = () =>
    old.database.query<{ old: boolean }>(
      'test.seen',
      `select seen < now() - interval '1 minute' as old from staging_sync.daemon`,
    )
  old.clock.monotonic += 29_000
  expect(await old.queue.markAndClaim(mark(4))).toHaveLength(1)
  expect(await seen()).toEqual([{ old: true }])
  old.clock.monotonic += 2_000
  expect(await old.queue.markAndClaim(mark(5))).toHaveLength(1)
  expect(await seen()).toEqual([{ old: false }])
})

it('a claim that ends with a second look keeps its key in the queue', async () => {
  const [{ queue, database }] = both()
  const expected = [{ subject: 'state', claim: '1' }]
  const [claim] = await queue.markAndClaim([{ ...mark(9)[0], expect: expected } as Mark])
  if (claim === undefined) throw new Error('no claim')
  const end = { relook: expected, nowMs: claim.expect[0]?.sinceMs ?? 0 }
  await database.transaction('t', (tx) => queue.fenceAtOnce(tx, claim, end))
  const [row] = await database.query<{ token: unknown; only: boolean }>(
    'test.row',
    `select token, only_expected as only from staging_sync.queue where key = 'build/9' and due_at > now()`,
  )
  expect(row).toEqual({ token: null, only: true })
  // Once more, by a claim that is no longer the row's.
  const again = database.transaction('t', (tx) => queue.fenceAtOnce(tx, claim, end))
  await expect(again).rejects.toSatisfy(isFenceBusy)
})

it('what is marked and what is claimed is counted, by priority', async () => {
  const { queue, metrics, database } = both()[0]
  const counts = async () => {
    const of = async (metric: typeof metrics.queueMarks) =>
      Object.fromEntries((await metric.get()).values.map(({ labels, value }) => [labels.priority, value]))
    return [await of(metrics.queueMarks), await of(metrics.queueClaims)]
  }
  const [marksBefore = {}, claimsBefore = {}] = await counts()
  await queue.mark([...mark(20), ...mark(21)])
  await queue.mark(mark(20))
  await database.transaction('test.mark', (tx) =>
    queue.markIn(tx, [{ key: { kind: 'build', buildId: 22 }, priority: 'sweep' }]),
  )
  expect(await queue.claim(10)).toHaveLength(3)
  expect(await queue.markAndClaim(mark(23))).toHaveLength(1)
  const [marks, claims] = await counts()
  expect(marks).toEqual({ live: (marksBefore.live ?? 0) + 4, sweep: (marksBefore.sweep ?? 0) + 1 })
  expect(claims).toEqual({ live: (claimsBefore.live ?? 0) + 3, sweep: (claimsBefore.sweep ?? 0) + 1 })
})
