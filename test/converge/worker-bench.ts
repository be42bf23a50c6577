import { onTestFinished } from 'vitest'
import type { Converged, Convergers } from '../../src/converge/deps.ts'
import type { Together } from '../../src/converge/floods.ts'
import { Worker } from '../../src/converge/worker.ts'
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
import { type TestDatabase, testDatabase } from '../support/postgres.ts'

/** A database with a queue, and no Koji. */
export async function workerDatabase(): Promise<TestDatabase> {
  const server = await testDatabase({ koji: 'none' })
  const database = await openDatabase(server.url)
  await migrate(database, queueMigrations)
  await database.destroy()
  return server
}

export type Work = (key: Key, claim: Claim, signal: AbortSignal) => Promise<Outcome | Converged>

export interface Bench {
  readonly worker: Worker
  readonly queue: PostgresQueue
  readonly breakers: readonly Breaker[]
  readonly ended: Promise<unknown>
  readonly lines: { msg: string; [field: string]: unknown }[]
  stop(): Promise<unknown>
  rows(): Promise<Record<string, unknown>[]>
  metric(name: string, labels: Record<string, string>): Promise<number>
}

export interface BenchOptions {
  readonly concurrency?: number
  readonly graceMs?: number
  readonly leaseMs?: number
  readonly url?: string
  readonly together?: Together
}

/** A worker with the real queue and breakers, whose convergers do what the test says. */
export async function openBench(url: string, work: Work, options: BenchOptions): Promise<Bench> {
  const database = await openDatabase(options.url ?? url)
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
    ...(options.together === undefined ? {} : { together: options.together }),
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
  onTestFinished(async () => {
    await stop()
    await database.destroy()
  })
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
