import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Claim } from '../../src/queue/queue.ts'
import { readSample } from '../../src/queue/sample.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import {
  apply,
  build,
  claimOne,
  claimSoon,
  keysOf,
  mark,
  openQueue,
  passTime,
  rowsOf,
  type TestQueue,
} from './setup.ts'

let server: TestDatabase
let a: TestQueue
let b: TestQueue

const LEASE_MS = 60_000

beforeAll(async () => {
  server = await testDatabase({ koji: 'none' })
})
afterAll(() => server.drop())

beforeEach(async () => {
  a = await openQueue(server.url, { leaseMs: LEASE_MS, maxAttempts: 3, backoffBaseMs: 100_000 })
  b = await openQueue(server.url, { leaseMs: LEASE_MS, maxAttempts: 3 })
  await a.database.query('test.table', 'create table if not exists applied (what text)')
  await a.database.query('test.empty', 'truncate staging_sync.queue, applied')
})
afterEach(async () => {
  await a.database.destroy().catch(() => {})
  await b.database.destroy()
})

const applied = async (): Promise<string[]> =>
  (await b.database.query<{ what: string }>('test.applied', 'select what from applied')).map(
    ({ what }) => what,
  )

describe('the fence', () => {
  it('removes the key in the transaction that applied it', async () => {
    await a.queue.mark([mark(build(1))])
    const claim = await claimOne(a.queue)
    const failed = a.database.transaction('apply', async (tx) => {
      await a.queue.fence(tx, claim)
      throw new Error('the commit that never came')
    })
    await expect(failed).rejects.toThrow('never came')
    expect(await rowsOf(b.database)).toHaveLength(1)
    expect(await apply(a, claim, { write: 'one' })).toBe('done')
    expect(await rowsOf(b.database)).toEqual([])
    expect(await applied()).toEqual(['one'])
  })

  it('fails outside of a transaction when it is sent along with the begin', async () => {
    await a.queue.mark([mark(build(1))])
    const claim = await claimOne(a.queue)
    await expect(a.queue.fenceAtOnce(a.database as never, claim)).rejects.toMatchObject({
      code: 'ROW_CHANGED',
    })
    expect(await rowsOf(b.database)).toHaveLength(1)
  })

  it('gives the key back for another round when it was marked while converging', async () => {
    await a.queue.mark([mark(build(1), 'sweep')])
    const claim = await claimOne(b.queue)
    await a.queue.mark([mark(build(1))])
    expect(await a.queue.claim(10)).toEqual([])
    expect(await apply(b, claim, { write: 'older' })).toBe('again')
    const next = await claimOne(a.queue)
    expect(next).toMatchObject({ generation: 2, priority: 'live', attempts: 0 })
    expect(next.token).toBeGreaterThan(claim.token)
  })

  it('rolls back who lost the key because the lease ended', async () => {
    await a.queue.mark([mark(build(1))])
    const slow = await claimOne(a.queue)
    await passTime(b.database, LEASE_MS)
    const [fast] = await claimSoon(b.queue)
    await expect(apply(a, slow, { write: 'slow' })).rejects.toMatchObject({
      name: 'FenceError',
      code: 'QUEUE_CLAIM_LOST',
    })
    expect(await apply(b, fast as Claim, { write: 'fast' })).toBe('done')
    await expect(apply(a, slow, { write: 'slow' })).rejects.toMatchObject({ name: 'FenceError' })
    expect(await applied()).toEqual(['fast'])
    expect(b.queue.counted.leasesExpired).toBe(1)
  })

  it('lets the holder end after its lease while nobody else has claimed', async () => {
    await a.queue.mark([mark(build(1))])
    const claim = await claimOne(a.queue)
    await passTime(b.database, LEASE_MS)
    expect(await apply(a, claim)).toBe('done')
  })

  it('does not pass twice, nor after the key was given back', async () => {
    await a.queue.mark([mark(build(1)), mark(build(2))])
    const [one, two] = (await b.queue.claim(2)) as [Claim, Claim]
    await b.queue.mark([mark(build(1))])
    expect(await apply(b, one)).toBe('again')
    await b.queue.release([two], { delayMs: 0 })
    for (const claim of [one, two]) {
      await expect(apply(b, claim)).rejects.toMatchObject({ code: 'QUEUE_CLAIM_LOST' })
    }
    expect(await rowsOf(b.database)).toHaveLength(2)
  })

  it('does not let a claim of before end a key that was marked anew after it had gone', async () => {
    await a.queue.mark([mark(build(1))])
    const old = await claimOne(a.queue)
    await passTime(b.database, LEASE_MS)
    const [other] = await claimSoon(b.queue)
    await apply(b, other as Claim)
    await b.queue.mark([mark(build(1))])
    await expect(apply(a, old)).rejects.toMatchObject({ code: 'QUEUE_CLAIM_LOST' })
    const [again] = await b.queue.claim(1)
    expect(again?.generation).toBe(1)
    await expect(apply(a, old)).rejects.toMatchObject({ code: 'QUEUE_CLAIM_LOST' })
  })

  it('keeps a lease that is renewed, and names what was lost', async () => {
    await a.queue.mark([mark(build(1)), mark(build(2))])
    const claims = await a.queue.claim(2)
    const [one, two] = claims as [Claim, Claim]
    for (let i = 0; i < 4; i += 1) {
      await passTime(b.database, LEASE_MS / 2)
      expect(await a.queue.renew([one])).toEqual([])
      if (i === 2) expect(keysOf(await claimSoon(b.queue))).toEqual(['build/2'])
    }
    expect(await a.queue.renew(claims)).toEqual([two])
  })

  it('leaves the keys of a daemon that was killed to the others, when their leases end', async () => {
    await a.queue.mark([mark(build(1)), mark(build(2))])
    expect(await a.queue.claim(10)).toHaveLength(2)
    await a.database.destroy()
    expect(await b.queue.claim(10)).toEqual([])
    await passTime(b.database, LEASE_MS)
    expect(keysOf(await claimSoon(b.queue))).toEqual(['build/1', 'build/2'])
    expect(b.queue.counted.leasesExpired).toBe(2)
  })
})

