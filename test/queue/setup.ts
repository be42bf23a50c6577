import { setTimeout as sleep } from 'node:timers/promises'
import type { Key } from '../../src/model/key.ts'
import { formatKey } from '../../src/model/key.ts'
import type { Expectation, Mark, Priority } from '../../src/model/outcome.ts'
import { queueMigrations } from '../../src/queue/migrations.ts'
import type { QueueTiming } from '../../src/queue/options.ts'
import { PostgresQueue } from '../../src/queue/postgres-queue.ts'
import type { Claim } from '../../src/queue/queue.ts'
import { Database } from '../../src/staging/database.ts'
import { migrate } from '../../src/staging/migration.ts'
import { noStep, type Step } from '../../src/step.ts'
import { PATIENCE_MS } from '../support/patience.ts'

/** One daemon's queue: a pool of its own. */
export interface TestQueue {
  readonly queue: PostgresQueue
  readonly database: Database
}

/** Like a production queue, but without jitter and with a lease that tests can outlive. */
export async function openQueue(
  url: string,
  timing: Partial<QueueTiming> = {},
  options: { step?: Step; holder?: string } = {},
): Promise<TestQueue> {
  const database = await Database.create({
    url,
    applicationName: 'queue-test',
    poolSize: 4,
    connectTimeoutMs: 5_000,
    step: options.step ?? noStep,
  })
  await migrate(database, queueMigrations)
  const queue = new PostgresQueue({
    database,
    holder: options.holder ?? 'test',
    random: () => 0,
    monotonicMs: () => performance.now(),
    timing,
  })
  return { queue, database }
}

export const build = (buildId: number): Key => ({ kind: 'build', buildId })
export const listing = (tagId: number, packageId: number): Key => ({ kind: 'tagged', tagId, packageId })

export function mark(key: Key, priority: Priority = 'live', expect?: readonly Expectation[]): Mark {
  return expect === undefined ? { key, priority } : { key, priority, expect }
}

export const keysOf = (claims: readonly Claim[]): string[] => claims.map(({ key }) => formatKey(key))

/** The claim of exactly one key; the test fails where there are more or none. */
export async function claimOne(queue: PostgresQueue): Promise<Claim> {
  const [claim, ...more] = await queue.claim(10)
  if (claim === undefined || more.length > 0) throw new Error(`expected one claim, got ${more.length + 1}`)
  return claim
}

/** Claims until something is due. */
export async function claimSoon(queue: PostgresQueue): Promise<Claim[]> {
  const endMs = performance.now() + PATIENCE_MS
  for (;;) {
    const claims = await queue.claim(10)
    if (claims.length > 0) return claims
    if (performance.now() > endMs) throw new Error(`nothing was due within ${PATIENCE_MS} ms`)
    await sleep(10)
  }
}

/** Makes everything in the table that much older: as after a wait, but however fast the machine is. */
export async function passTime(database: Database, ms: number): Promise<void> {
  await database.query(
    'test.pass-time',
    `update staging_sync.queue set
      due_at = case when due_at > clock_timestamp()
        then greatest(clock_timestamp(), due_at - $1::float8 * interval '1 ms') else due_at end,
      lease_until = lease_until - $1::float8 * interval '1 ms',
      marked_at = marked_at - $1::float8 * interval '1 ms',
      expect = (select jsonb_object_agg(subject, jsonb_build_array(told -> 0, (told ->> 1)::float8 - $1::float8))
        from jsonb_each(expect) as one (subject, told))`,
    [ms],
  )
}

/** Runs `fence` in a transaction that writes one row of the given table too, as an apply does. */
export function apply(
  { database, queue }: TestQueue,
  claim: Claim,
  options: { relook?: readonly Expectation[]; write?: string } = {},
): Promise<'done' | 'again'> {
  return database.transaction('apply', async (tx) => {
    if (options.write !== undefined) {
      await tx.query('test.write', 'insert into applied (what) values ($1)', [options.write])
    }
    return queue.fence(tx, claim, options.relook === undefined ? {} : { relook: options.relook })
  })
}

export interface QueueRow {
  readonly key: string
  readonly generation: number
  readonly priority: number
  readonly attempts: number
  readonly waits: number
  readonly waiting_for: string[]
  readonly wakes: string[]
  readonly expect: string | null
  readonly parked: boolean
  readonly due_in_ms: number
  readonly held: boolean
}

/** The table as it is. */
export function rowsOf(database: Database): Promise<QueueRow[]> {
  return database.query<QueueRow>(
    'test.rows',
    `select key, generation, priority, attempts, waits, waiting_for, wakes, expect, parked_at is not null as parked,
      extract(epoch from due_at - clock_timestamp())::float8 * 1000 as due_in_ms,
      coalesce(lease_until > clock_timestamp(), false) as held
    from staging_sync.queue order by key`,
  )
}
