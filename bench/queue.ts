/**
 * Throughput of the queue: marks, claims and finishes keys with two daemons of four loops each, once alone and once while
 * another session holds a transaction open, as a hub does (dead rows can't be removed then).
 *
 *     npx tsx bench/queue.ts [keys]
 */
import pg from 'pg'
import { formatKey } from '../src/model/key.ts'
import type { Mark } from '../src/model/outcome.ts'
import { CLAIM } from '../src/queue/claiming.ts'
import { queueMigrations } from '../src/queue/migrations.ts'
import { PostgresQueue } from '../src/queue/postgres-queue.ts'
import { Database } from '../src/staging/database.ts'
import { migrate } from '../src/staging/migration.ts'
import { noStep } from '../src/step.ts'
import { startCluster } from '../test/support/cluster.ts'

const BATCH = 100

async function open(url: string): Promise<{ database: Database; queue: PostgresQueue }> {
  const options = { url, applicationName: 'bench', poolSize: 4, connectTimeoutMs: 5_000, step: noStep }
  const database = await Database.create(options)
  await migrate(database, queueMigrations)
  const monotonicMs = () => performance.now()
  return {
    database,
    queue: new PostgresQueue({ database, holder: 'bench', random: Math.random, monotonicMs }),
  }
}

/** Empties the queue; returns how many keys, and the median and worst time of a claim in ms. */
async function drain(queues: readonly PostgresQueue[]): Promise<{ keys: number; times: number[] }> {
  let keys = 0
  const times: number[] = []
  const loop = async (queue: PostgresQueue): Promise<void> => {
    for (;;) {
      const start = performance.now()
      const claims = await queue.claim(BATCH)
      times.push(performance.now() - start)
      if (claims.length === 0) return
      await queue.finish(claims.map((claim) => ({ claim, outcome: { kind: 'unchanged' } })))
      keys += claims.length
    }
  }
  await Promise.all(queues.flatMap((queue) => [loop(queue), loop(queue), loop(queue), loop(queue)]))
  return { keys, times: times.sort((a, b) => a - b) }
}

async function round(url: string, name: string, count: number): Promise<void> {
  const daemons = [await open(url), await open(url)]
  const queues = daemons.map(({ queue }) => queue)
  const marks: Mark[] = Array.from({ length: count }, (_, i) => ({
    key: { kind: 'tagged', tagId: i % 50, packageId: i },
    priority: i % 10 === 0 ? 'live' : 'sweep',
  }))
  const start = performance.now()
  await queues[0]?.mark(marks)
  const marked = performance.now()
  const { keys, times } = await drain(queues)
  const done = performance.now()
  if (keys !== count) throw new Error(`${keys} keys came out of ${count}`)
  const rate = (ms: number) => `${Math.round((count / ms) * 1000)}/s`
  const at = (share: number) => `${times[Math.floor((times.length - 1) * share)]?.toFixed(1)} ms`
  console.log(
    `${name}: marked ${rate(marked - start)}, claimed and finished ${rate(done - marked)};`,
    `claim of ${BATCH}: p50 ${at(0.5)}, p99 ${at(0.99)}, worst ${at(1)}`,
  )
  for (const { database } of daemons) await database.destroy()
}

/** One key at a time, as a fresh message comes. */
async function single(url: string, name: string): Promise<void> {
  const { database, queue } = await open(url)
  const times: Record<string, number[]> = { 'mark and claim': [], fence: [], empty: [] }
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const start = performance.now()
    const result = await work()
    times[what]?.push(performance.now() - start)
    return result
  }
  for (let i = 0; i < 500; i += 1) {
    const key = { kind: 'build', buildId: i % 100 } as const
    const [claim] = await timed('mark and claim', () => queue.markAndClaim([{ key, priority: 'live' }]))
    if (claim === undefined) throw new Error(`${formatKey(key)} was not claimed`)
    await database.transaction('apply', (tx) => timed('fence', () => queue.fence(tx, claim)))
    await timed('empty', () => queue.claim(10))
  }
  const parts = Object.entries(times).map(([what, all]) => {
    all.sort((a, b) => a - b)
    return `${what} p50 ${all[250]?.toFixed(2)} ms, p99 ${all[495]?.toFixed(2)} ms`
  })
  console.log(`${name}: ${parts.join('; ')}`)
  await database.destroy()
}

const count = Number(process.argv[2] ?? 200_000)
const cluster = await startCluster({ durable: true })
const url = cluster.url(await cluster.createDatabase('none'))
await single(url, 'single keys')
await round(url, 'alone', count)
const hub = new pg.Client(url)
await hub.connect()
await hub.query(
  'begin isolation level repeatable read; create temporary table held (); select txid_current()',
)
await round(url, 'transaction held open', count)
await round(url, 'transaction held open, again', count)
await single(url, 'single keys, held open')
const plan = await hub.query<{ 'QUERY PLAN': string }>(
  `explain ${CLAIM.replace('$1::bigint', '100')
    .replaceAll('$1::bigint', '100')
    .replace('$2::bigint', '10')
    .replaceAll('$3', "'-infinity'")
    .replaceAll('$4', "'-infinity'")
    .replaceAll('$5', '1000')
    .replaceAll('$6', "'x'")}`,
)
console.log(plan.rows.map((row) => row['QUERY PLAN']).join('\n'))
await hub.query('rollback')
await hub.end()
await cluster.remove()