describe('finishing without a write', () => {
  it('ends many claims at once, each in its way', async () => {
    await b.queue.mark([mark(build(1)), mark(build(2)), mark(build(3)), mark(build(4))])
    const claims = (await b.queue.claim(4)) as [Claim, Claim, Claim, Claim]
    await b.queue.mark([mark(build(2))])
    await b.queue.release([claims[2]], { delayMs: 60_000 })
    const endings = await b.queue.finish(
      claims.map((claim) => ({ claim, outcome: { kind: 'unchanged' as const } })),
    )
    expect(endings).toEqual(['done', 'again', 'lost', 'done'])
    expect((await rowsOf(b.database)).map(({ key }) => key)).toEqual(['build/2', 'build/3'])
  })

  it('takes an empty list', async () => {
    expect(await b.queue.finish([])).toEqual([])
    expect(await b.queue.renew([])).toEqual([])
    await b.queue.release([], { delayMs: 0 })
    await b.queue.mark([])
    expect(await b.queue.markAndClaim([])).toEqual([])
    expect(await b.queue.claim(0)).toEqual([])
  })
})

describe('failing', () => {
  it('backs off twice as long each time, then parks with the reason', async () => {
    await a.queue.mark([mark(build(1))])
    const delays: number[] = []
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await a.database.query('test.due', 'update staging_sync.queue set due_at = clock_timestamp()')
      const claim = await claimOne(a.queue)
      expect(claim.attempts).toBe(attempt)
      await a.queue.fail(claim, { reason: `no file\0 ${attempt}`, code: 'STORAGE_MISSING' })
      delays.push(Math.round(((await rowsOf(a.database))[0]?.due_in_ms ?? 0) / 100_000))
    }
    expect(delays).toEqual([1, 2, 36])
    const [parked] = await b.queue.parked({ limit: 5 })
    expect(parked).toMatchObject({
      key: 'build/1',
      code: 'STORAGE_MISSING',
      reason: 'no file 2',
      attempts: 3,
    })
    expect((parked?.retryAtMs ?? 0) - (parked?.parkedAtMs ?? 0)).toBeGreaterThan(3_590_000)
    const none = { live: 0, sweep: 0 }
    expect(await readSample(b.database)).toEqual({
      keys: {
        ready: none,
        delayed: none,
        relook: none,
        waiting: none,
        claimed: none,
        parked: { live: 1, sweep: 0 },
      },
      parked: { STORAGE_MISSING: 1 },
      oldestSeconds: 0,
    })
    expect(a.queue.counted.parkings).toBe(1)
  })

  it('parks at once when told so; a parked key that is due stays parked when it fails again', async () => {
    await a.queue.mark([mark(build(1))])
    await a.queue.fail(await claimOne(a.queue), { reason: 'schema', code: 'SCHEMA_OLD', park: true })
    const [first] = await b.queue.parked({ limit: 5 })
    await a.database.query(
      'test.hour',
      `update staging_sync.queue set due_at = clock_timestamp(), parked_at = parked_at - interval '1 h'`,
    )
    await a.queue.fail(await claimOne(a.queue), { reason: 'schema', code: 'SCHEMA_OLD', park: true })
    const [second] = await b.queue.parked({ limit: 5 })
    expect(second?.parkedAtMs).toBeLessThan(first?.parkedAtMs ?? 0)
  })

  it('wakes a key in backoff when it is marked, and a parked one starts again', async () => {
    await a.queue.mark([mark(build(1)), mark(build(2))])
    const [one, two] = (await b.queue.claim(2)) as [Claim, Claim]
    await a.queue.fail(one, { reason: 'x', code: 'X' })
    await a.queue.fail(two, { reason: 'x', code: 'X', park: true })
    expect(await b.queue.claim(2)).toEqual([])
    await a.queue.mark([mark(build(1)), mark(build(2))])
    const claims = await b.queue.claim(2)
    expect(claims.map(({ attempts }) => attempts)).toEqual([1, 0])
    expect(await b.queue.parked({ limit: 5 })).toEqual([])
  })

  it('does not park a key that was marked while it failed', async () => {
    await b.queue.mark([mark(build(1))])
    const claim = await claimOne(b.queue)
    await b.queue.mark([mark(build(1))])
    await b.queue.fail(claim, { reason: 'x', code: 'X', park: true })
    expect(await claimOne(b.queue)).toMatchObject({ attempts: 1 })
  })

  it('ignores a failure of a claim that was lost', async () => {
    await a.queue.mark([mark(build(1))])
    const lost = await claimOne(a.queue)
    await passTime(b.database, LEASE_MS)
    const [now] = await claimSoon(b.queue)
    await a.queue.fail(lost, { reason: 'x', code: 'X' })
    expect(await apply(b, now as Claim)).toBe('done')
  })

  it('counts nothing for a release, which is due after its delay', async () => {
    await b.queue.mark([mark(build(1))])
    await b.queue.release([await claimOne(b.queue)], { delayMs: 60_000 })
    expect(await b.queue.claim(1)).toEqual([])
    await passTime(b.database, 60_000)
    const [claim] = await claimSoon(b.queue)
    expect(claim?.attempts).toBe(0)
  })
})

