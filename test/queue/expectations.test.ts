import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Expectation } from '../../src/model/outcome.ts'
import {
  MAX_EXPECTATIONS,
  mergeExpectations,
  relookDelayMs,
  settleExpectations,
} from '../../src/queue/expectations.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import {
  apply,
  build,
  claimOne,
  claimSoon,
  mark,
  openQueue,
  passTime,
  rowsOf,
  type TestQueue,
} from './setup.ts'

const state = (claim: string): Expectation => ({ subject: 'state', claim })
const bare = (list: readonly Expectation[]): Expectation[] =>
  list.map(({ subject, claim }) => ({ subject, claim }))

describe('what was claimed', () => {
  it('is the newest per subject, and no more than the bound', () => {
    const many = Array.from({ length: 100 }, (_, i) => ({ subject: `sig:${i}`, claim: 'present' }))
    const { kept, dropped } = mergeExpectations([state('0'), ...many, state('1')])
    expect(kept).toHaveLength(MAX_EXPECTATIONS)
    expect(kept.at(-1)).toEqual(state('1'))
    expect(kept[0]).toEqual(many[37])
    expect(dropped).toBe(37)
  })

  it('is dropped where PostgreSQL could not store it', () => {
    const bad = ['nul\0', '\udc00', 'x'.repeat(600)].map((subject) => ({ subject, claim: 'present' }))
    const odd = { subject: '__proto__', claim: 'ü \u{1f600}' }
    expect(mergeExpectations([...bad, odd])).toEqual({ kept: [odd], dropped: 3 })
  })

  it('is looked for after 0.1, 1, 5, 30 seconds, by its age', () => {
    const delays = [100, 1_000, 5_000, 30_000]
    const ages = [0, 99, 100, 999, 1_100, 6_100, 36_100, 500_000]
    expect(ages.map((age) => relookDelayMs(age, delays))).toEqual([
      100, 100, 1_000, 1_000, 5_000, 30_000, 30_000, 30_000,
    ])
  })

  it('stays when it is unmet or newer than the round, goes when it is met or too old', () => {
    const stored = new Map<string, readonly [string, number]>([
      ['met', ['present', 1_000]],
      ['unmet', ['present', 1_000]],
      ['newer', ['untagged', 1_500]],
      ['same again', ['tagged', 1_500]],
      ['old', ['present', 0]],
    ])
    const seen = [
      { subject: 'met', claim: 'present', sinceMs: 1_000 },
      { subject: 'unmet', claim: 'present', sinceMs: 1_000 },
      { subject: 'newer', claim: 'tagged', sinceMs: 1_000 },
      { subject: 'same again', claim: 'tagged', sinceMs: 1_000 },
      { subject: 'old', claim: 'present', sinceMs: 0 },
    ]
    const relook = [
      { subject: 'unmet', claim: 'present' },
      { subject: 'old', claim: 'present' },
      { subject: 'invented', claim: 'x' },
    ]
    const options = { nowMs: 2_000, ttlMs: 1_800, delaysMs: [100, 700, 5_000] }
    const settled = settleExpectations(stored, seen, relook, options)
    expect([...settled.kept.keys()]).toEqual(['unmet', 'newer', 'same again'])
    expect(settled).toMatchObject({ expired: 1, relookMs: 700 })
  })
})

