import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parseKey } from '../../src/model/key.ts'
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
  a = await openQueue(server.url, { leaseMs: 5_000 }, { holder: 'a' })
  b = await openQueue(server.url, { leaseMs: 5_000 }, { holder: 'b' })
  await a.database.query('test.empty', 'truncate staging_sync.queue')
})
afterEach(async () => {
  await a.database.destroy()
  await b.database.destroy()
})

describe('marking', () => {
  it('keeps one row per key however often it is marked', async () => {
    for (let i = 0; i < 5; i += 1) await a.queue.mark([mark(build(1)), mark(build(1)), mark(build(2))])
    expect(await rowsOf(a.database)).toMatchObject([
      { key: 'build/1', generation: 5 },
      { key: 'build/2', generation: 5 },
    ])
  })

  it('keeps the better priority', async () => {
    await a.queue.mark([mark(build(1), 'sweep'), mark(build(2), 'live')])
    await a.queue.mark([mark(build(1), 'live'), mark(build(2), 'sweep')])
    expect((await rowsOf(a.database)).map(({ priority }) => priority)).toEqual([0, 0])
  })

  it('takes part in the transaction of the caller', async () => {
    const failed = a.database.transaction('cursor', async (tx) => {
      await a.queue.markIn(tx, [mark(build(1))])
      throw new Error('no')
    })
    await expect(failed).rejects.toThrow('no')
    await a.database.transaction('cursor', (tx) => a.queue.markIn(tx, [mark(build(2))]))
    expect((await rowsOf(a.database)).map(({ key }) => key)).toEqual(['build/2'])
  })

  it('lets a round carry the time of its oldest mark', async () => {
    /** The database's, in whole milliseconds as marks carry it: the statements before it have earlier times, those after it later ones. */
    const clock = async (): Promise<number> => {
      const [row] = await a.database.query<{ now: number }>(
        'test.clock',
        'select extract(epoch from clock_timestamp())::float8 * 1000 as now',
      )
      return Math.floor(row?.now ?? 0)
    }
    const times = [await clock()]
    await a.queue.mark([mark(build(1))])
    times.push(await clock())
    await a.queue.mark([mark(build(1))])
    const first = await claimOne(a.queue)
    times.push(first.markedAtMs, await clock())
    await a.queue.mark([mark(build(1))])
    times.push(await clock())
    await a.queue.mark([mark(build(1))])
    expect(await apply(a, first)).toBe('again')
    const second = await claimOne(a.queue)
    times.push(second.markedAtMs)
    const [begin = 0, marked = 0, ofFirst = 0, claimed = 0, remarked = 0, ofSecond = 0] = times
    expect([begin, ofFirst, marked, claimed, ofSecond, remarked]).toEqual(times.toSorted((x, y) => x - y))
  })

  it('counts a key that is only looked at again as old as the next mark, not as the one that it was equal to', async () => {
    const expected = { subject: 'listing', claim: 'listed' }
    const key = { kind: 'package', tagId: 1, packageId: 2 } as const
    const entry = { key, priority: 'live', expect: [expected] } as const
    await a.queue.mark([entry])
    const first = await claimOne(a.queue)
    await a.queue.finish([{ claim: first, outcome: { kind: 'unchanged' }, relook: [expected] }])
    await passTime(a.database, 300_000)
    const looked = await claimOne(a.queue)
    // What nobody has told of since is late from the message on.
    expect(looked.markedAtMs).toBeLessThan(first.markedAtMs - 250_000)
    await a.queue.finish([{ claim: looked, outcome: { kind: 'unchanged' }, relook: [expected] }])
    await a.queue.mark([entry])
    const told = await claimOne(a.queue)
    expect(told.markedAtMs).toBeGreaterThanOrEqual(first.markedAtMs)
  })

  it('does not deadlock when many mark the same keys in different orders', async () => {
    const keys = Array.from({ length: 2_500 }, (_, i) => mark(listing(i % 7, i)))
    await Promise.all([
      a.queue.mark(keys),
      a.queue.mark([...keys].reverse()),
      b.queue.mark([...keys].sort(() => 0.3)),
      b.queue.mark(keys.slice(1_000)),
    ])
    const rows = await rowsOf(a.database)
    expect(rows).toHaveLength(2_500)
    expect(rows.reduce((sum, { generation }) => sum + generation, 0)).toBe(2_500 * 3 + 1_500)
  })

  it('notifies once per batch', async () => {
    const stop = new AbortController()
    let told = 0
    const listening = b.database.listen(QUEUE_CHANNEL, () => (told += 1), stop.signal)
    while (told === 0) await sleep(5)
    await a.queue.mark(Array.from({ length: 100 }, (_, i) => mark(build(i))))
    await expect.poll(() => told).toBe(2)
    // Notifications come in the order of commits: what is told of this one is told after all of that one.
    await a.queue.mark([mark(build(101))])
    await expect.poll(() => told).toBe(3)
    stop.abort()
    await listening
    expect(told).toBe(3)
  })

  it('refuses names that no key can hold, before anything is written', async () => {
    const long = { kind: 'lookup', what: 'tag', names: ['x'.repeat(2_000)] } as const
    const torn = { kind: 'lookup', what: 'tag', names: ['\ud800'] } as const
    for (const key of [long, torn]) {
      await expect(a.queue.mark([mark(build(1)), mark(key)])).rejects.toMatchObject({
        name: 'KeyError',
        code: 'QUEUE_KEY_INVALID',
      })
    }
    expect(await rowsOf(a.database)).toEqual([])
  })

  it('stores keys of names with any other character', async () => {
    const key = parseKey(`lookup/tagged/${encodeURIComponent('a/\0 ü\n%')}/${encodeURIComponent("';--")}`)
    await a.queue.mark([mark(key)])
    expect((await claimOne(b.queue)).key).toEqual(key)
  })
})

