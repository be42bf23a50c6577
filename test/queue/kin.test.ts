import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Key } from '../../src/model/key.ts'
import type { Claim } from '../../src/queue/queue.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { build, keysOf, listing, mark, openQueue, passTime, rowsOf, type TestQueue } from './setup.ts'

const LEASE_MS = 60_000
const LISTS_OF_12 = { kinds: ['package', 'tagged'], within: '/12/' }

let server: TestDatabase
let a: TestQueue
let b: TestQueue

beforeAll(async () => {
  server = await testDatabase({ koji: 'none' })
})
afterAll(() => server?.drop())

beforeEach(async () => {
  a = await openQueue(server.url, { leaseMs: LEASE_MS, backoffBaseMs: 100_000 })
  b = await openQueue(server.url, { leaseMs: LEASE_MS })
  await a.database.query('test.empty', 'truncate staging_sync.queue')
})
afterEach(async () => {
  await a.database.destroy()
  await b.database.destroy()
})

const entry = (tagId: number, packageId: number): Key => ({ kind: 'package', tagId, packageId })
const byKey = (claims: readonly Claim[]) => keysOf(claims).sort()
const fenceAll = (queue: TestQueue, claims: readonly Claim[]): Promise<void> =>
  queue.database.transaction('apply', (tx) => queue.queue.fenceAll(tx, claims))

it('claims what is kin and due, of both priorities, the oldest first, and nothing that somebody holds', async () => {
  await a.queue.mark([mark(listing(12, 1)), mark(listing(1, 2)), mark(build(12)), mark(listing(120, 3))])
  await a.queue.mark([mark(listing(12, 4), 'sweep'), mark(entry(12, 5), 'sweep')])
  await a.queue.mark([mark(listing(12, 6)), mark(listing(12, 7))])
  const [failing] = await b.queue.markAndClaim([mark(listing(12, 8))])
  await b.queue.fail(failing as Claim, { reason: 'odd', code: 'ODD' })
  await b.queue.markAndClaim([mark(listing(12, 7))])
  const two = await a.queue.claimKin(LISTS_OF_12, 2)
  const rest = await a.queue.claimKin(LISTS_OF_12, 100)
  expect(byKey([...two, ...rest])).toEqual(['package/12/5', 'tagged/12/1', 'tagged/12/4', 'tagged/12/6'])
  expect(two).toHaveLength(2)
  expect(keysOf(two)).toContain('tagged/12/1')
  expect(await b.queue.claimKin(LISTS_OF_12, 100)).toEqual([])
  expect(await a.queue.claimKin({ kinds: ['build'], within: '/' }, 100)).toMatchObject([{ key: build(12) }])
  await passTime(b.database, LEASE_MS)
  expect((await b.queue.claimKin(LISTS_OF_12, 100)).length).toBeGreaterThanOrEqual(4)
})

it('ends many claims in one transaction: what was marked meanwhile goes another round, who waits is woken', async () => {
  const expected = [{ subject: 'build:1', claim: 'tagged' }]
  await a.queue.mark([1, 2, 3, 4].map((id) => mark(listing(12, id), 'live', id < 3 ? expected : undefined)))
  const claims = await a.queue.claimKin(LISTS_OF_12, 100)
  // One is marked again, with something else; for one somebody waits.
  await b.queue.mark([mark(listing(12, 2), 'live', [{ subject: 'build:2', claim: 'untagged' }])])
  const [waiter] = await b.queue.markAndClaim([mark(build(9), 'sweep')])
  await b.queue.wait(waiter as Claim, [listing(12, 3)], 'it comes first')
  await fenceAll(a, claims)
  const rows = await rowsOf(b.database)
  expect(rows).toMatchObject([
    { key: 'build/9', waiting_for: [] },
    { key: 'tagged/12/2', held: false, generation: 2 },
  ])
  expect(rows[0]?.due_in_ms).toBeLessThanOrEqual(0)
  expect(
    (await a.queue.claim(10)).map(({ expect: left }) => left.map(({ subject }) => subject)),
  ).toContainEqual(['build:2'])
})

it('ends none of many claims when one of them is lost', async () => {
  await a.queue.mark([1, 2, 3].map((id) => mark(listing(12, id))))
  const claims = await a.queue.claimKin(LISTS_OF_12, 100)
  await b.database.query(
    'test.lost',
    `update staging_sync.queue set token = token + 1000 where key = 'tagged/12/2'`,
  )
  await expect(fenceAll(a, claims)).rejects.toMatchObject({
    code: 'QUEUE_CLAIM_LOST',
    detail: { key: 'tagged/12/2' },
  })
  expect(await rowsOf(b.database)).toHaveLength(3)
})

it('finishes a hundred claims that wrote nothing, of which half were marked meanwhile', async () => {
  await a.queue.mark(Array.from({ length: 100 }, (_, id) => mark(listing(12, id))))
  const claims = await a.queue.claimKin(LISTS_OF_12, 100)
  await b.queue.mark(Array.from({ length: 50 }, (_, id) => mark(listing(12, 2 * id))))
  const endings = await a.queue.finish(claims.map((claim) => ({ claim, outcome: { kind: 'unchanged' } })))
  const again = claims
    .filter((_, n) => endings[n] === 'again')
    .map(({ key }) => 'packageId' in key && key.packageId)
  expect(again.sort((x, y) => Number(x) - Number(y))).toEqual(Array.from({ length: 50 }, (_, id) => 2 * id))
  expect(endings.filter((ending) => ending === 'done')).toHaveLength(50)
  expect(await rowsOf(b.database)).toHaveLength(50)
})