describe('expectations in the queue', () => {
  let server: TestDatabase
  let a: TestQueue

  beforeAll(async () => {
    server = await testDatabase({ koji: 'none' })
  })
  afterAll(() => server.drop())
  beforeEach(async () => {
    a = await openQueue(server.url, { relookMs: [60_000, 200_000, 400_000], expectationTtlMs: 500_000 })
    await a.database.query('test.empty', 'truncate staging_sync.queue')
  })
  afterEach(() => a.database.destroy())

  it('travel with the claim, the newest claim per subject of all marks', async () => {
    await a.queue.mark([mark(build(1), 'live', [state('0'), { subject: '__proto__', claim: 'x' }])])
    await a.queue.mark([mark(build(1))])
    await a.queue.mark([mark(build(1), 'live', [state('1')])])
    const [claim] = await a.queue.markAndClaim([
      mark(build(1), 'live', [{ subject: 'sig:a:b', claim: 'present' }]),
    ])
    expect(bare(claim?.expect ?? []).sort((x, y) => (x.subject < y.subject ? -1 : 1))).toEqual([
      { subject: '__proto__', claim: 'x' },
      { subject: 'sig:a:b', claim: 'present' },
      state('1'),
    ])
  })

  it('keep the newest when there are too many, and the rest is counted', async () => {
    const signatures = (from: number, count: number): Expectation[] =>
      Array.from({ length: count }, (_, i) => ({ subject: `sig:${from + i}`, claim: 'present' }))
    await a.queue.mark([mark(build(1), 'live', signatures(0, 60))])
    await new Promise((resolve) => setTimeout(resolve, 5))
    await a.queue.mark([mark(build(1), 'live', signatures(100, 40))])
    const claim = await claimOne(a.queue)
    expect(claim.expect).toHaveLength(MAX_EXPECTATIONS)
    expect(claim.expect.filter(({ subject }) => /^sig:1\d\d$/.test(subject))).toHaveLength(40)
    await apply(a, claim)
    expect(a.queue.counted.expectationsDropped).toBe(36)
  })

  it('bring the key back after the delay of their age, until they are dropped', async () => {
    await a.queue.mark([mark(build(1), 'live', [state('1')])])
    const delays: number[] = []
    for (;;) {
      const [claim] = await claimSoon(a.queue)
      if (claim === undefined) throw new Error('not claimed')
      expect(claim.attempts).toBe(0)
      const ending = await apply(a, claim, { relook: claim.expect })
      if (ending === 'done') break
      expect(await a.queue.claim(1)).toEqual([])
      const [row] = await rowsOf(a.database)
      delays.push(Math.round((row?.due_in_ms ?? 0) / 20_000) * 20_000)
      await passTime(a.database, delays.at(-1) ?? 0)
    }
    // Looked for at the ages of 0, 60, 260 and 660 seconds.
    expect(delays).toEqual([60_000, 200_000, 400_000])
    expect(await rowsOf(a.database)).toEqual([])
    expect(a.queue.counted.expectationsExpired).toBe(1)
  })

  it('end with what is met, also in a round that wrote nothing', async () => {
    const both = [state('1'), { subject: 'sig:a:b', claim: 'present' }]
    await a.queue.mark([mark(build(1), 'live', both)])
    const first = await claimOne(a.queue)
    expect(
      await a.queue.finish([{ claim: first, outcome: { kind: 'unchanged' }, relook: [state('1')] }]),
    ).toEqual(['again'])
    await passTime(a.database, 60_000)
    const [second] = await claimSoon(a.queue)
    expect(bare(second?.expect ?? [])).toEqual([state('1')])
  })

  it('that a newer message takes back are not looked for, and those that came meanwhile stay', async () => {
    await a.queue.mark([mark(build(1), 'live', [{ subject: 'build:7', claim: 'tagged' }])])
    const first = await claimOne(a.queue)
    await a.queue.mark([mark(build(1), 'live', [{ subject: 'build:7', claim: 'untagged' }])])
    expect(await apply(a, first, { relook: first.expect })).toBe('again')
    const second = await claimOne(a.queue)
    expect(bare(second.expect)).toEqual([{ subject: 'build:7', claim: 'untagged' }])
    expect(await apply(a, second)).toBe('done')
  })

  it('do not delay a mark that comes while the key is to be looked at later', async () => {
    await a.queue.mark([mark(build(1), 'live', [state('1')])])
    const first = await claimOne(a.queue)
    await apply(a, first, { relook: first.expect })
    await a.queue.mark([mark(build(1))])
    expect(bare((await claimOne(a.queue)).expect)).toEqual([state('1')])
  })
})
