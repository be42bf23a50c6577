import pg from 'pg'
import type { Mark } from '../src/model/outcome.ts'
import { queueMigrations } from '../src/queue/migrations.ts'
import { PostgresQueue } from '../src/queue/postgres-queue.ts'
import { Database } from '../src/staging/database.ts'
import { migrate } from '../src/staging/migration.ts'
import { noStep } from '../src/step.ts'
import { startCluster } from '../test/support/cluster.ts'
import { BareQueue } from './bare-queue.ts'
import { type Result, result } from './results.ts'
import { quantile } from './statistics.ts'

const KEYS = 40_000
const BATCH = 100
const DAEMONS = 2
const LOOPS_PER_DAEMON = 4
/** Rounds of either, in turn; the median counts. */
const ROUNDS = 3

/**
 * Keys through the queue with nothing to do in between, two daemons of four loops each, beside bare claims; and the same while
 * another session holds a transaction open, as a hub does (dead rows cannot be removed then).
 */
export async function measureQueue(): Promise<Result[]> {
  const cluster = await startCluster({ durable: true })
  try {
    const url = cluster.url(await cluster.createDatabase('none'))
    const alone = await rounds(url)
    const hub = new pg.Client(url)
    await hub.connect()
    await hub.query(
      'begin isolation level repeatable read; create temporary table held (); select txid_current()',
    )
    const held = await rounds(url)
    await hub.query('rollback')
    await hub.end()
    return [
      result('queue, claim and finish', 'ms/1000 keys', { ...alone, goal: 2 }),
      result('queue, claim and finish, transaction held open', 'ms/1000 keys', {
        value: held.value,
        floor: alone.value,
        goal: 1.5,
      }),
    ]
  } finally {
    await cluster.remove()
  }
}

async function rounds(url: string): Promise<{ value: number; floor: number }> {
  const [values, floors]: [number[], number[]] = [[], []]
  for (let i = 0; i < ROUNDS; i += 1) {
    values.push(await queueRound(url))
    floors.push(await floorRound(url))
  }
  const per1000 = (times: readonly number[]) => (quantile(times, 0.5) / KEYS) * 1000
  return { value: per1000(values), floor: per1000(floors) }
}

/** Milliseconds to claim and finish all keys. */
async function queueRound(url: string): Promise<number> {
  const daemons = await Promise.all(Array.from({ length: DAEMONS }, () => openQueue(url)))
  const marks: Mark[] = Array.from({ length: KEYS }, (_, i) => ({
    key: { kind: 'tagged', tagId: i % 50, packageId: i },
    priority: i % 10 === 0 ? 'live' : 'sweep',
  }))
  await daemons[0]?.queue.mark(marks)
  const elapsedMs = await drain(
    daemons.map(({ queue }) => async () => {
      const claims = await queue.claim(BATCH)
      if (claims.length > 0)
        await queue.finish(claims.map((claim) => ({ claim, outcome: { kind: 'unchanged' } })))
      return claims.length
    }),
  )
  for (const { database } of daemons) await database.destroy()
  return elapsedMs
}

async function floorRound(url: string): Promise<number> {
  const bare = await BareQueue.open(url, { connections: DAEMONS * LOOPS_PER_DAEMON, keys: KEYS })
  const elapsedMs = await drain(Array.from({ length: DAEMONS }, () => () => bare.claimAndDelete(BATCH)))
  await bare.close()
  return elapsedMs
}

/** Runs each of the works in four loops until it returns 0; milliseconds. Throws when not all keys came out. */
async function drain(works: readonly (() => Promise<number>)[]): Promise<number> {
  let keys = 0
  const loop = async (work: () => Promise<number>): Promise<void> => {
    for (let n = await work(); n > 0; n = await work()) keys += n
  }
  const begun = performance.now()
  await Promise.all(works.flatMap((work) => Array.from({ length: LOOPS_PER_DAEMON }, () => loop(work))))
  const elapsedMs = performance.now() - begun
  if (keys !== KEYS) throw new Error(`queue: ${keys} keys came out of ${KEYS}`)
  return elapsedMs
}

/** A daemon's own queue and connections. The caller destroys the database. */
export async function openQueue(url: string): Promise<{ database: Database; queue: PostgresQueue }> {
  const options = { url, applicationName: 'bench', poolSize: 4, connectTimeoutMs: 5_000, step: noStep }
  const database = await Database.create(options)
  await migrate(database, queueMigrations)
  const monotonicMs = () => performance.now()
  return {
    database,
    queue: new PostgresQueue({ database, holder: 'bench', random: Math.random, monotonicMs }),
  }
}
