import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Claim, QUEUE_CHANNEL } from '../../src/queue/queue.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import {
  apply,
  build,
  claimOne,
  claimSoon,
  keysOf,
  listing,
  mark,
  openQueue,
  passTime,
  rowsOf,
  type TestQueue,
} from './setup.ts'

let server: TestDatabase
let a: TestQueue
let b: TestQueue

beforeAll(async () => {
  server = await testDatabase({ koji: 'none' })
})
afterAll(() => server.drop())

beforeEach(async () => {
  a = await openQueue(server.url, { waitBaseMs: 60_000 })
  b = await openQueue(server.url, { waitBaseMs: 60_000 })
  await a.database.query('test.empty', 'truncate staging_sync.queue')
})
afterEach(async () => {
  await a.database.destroy()
  await b.database.destroy()
})

const LIST = listing(12, 34)

/** A claim of the list that waits for those builds. */
async function listWaits(...ids: number[]): Promise<void> {
  await a.queue.mark([mark(LIST)])
  await a.queue.wait(await claimOne(a.queue), ids.map(build), 'builds are missing')
}

describe('waiting', () => {
  it('marks what is missing at the priority of who waits, and comes back when it is done', async () => {
    await listWaits(1)
    const dependency = await claimOne(b.queue)
    expect(dependency).toMatchObject({ key: build(1), priority: 'live' })
    expect(await apply(b, dependency)).toBe('done')
    const again = await claimOne(a.queue)
    expect(again).toMatchObject({ key: LIST, waits: 1, parkedDependencies: [], attempts: 0 })
  })

  it('comes back only when the last dependency is done', async () => {
    await listWaits(1, 2, 3)
    const claims = await b.queue.claim(10)
    expect(keysOf(claims)).toEqual(['build/1', 'build/2', 'build/3'])
    await b.queue.finish(claims.slice(0, 2).map((claim) => ({ claim, outcome: { kind: 'unchanged' } })))
    expect(await a.queue.claim(10)).toEqual([])
    await apply(b, claims[2] as Claim)
    expect(keysOf(await a.queue.claim(10))).toEqual(['tagged/12/34'])
  })

  it('raises a dependency that is queued, but does not mark it', async () => {
    await a.queue.mark([mark(build(1), 'sweep')])
    const held = await claimOne(b.queue)
    await listWaits(1)
    expect((await rowsOf(a.database))[0]).toMatchObject({ key: 'build/1', generation: 1, priority: 0 })
    expect(await apply(b, held)).toBe('done')
    expect(keysOf(await a.queue.claim(10))).toEqual(['tagged/12/34'])
  })

  it('does not sleep on a dependency that ended between its look and its wait', async () => {
    await a.queue.mark([mark(LIST), mark(build(1))])
    const [dependency, list] = (await a.queue.claim(2)) as [Claim, Claim]
    await apply(a, dependency)
    await a.queue.wait(list, [build(1)], 'was missing a moment ago')
    const second = await claimOne(b.queue)
    expect(second.key).toEqual(build(1))
    await b.queue.finish([{ claim: second, outcome: { kind: 'unchanged' } }])
    expect(keysOf(await a.queue.claim(1))).toEqual(['tagged/12/34'])
  })

  it('does not sleep on a dependency whose end commits while the wait is being written', async () => {
    for (let i = 0; i < 25; i += 1) {
      await a.queue.mark([mark(LIST), mark(build(1))])
      const [dependency, list] = (await a.queue.claim(2)) as [Claim, Claim]
      await Promise.all([apply(b, dependency), a.queue.wait(list, [build(1)], 'missing')])
      // Whoever was first: either the list is due, or the build is there again and its end makes the list due.
      const [next] = await claimSoon(a.queue)
      if (next?.key.kind === 'build') {
        await apply(a, next)
        expect(keysOf(await claimSoon(a.queue))).toEqual(['tagged/12/34'])
      }
      await a.database.query('test.delete', 'delete from staging_sync.queue')
    }
  })

  it('tells the others with the end of a dependency', async () => {
    await listWaits(1)
    const dependency = await claimOne(b.queue)
    const stop = new AbortController()
    let told = 0
    const listening = a.database.listen(QUEUE_CHANNEL, () => (told += 1), stop.signal)
    while (told === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    await apply(b, dependency)
    await expect.poll(() => told).toBe(2)
    // Notifications come in the order of commits: what is told of this one is told after all of that one.
    await b.queue.mark([mark(build(9))])
    await expect.poll(() => told).toBe(3)
    stop.abort()
    await listening
    expect(told).toBe(3)
  })

  it('is woken by a mark, and comes again when it was marked before it could wait', async () => {
    await listWaits(1)
    await b.queue.mark([mark(LIST)])
    expect(keysOf(await a.queue.claim(10)).sort()).toEqual(['build/1', 'tagged/12/34'])
    await a.queue.mark([mark(listing(1, 1))])
    const claim = await claimOne(a.queue)
    await b.queue.mark([mark(listing(1, 1))])
    await a.queue.wait(claim, [build(9)], 'missing')
    expect(keysOf(await a.queue.claim(10)).sort()).toEqual(['build/9', 'tagged/1/1'])
  })

  it('gives another round to a waiter that is at work when its dependency ends', async () => {
    await listWaits(1)
    await b.queue.mark([mark(LIST)])
    const claims = await a.queue.claim(10)
    const list = claims.find(({ key }) => key.kind === 'tagged') as Claim
    await apply(b, claims.find(({ key }) => key.kind === 'build') as Claim)
    expect(await apply(a, list)).toBe('again')
  })

  it('goes on without a dependency that is parked, and comes again when that is done after all', async () => {
    await listWaits(1, 2)
    const [one, two] = (await b.queue.claim(2)) as [Claim, Claim]
    await apply(b, one)
    await b.queue.fail(two, { reason: 'no files', code: 'STORAGE_MISSING', park: true })
    const list = await claimOne(a.queue)
    expect(list).toMatchObject({ key: LIST, parkedDependencies: [build(2)] })
    expect(await apply(a, list)).toBe('done')

    await a.queue.mark([mark(build(2))])
    await apply(b, await claimOne(b.queue))
    expect(keysOf(await a.queue.claim(10))).toEqual(['tagged/12/34'])
  })

  it('is told at once of a dependency that is parked already, and does not have it tried again', async () => {
    await b.queue.mark([mark(build(2))])
    await b.queue.fail(await claimOne(b.queue), { reason: 'no files', code: 'STORAGE_MISSING', park: true })
    await listWaits(2)
    const [list] = await claimSoon(a.queue)
    expect(list).toMatchObject({ key: LIST, parkedDependencies: [build(2)] })
    expect((await rowsOf(a.database))[0]).toMatchObject({ key: 'build/2', generation: 1, parked: true })
  })

  it('ends a wait of two keys for each other after a bound', async () => {
    const short = await openQueue(server.url, { waitBaseMs: 60_000 })
    try {
      await short.queue.mark([mark(build(1)), mark(build(2))])
      const [one, two] = (await short.queue.claim(2)) as [Claim, Claim]
      await Promise.all([
        short.queue.wait(one, [build(2)], 'contains it'),
        short.queue.wait(two, [build(1)], 'contains it'),
      ])
      expect(await short.queue.claim(2)).toEqual([])
      await passTime(short.database, 60_000)
      const seen = new Map<string, Claim>()
      while (seen.size < 2) {
        for (const claim of await claimSoon(short.queue)) seen.set(keysOf([claim])[0] ?? '', claim)
      }
      expect([...seen.values()].map(({ waits }) => waits)).toEqual([1, 1])
      for (const claim of seen.values()) await apply(short, claim).catch(() => {})
    } finally {
      await short.database.destroy()
    }
  })

  it('slows down a key that waits again and again for what does not help', async () => {
    const paced = await openQueue(server.url, {
      promptWaits: 1,
      backoffBaseMs: 60_000,
      backoffCeilingMs: 600_000,
    })
    try {
      await paced.queue.mark([mark(LIST)])
      for (let round = 0; round < 2; round += 1) {
        await paced.queue.wait(await claimOne(paced.queue), [build(1)], 'missing')
        await apply(paced, await claimOne(paced.queue))
      }
      expect(await paced.queue.claim(1)).toEqual([])
      expect((await rowsOf(paced.database))[0]?.due_in_ms).toBeGreaterThan(20_000)
    } finally {
      await paced.database.destroy()
    }
  })

  it('waits for a long list in portions, which counts as progress', async () => {
    await listWaits(...Array.from({ length: 700 }, (_, i) => i))
    for (const [portion, waits] of [
      [500, 1],
      [200, 1],
      [0, 0],
    ] as const) {
      const claims = await b.queue.claim(1_000)
      if (portion > 0) expect(claims).toHaveLength(portion)
      await b.queue.finish(claims.map((claim) => ({ claim, outcome: { kind: 'unchanged' } })))
      if (portion === 0) break
      const list = await claimOne(a.queue)
      expect(list).toMatchObject({ key: LIST, waits })
      const left = portion === 500 ? Array.from({ length: 200 }, (_, i) => build(500 + i)) : []
      if (left.length > 0) await a.queue.wait(list, left, 'builds are missing')
      else await apply(a, list)
    }
    expect(await rowsOf(a.database)).toEqual([])
  })

  it('does not wait for itself, nor after it lost the key', async () => {
    await a.queue.mark([mark(build(1))])
    const claim = await claimOne(a.queue)
    await a.queue.wait(claim, [build(1)], 'itself')
    const [again] = await claimSoon(a.queue)
    expect(again).toMatchObject({ key: build(1), waits: 1 })
    await a.queue.wait(claim, [build(1)], 'lost')
    expect(await apply(a, again as Claim)).toBe('done')
  })

  it('ends a dependency and its waiter in one batch', async () => {
    await listWaits(1)
    await b.queue.mark([mark(LIST)])
    const claims = await a.queue.claim(2)
    await a.queue.finish(claims.map((claim) => ({ claim, outcome: { kind: 'unchanged' } })))
    // The list read staging before its dependency was done, so one more round is right.
    expect(keysOf(await a.queue.claim(2))).toEqual(['tagged/12/34'])
  })
})
