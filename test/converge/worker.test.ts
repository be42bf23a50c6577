import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Converged, Convergers } from '../../src/converge/deps.ts'
import { Worker } from '../../src/converge/worker.ts'
import { AgainError, FenceError, KeyError, OutageError, SafetyError } from '../../src/errors.ts'
import type { Key } from '../../src/model/key.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import { Breaker } from '../../src/queue/breaker.ts'
import { queueMigrations } from '../../src/queue/migrations.ts'
import { PostgresQueue } from '../../src/queue/postgres-queue.ts'
import type { Claim } from '../../src/queue/queue.ts'
import { migrate } from '../../src/staging/migration.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { openDatabase, run as sql } from '../staging/world.ts'
import { answerThief } from '../support/answer-thief.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'

let server: TestDatabase
beforeAll(async () => {
  server = await testDatabase({ koji: 'none' })
  const database = await openDatabase(server.url)
  await migrate(database, queueMigrations)
  await database.destroy()
})
afterAll(() => server?.drop())

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

type Work = (key: Key, claim: Claim, signal: AbortSignal) => Promise<Outcome | Converged>

interface Bench {
  readonly worker: Worker
  readonly queue: PostgresQueue
  readonly breakers: readonly Breaker[]
  readonly ended: Promise<unknown>
  readonly lines: { msg: string; [field: string]: unknown }[]
  stop(): Promise<unknown>
  rows(): Promise<Record<string, unknown>[]>
  metric(name: string, labels: Record<string, string>): Promise<number>
}

/** A worker with the real queue and breakers, whose convergers do what the test says. */
async function bench(
  work: Work,
  options: { concurrency?: number; graceMs?: number; leaseMs?: number; url?: string } = {},
): Promise<Bench> {
  const database = await openDatabase(options.url ?? server.url)
  closers.push(() => database.destroy())
  await sql(database, 'truncate staging_sync.queue')
  const queue = new PostgresQueue({
    database,
    holder: 'test',
    random: () => 0,
    monotonicMs: () => performance.now(),
    timing: {
      backoffBaseMs: 20,
      backoffCeilingMs: 40,
      fullScanMs: 0,
      maxAttempts: 3,
      ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
    },
  })
  const lines: Bench['lines'] = []
  const log = createLog({ level: 'debug', form: 'json', write: (line) => lines.push(JSON.parse(line)) })
  const metrics = new Metrics({ version: 'test', processMetrics: false })
  const clock = {
    nowMs: () => performance.now(),
    sleep: (ms: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        const end = (): void => {
          clearTimeout(timer)
          resolve()
        }
        signal.addEventListener('abort', end, { once: true })
      }),
  }
  const breakers = (['database', 'hub', 'storage'] as const).map(
    (part) => new Breaker({ part, clock, random: () => 1, baseMs: 30, ceilingMs: 60 }),
  )
  const converger = {
    converge: async (key: Key, claim: Claim, signal: AbortSignal): Promise<Converged> => {
      const result = await work(key, claim, signal)
      return 'outcome' in result ? result : { outcome: result, unmet: [], fenced: false }
    },
  }
  const kinds = ['build', 'tag', 'package', 'tagged', 'target', 'external-repo', 'lookup']
  const convergers = Object.fromEntries(kinds.map((kind) => [kind, converger])) as unknown as Convergers
  const worker = new Worker({
    queue,
    convergers,
    breakers,
    telemetry: { log, metrics },
    concurrency: options.concurrency ?? 4,
    graceMs: options.graceMs ?? 2_000,
    idleMs: 50,
    databaseNowMs: () => Date.now(),
    random: () => 0,
    payDebts: async () => {},
  })
  const stopping = new AbortController()
  const ended = worker.run(stopping.signal).then(
    () => null,
    (error: unknown) => error,
  )
  const stop = (): Promise<unknown> => {
    stopping.abort()
    return ended
  }
  closers.push(stop)
  return {
    worker,
    queue,
    breakers,
    ended,
    lines,
    stop,
    rows: () =>
      sql(
        database,
        `select key, attempts, last_code as code, parked_at is not null as parked, token is not null as held,
          due_at > clock_timestamp() as later from staging_sync.queue order by key`,
      ),
    metric: async (name, labels) => {
      const found = await metrics.registry.getSingleMetric(`kojisync_${name}`)?.get()
      return (found?.values ?? [])
        .filter(({ labels: own }) =>
          Object.entries(labels).every(([k, v]) => (own as Record<string, unknown>)[k] === v),
        )
        .reduce((sum, { value }) => sum + value, 0)
    },
  }
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
  const [first = 0, , , , , last = 0] = at.map((time, n) => time - (at[n - 1] ?? time))
  expect(last).toBeGreaterThan(first + 100)
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
    closers.push(() => thief.close())
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
    { graceMs: 1_500 },
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