it('counts its rows by what they wait for', async () => {
  const expected = { subject: 'listing', claim: 'listed' }
  const entry = {
    key: { kind: 'package', tagId: 1, packageId: 2 },
    priority: 'live',
    expect: [expected],
  } as const
  const now = async () => (await readSample(b.database)).keys
  await b.queue.mark([entry])
  expect(await now()).toMatchObject({ ready: { live: 1 }, relook: { live: 0 } })
  await b.queue.finish([
    { claim: await claimOne(b.queue), outcome: { kind: 'unchanged' }, relook: [expected] },
  ])
  expect(await now()).toMatchObject({ ready: { live: 0 }, relook: { live: 1 } })
  // Also while it is looked at again; what is told anew is not known to be equal.
  await passTime(b.database, 60_000)
  expect(await now()).toMatchObject({ ready: { live: 0 }, relook: { live: 1 } })
  const again = await claimOne(b.queue)
  expect(await now()).toMatchObject({ claimed: { live: 0 }, relook: { live: 1 } })
  await b.queue.mark([entry])
  expect(await now()).toMatchObject({ claimed: { live: 1 }, relook: { live: 0 } })
  await b.queue.finish([{ claim: again, outcome: { kind: 'unchanged' } }])
  await b.queue.finish([{ claim: await claimOne(b.queue), outcome: { kind: 'unchanged' } }])
  await b.queue.mark([1, 2, 3, 4, 5, 6].map((id) => mark(build(id), id === 6 ? 'sweep' : 'live')))
  const [one, two, three] = (await b.queue.claim(4)) as [Claim, Claim, Claim]
  await b.queue.fail(one, { reason: 'x', code: 'X', park: true })
  await b.queue.release([two], { delayMs: 60_000 })
  await b.queue.wait(three, [build(4)], 'needs it')
  await passTime(b.database, 5_000)
  const { keys, parked, oldestSeconds } = await readSample(b.database)
  const single = { live: 1, sweep: 0 }
  expect(keys).toEqual({
    ready: { live: 1, sweep: 1 },
    delayed: single,
    relook: { live: 0, sweep: 0 },
    waiting: single,
    claimed: single,
    parked: single,
  })
  expect(parked).toEqual({ X: 1 })
  expect(oldestSeconds).toBeGreaterThanOrEqual(5)
  expect(oldestSeconds).toBeLessThan(65)
})

it('claims beside others who mark and claim the same keys', async () => {
  const both = (['live', 'sweep'] as const).map((priority, i) =>
    Array.from({ length: 60 }, (_, id) => mark(build(1_000 * i + id), priority)),
  )
  let isOver = false
  const marking = both.map(async (marks) => {
    while (!isOver) await a.queue.mark(marks)
  })
  const held = new Set<string>()
  const claiming = [a, a, b, b].map(async ({ queue }) => {
    for (let round = 0; round < 25; round += 1) {
      const claims = await queue.claim(4)
      for (const key of keysOf(claims)) {
        expect(held.has(key)).toBe(false)
        held.add(key)
      }
      for (const key of keysOf(claims)) held.delete(key)
      await queue.release(claims, { delayMs: 0 })
    }
  })
  await Promise.all(claiming).finally(() => {
    isOver = true
  })
  await Promise.all(marking)
})