describe('claiming', () => {
  it('gives every key to one of several who ask at once', async () => {
    await a.queue.mark(Array.from({ length: 300 }, (_, i) => mark(build(i), i % 2 ? 'live' : 'sweep')))
    const claims: Claim[] = []
    const take = async ({ queue }: TestQueue) => {
      for (;;) {
        const some = await queue.claim(7)
        if (some.length === 0) return
        claims.push(...some)
      }
    }
    await Promise.all([take(a), take(b), take(a), take(b)])
    // A row that another one was just looking at is skipped, and found by the next who asks.
    claims.push(...(await a.queue.claim(300)))
    expect(new Set(keysOf(claims)).size).toBe(300)
    expect(claims).toHaveLength(300)
    expect(new Set(claims.map(({ token }) => token)).size).toBe(300)
  })

  it('takes live keys first, and sweeps a tenth when they are ready', async () => {
    await a.queue.mark(Array.from({ length: 40 }, (_, i) => mark(build(i), 'sweep')))
    await a.queue.mark(Array.from({ length: 40 }, (_, i) => mark(build(100 + i), 'live')))
    const claims = await a.queue.claim(20)
    expect(claims.map(({ priority }) => priority)).toEqual([
      ...new Array(18).fill('live'),
      ...new Array(2).fill('sweep'),
    ])
  })

  it('gives sweeps their tenth also to who claims one key at a time', async () => {
    await a.queue.mark(Array.from({ length: 40 }, (_, i) => mark(build(i), 'sweep')))
    await a.queue.mark(Array.from({ length: 40 }, (_, i) => mark(build(100 + i), 'live')))
    const priorities: string[] = []
    for (let i = 0; i < 30; i += 1)
      priorities.push(...(await a.queue.claim(1)).map((claim) => claim.priority))
    expect(priorities).toHaveLength(30)
    expect(priorities.filter((priority) => priority === 'sweep')).toHaveLength(3)
  })

  it('fills the share of sweeps with live keys when none is ready, and never waits to fill', async () => {
    await a.queue.mark(Array.from({ length: 15 }, (_, i) => mark(build(i), 'live')))
    expect(await a.queue.claim(10)).toHaveLength(10)
    expect(await a.queue.claim(10)).toHaveLength(5)
    expect(await a.queue.claim(10)).toEqual([])
  })

  it('marks and claims in one go, but not what somebody holds', async () => {
    await a.queue.mark([mark(build(1), 'sweep')])
    const held = await claimOne(a.queue)
    const claims = await b.queue.markAndClaim([mark(build(1)), mark(build(2)), mark(build(3))])
    expect(keysOf(claims)).toEqual(['build/2', 'build/3'])
    expect(await apply(a, held)).toBe('again')
    expect(await apply(b, claims[0] as Claim)).toBe('done')
    expect(keysOf(await a.queue.claim(10))).toEqual(['build/1'])
  })

  it('finds a key that was marked early and committed late, behind those already claimed', async () => {
    let open = (): void => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    let marked = (): void => {}
    const isMarked = new Promise<void>((resolve) => {
      marked = resolve
    })
    const late = a.database.transaction('late', async (tx) => {
      await a.queue.markIn(tx, [mark(build(1))])
      marked()
      await gate
    })
    await isMarked
    await a.queue.mark([mark(build(2)), mark(build(3))])
    expect(keysOf(await b.queue.claim(2))).toEqual(['build/2', 'build/3'])
    open()
    await late
    expect(keysOf(await claimSoon(b.queue))).toEqual(['build/1'])
  })

  it('says when the next key is due', async () => {
    expect(await a.queue.nextDueMs()).toBeNull()
    await a.queue.mark([mark(build(1))])
    expect(await a.queue.nextDueMs()).toBeLessThanOrEqual(0)
    const claim = await claimOne(a.queue)
    expect(await a.queue.nextDueMs()).toBeNull()
    await a.queue.release([claim], { delayMs: 600_000 })
    const dueMs = await a.queue.nextDueMs()
    expect(dueMs).toBeGreaterThan(300_000)
    expect(dueMs).toBeLessThanOrEqual(600_000)
  })

  it('parks a row that it cannot have written, and goes on with the others', async () => {
    await a.queue.mark([mark(build(1)), mark(build(2)), mark(build(3)), mark(build(4))])
    await a.database.query(
      'test.spoil',
      `update staging_sync.queue set
      generation = case key when 'build/1' then 9007199254740993 else generation end,
      expect = case key when 'build/2' then '{"state": 1}'::jsonb end,
      key = case key when 'build/3' then 'build/x' else key end`,
    )
    expect(keysOf(await b.queue.claim(10))).toEqual(['build/4'])
    const parked = await b.queue.parked({ limit: 10 })
    expect(Object.fromEntries(parked.map(({ key, code }) => [key, code]))).toEqual({
      'build/1': 'QUEUE_NUMBER_UNSAFE',
      'build/2': 'QUEUE_ROW_INVALID',
      'build/x': 'KEY_INVALID',
    })
  })
})
