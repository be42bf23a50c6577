import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { AgainError, FenceError, KeyError, OutageError, SafetyError } from '../../src/errors.ts'
import type { Key } from '../../src/model/key.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import { answerThief } from '../support/answer-thief.ts'
import type { TestDatabase } from '../support/postgres.ts'
import { type Bench, type BenchOptions, openBench, type Work, workerDatabase } from './worker-bench.ts'

let server: TestDatabase
beforeAll(async () => {
  server = await workerDatabase()
})
afterAll(() => server?.drop())

function bench(work: Work, options: BenchOptions = {}): Promise<Bench> {
  return openBench(server.url, work, options)
}

const build = (buildId: number): Key => ({ kind: 'build', buildId })
const tag = (tagId: number): Key => ({ kind: 'tag', tagId })
const live = (...keys: Key[]) => keys.map((key) => ({ key, priority: 'live' as const }))
const UNCHANGED: Outcome = { kind: 'unchanged' }

test('a key that is equal leaves the queue, one that fails comes again later and is parked in the end', async () => {
  const tries: number[] = []
  const it = await bench(async (key, claim) => {
    if (key.kind === 'build' && key.buildId === 2) {
      tries.push(claim.attempts)
      throw new KeyError('BUILD_ODD', 'odd')
    }
    return UNCHANGED
  })
  await it.worker.mark(live(build(1), build(2)))
  await expect
    .poll(it.rows)
    .toEqual([{ key: 'build/2', attempts: 3, code: 'BUILD_ODD', parked: true, held: false, later: true }])
  expect(tries).toEqual([0, 1, 2])
})

test('what trying again does not mend is parked at once; an error that is none of ours counts as INTERNAL', async () => {
  const it = await bench(async (key) => {
    if (key.kind === 'tag') throw new TypeError('x is undefined')
    throw new KeyError('STORAGE_CLASH', 'a directory is in the way')
  })
  await it.worker.mark(live(build(1), tag(1)))
  await expect
    .poll(async () => (await it.rows()).filter((row) => row.parked))
    .toMatchObject([
      { key: 'build/1', attempts: 1, code: 'STORAGE_CLASH' },
      { key: 'tag/1', code: 'INTERNAL' },
    ])
})

test('a lost race is tried again, later each time, and counts nothing', async () => {
  const at: number[] = []
  const it = await bench(async () => {
    at.push(performance.now())
    if (at.length < 6) throw new AgainError('DATABASE_RACE', 'lost')
    return { kind: 'applied', rows: 1 }
  })
  await it.worker.mark(live(build(1)))
  await expect.poll(it.rows).toEqual([])
  expect(at).toHaveLength(6)
  // Five that did not grow would be over after 50 ms.
  expect((at.at(-1) as number) - (at[0] as number)).toBeGreaterThan(250)
  expect(await it.metric('keys_total', { kind: 'build', outcome: 'again' })).toBe(5)
  expect(await it.metric('keys_total', { outcome: 'failed' })).toBe(0)
})

test('a claim that somebody else has taken is forgotten', async () => {
  const it = await bench(async () => {
    throw new FenceError('QUEUE_CLAIM_LOST', 'taken')
  })
  await it.worker.mark(live(build(1)))
  await expect.poll(() => it.metric('keys_total', { outcome: 'lost' })).toBe(1)
  expect(await it.rows()).toMatchObject([{ attempts: 0, held: true }])
})

test('an outage opens the breaker of its part alone, counts against no key, and closes with the first answer', async () => {
  let down = true
  let tries = 0
  let running = 0
  let most = 0
  const it = await bench(async () => {
    tries += 1
    running += 1
    most = Math.max(most, running)
    await new Promise((resolve) => setTimeout(resolve, 20))
    running -= 1
    if (down) throw new OutageError('hub', 'HUB_DOWN', 'no answer')
    return UNCHANGED
  })
  await it.worker.mark(live(build(1), build(2), build(3), build(4)))
  await expect.poll(() => it.metric('breaker_open', { part: 'hub' })).toBe(1)
  await expect.poll(() => running).toBe(0)
  most = 0
  const before = tries
  await expect.poll(() => tries).toBeGreaterThan(before + 3)
  // One at a time, whoever asks: a flood does not meet a hub that comes back.
  expect(most).toBe(1)
  expect(await it.metric('breaker_open', { part: 'database' })).toBe(0)
  expect(await it.metric('breaker_open', { part: 'storage' })).toBe(0)
  expect((await it.rows()).every((row) => row.attempts === 0 && row.parked === false)).toBe(true)
  down = false
  await expect.poll(it.rows).toEqual([])
  expect(await it.metric('breaker_open', { part: 'hub' })).toBe(0)
  expect(await it.metric('outages_total', { part: 'hub' })).toBe(1)
})

test('a key that touches no files does not tell that the disk is well', async () => {
  let mended = false
  const it = await bench(async (key) => {
    if (key.kind === 'build' && !mended) throw new OutageError('storage', 'STORAGE_DISK', 'read-only')
    return UNCHANGED
  })
  await it.worker.mark(live(build(1)))
  await expect.poll(() => it.metric('breaker_open', { part: 'storage' })).toBe(1)
  await it.worker.mark(live(tag(1), tag(2), tag(3)))
  // Yet they are done meanwhile.
  await expect.poll(async () => (await it.rows()).map((row) => row.key)).toEqual(['build/1'])
  expect(await it.metric('breaker_open', { part: 'storage' })).toBe(1)
  expect(await it.metric('outages_total', { part: 'storage' })).toBe(1)
  mended = true
  await expect.poll(it.rows).toEqual([])
  expect(await it.metric('breaker_open', { part: 'storage' })).toBe(0)
})

