import { onTestFinished } from 'vitest'
import { CatchUp, type CatchUpOptions } from '../../src/catchup/catch-up.ts'
import { catchupMigrations } from '../../src/catchup/migrations.ts'
import { getLastEvent } from '../../src/hub/calls-lookup.ts'
import { XmlRpcHub } from '../../src/hub/xml-rpc-hub.ts'
import { queueMigrations } from '../../src/queue/migrations.ts'
import { PostgresQueue } from '../../src/queue/postgres-queue.ts'
import { getCursor, HISTORY_CURSOR, setCursor } from '../../src/staging/cursor.ts'
import type { Database } from '../../src/staging/database.ts'
import { migrate } from '../../src/staging/migration.ts'
import type { Step } from '../../src/step.ts'
import { type SimulatedHub, startHub } from '../sim/hub.ts'
import { openWorld, type ProdWorld } from '../sim/prod-world.ts'
import { makeWorld, openDatabase, run as sql, type World } from '../staging/world.ts'
import type { KojiVersion } from '../support/koji-schema.ts'
import { testDatabase } from '../support/postgres.ts'
import { grantOnOurs, serviceUrl } from '../support/service-role.ts'

const HOUR_MS = 3_600_000

/** Prod that people work on, and a staging that follows it from its first moment on. */
export interface Scene {
  readonly prod: ProdWorld
  readonly sim: SimulatedHub
  readonly hub: XmlRpcHub
  readonly staging: World
  readonly signal: AbortSignal
  catchUp(options?: Partial<CatchUpOptions>): CatchUp
  /** A catch-up over a pool of its own, whose every statement passes `step`. */
  stepped(step: Step, options?: Partial<CatchUpOptions>): Promise<CatchUp>
  /** Runs one, and takes what it marked off the queue, sorted. */
  marked(options?: Partial<CatchUpOptions>): Promise<string[]>
  /** Takes what is queued off the queue, sorted. */
  taken(): Promise<string[]>
  cursor(): Promise<number>
  sql<R = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<R[]>
  /** Staging's rows of a build of prod, as a replicated one has. */
  own(build: { id: number; nvr: string }, options?: { stagingId?: number; draft?: boolean }): Promise<void>
}

const cleanups: (() => unknown)[] = []

async function clean(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
}

/** For one test: it is taken down when that ends. */
export async function scene(version: KojiVersion = '1.35.0'): Promise<Scene> {
  onTestFinished(clean)
  const prodDatabase = await testDatabase({ koji: version })
  cleanups.push(() => prodDatabase.drop())
  const prod = await openWorld({ databaseUrl: prodDatabase.url })
  cleanups.push(() => prod.close())
  await prod.rows('select get_event()')
  const sim = await startHub({ databaseUrl: prodDatabase.url, version })
  cleanups.push(() => sim.close())
  const hub = new XmlRpcHub({ url: sim.url, requestsPerSecond: 10_000, concurrency: 4, timeoutMs: 10_000 })
  cleanups.push(() => hub.destroy())
  const staging = await makeWorld(version)
  cleanups.push(() => staging.close())
  await migrate(staging.database, [...queueMigrations, ...catchupMigrations])
  const [begin] = await hub.read([getLastEvent()], { priority: 'live' })
  await staging.database.transaction('test.begin', (tx) =>
    setCursor(tx, HISTORY_CURSOR, { event: begin.id, time: begin.time }),
  )
  await grantOnOurs(staging.url)
  const service = await openDatabase(serviceUrl(staging.url))
  cleanups.push(() => service.destroy())
  const over = (database: Database, options: Partial<CatchUpOptions> = {}) =>
    new CatchUp({ hub, database, queue: queueOf(database), overlapMs: 6 * HOUR_MS, ...options })
  const { signal } = new AbortController()
  const query = <R>(text: string, values: readonly unknown[] = []) => sql<R>(staging.database, text, values)
  const taken = async () => {
    const rows = await query<{ key: string; priority: number }>(
      'delete from staging_sync.queue returning key',
    )
    return rows.map(({ key }) => key).sort()
  }
  return {
    prod,
    sim,
    hub,
    staging,
    signal,
    taken,
    sql: query,
    catchUp: (options) => over(service, options),
    stepped: async (step, options) => {
      const database = await openDatabase(serviceUrl(staging.url), step)
      cleanups.push(() => database.destroy())
      return over(database, options)
    },
    marked: async (options) => {
      await over(service, options).run(signal)
      return taken()
    },
    cursor: async () => (await getCursor(staging.database, HISTORY_CURSOR))?.event ?? 0,
    own: async ({ id, nvr }, { stagingId = id, draft } = {}) => {
      const [, name, version_, release] = /^(.+)-([^-]+)-([^-]+)$/.exec(nvr) as unknown as string[]
      await query('insert into package (name) values ($1) on conflict do nothing', [name])
      await query(
        `insert into build (id, volume_id, pkg_id, version, release, create_event, state, owner, completion_time${draft ? ', draft' : ''})
         select $1::int, 0, p.id, $3, $4, get_event(), 1, $5::int, now()${draft ? ', true' : ''} from package p where name = $2`,
        [stagingId, name, version_, release, staging.userId],
      )
      await query(`insert into staging_sync.owned (kind, prod_id, staging_id) values ('build', $1, $2)`, [
        id,
        stagingId,
      ])
    },
  }
}

function queueOf(database: Database): PostgresQueue {
  return new PostgresQueue({
    database,
    holder: 'test',
    random: () => 0,
    monotonicMs: () => performance.now(),
  })
}

export async function idOf(prod: ProdWorld, table: string, name: string): Promise<number> {
  return Number((await prod.rows(`select id from ${table} where name = $1`, [name]))[0]?.id)
}