test('a database that is found to be up with nothing to do is told to be up', async () => {
  let fail = true
  const it = await bench(async () => {
    if (fail) {
      fail = false
      throw new OutageError('database', 'DATABASE_DOWN', 'gone')
    }
    return UNCHANGED
  })
  await it.worker.mark(live(build(1)))
  await expect.poll(() => it.metric('outages_total', { part: 'database' })).toBe(1)
  await expect.poll(() => it.metric('breaker_open', { part: 'database' })).toBe(0)
  await expect.poll(it.rows).toEqual([])
})

test.each([
  ['claimed', 'update staging_sync.queue q set\n    token'],
  ['marked and claimed', 'queue.mark-and-claim'],
])(
  'a key is not left to its lease when the answer that tells that it is %s is lost',
  async (how, statement) => {
    const thief = await answerThief(server.url)
    onTestFinished(() => thief.close())
    const it = await bench(async () => UNCHANGED, {
      // Nothing but the worker itself can end a claim while this test lasts.
      leaseMs: 3_600_000,
      url: thief.url,
    })
    const lost = thief.steal(statement, 'build/1')
    if (how === 'claimed') await it.queue.mark(live(build(1)))
    else await expect(it.worker.mark(live(build(1)))).rejects.toMatchObject({ name: 'OutageError' })
    await lost
    await expect.poll(it.rows).toEqual([])
    expect(await it.metric('keys_total', { outcome: 'unchanged' })).toBe(1)
  },
)

test('a SafetyError ends all work: what others do meanwhile finds its claim gone, nothing more is begun', async () => {
  let release = (): void => {}
  const waiting = new Promise<void>((resolve) => {
    release = resolve
  })
  let fence: unknown = null
  let begun = 0
  const it: Bench = await bench(
    async (key, claim) => {
      begun += 1
      if (key.kind === 'tag') throw new SafetyError('HUB_WRONG', 'another hub')
      await waiting
      // As an applying transaction ends.
      fence = await it.queue.finish([{ claim, outcome: UNCHANGED }])
      return { outcome: UNCHANGED, unmet: [], fenced: true }
    },
    { graceMs: 60_000 },
  )
  await it.worker.mark(live(build(1)))
  await expect.poll(() => begun).toBe(1)
  await it.worker.mark(live(tag(1)))
  await expect.poll(async () => (await it.rows()).every((row) => row.held === false)).toBe(true)
  release()
  expect(await it.ended).toBeInstanceOf(SafetyError)
  expect(fence).toEqual(['lost'])
  await it.worker.mark(live(build(2)))
  expect(begun).toBe(2)
  expect((await it.rows()).map((row) => row.key)).toEqual(['build/1', 'build/2', 'tag/1'])
})

test('at the signal what is under way may end within the grace; what takes longer is given back', async () => {
  let release = (): void => {}
  const it = await bench(
    async (key, _claim, signal) => {
      if (key.kind === 'tag') {
        await new Promise<void>((resolve) => {
          release = resolve
        })
        return UNCHANGED
      }
      // Ends only by the hard end.
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    },
    { graceMs: 3_000 },
  )
  await it.worker.mark(live(build(1), tag(1)))
  await expect.poll(async () => (await it.rows()).filter((row) => row.held)).toHaveLength(2)
  const stopped = it.stop()
  release()
  expect(await stopped).toBeNull()
  expect(await it.rows()).toEqual([
    { key: 'build/1', attempts: 0, code: null, parked: false, held: false, later: false },
  ])
})

test('a mark that comes while it stops is kept, and not begun', async () => {
  let begun = 0
  const it = await bench(async () => {
    begun += 1
    return UNCHANGED
  })
  const stopped = it.stop()
  const marking = it.worker.mark(live(build(1)))
  await Promise.all([stopped, marking])
  await it.worker.mark(live(build(2)))
  expect(begun).toBe(0)
  expect(await it.rows()).toMatchObject([{ held: false }, { held: false }])
})

test('who waits for a key is woken by its round, also when that key will look again', async () => {
  const order: string[] = []
  const it: Bench = await bench(async (key, claim) => {
    if (key.kind === 'tag' && !order.includes('build')) {
      await it.queue.wait(claim, [build(1)], 'its build comes first')
      return { outcome: { kind: 'wait', reason: '', for: [build(1)] }, unmet: [], fenced: true }
    }
    if (key.kind === 'build') await expect.poll(() => sqlWaits(it)).toBe(true)
    order.push(key.kind)
    return {
      outcome: UNCHANGED,
      unmet: key.kind === 'build' ? [{ subject: 'state', claim: '1' }] : [],
      fenced: false,
    }
  })
  await it.queue.mark([{ key: tag(1), priority: 'live' }])
  await it.queue.mark([{ key: build(1), priority: 'live', expect: [{ subject: 'state', claim: '1' }] }])
  await expect.poll(() => order.slice(0, 2)).toEqual(['build', 'tag'])
})

async function sqlWaits(it: Bench): Promise<boolean> {
  return (await it.rows()).some((row) => row.key === 'tag/1' && row.held === false)
}
