import pg from 'pg'
import { Catalog } from '../../src/staging/catalog.ts'
import { Database, type Sql } from '../../src/staging/database.ts'
import { initStaging } from '../../src/staging/init.ts'
import { stagingMigrations } from '../../src/staging/tables.ts'
import { noStep, type Step } from '../../src/step.ts'
import type { KojiVersion } from '../support/koji-schema.ts'
import { testDatabase } from '../support/postgres.ts'

export const FLOOR = 1_000_000_000

/** A staging database on which `init` ran, and a way to be its hub. */
export interface World {
  readonly database: Database
  readonly catalog: Catalog
  readonly userId: number
  readonly url: string
  /** A connection of its own, as one of the hub's workers has it: default lock and deadlock timeouts. */
  hub(): Promise<pg.Client>
  close(): Promise<void>
}

export async function openDatabase(url: string, step: Step = noStep): Promise<Database> {
  return Database.create({ url, applicationName: 'test', poolSize: 4, connectTimeoutMs: 5_000, step })
}

export async function makeWorld(koji: KojiVersion = '1.35.0'): Promise<World> {
  const test = await testDatabase({ koji })
  const database = await openDatabase(test.url)
  const catalog = await Catalog.read(database)
  const report = await initStaging({
    database,
    catalog,
    migrations: stagingMigrations,
    userName: 'staging-sync',
    idFloor: FLOOR,
    prodMax: { build: 5_000 },
  })
  const hubs: pg.Client[] = []
  return {
    database,
    catalog,
    userId: report.user.id,
    url: test.url,
    hub: async () => {
      const client = new pg.Client({ connectionString: test.url })
      await client.connect()
      hubs.push(client)
      return client
    },
    close: async () => {
      for (const client of hubs) await client.end()
      await database.destroy()
      await test.drop()
    },
  }
}

/** A tag, a package and builds of it, as rows that staging's own people made. Returns the builds' ids. */
export async function addTagAndBuilds(
  world: World,
  { tagId, packageId, count }: { tagId: number; packageId: number; count: number },
): Promise<number[]> {
  const { database, userId } = world
  await run(database, 'insert into tag (id, name) values ($1, $2)', [tagId, `tag-${tagId}`])
  await run(database, 'insert into package (id, name) values ($1, $2)', [packageId, `package-${packageId}`])
  const rows = await run<{ id: number }>(
    database,
    `insert into build (volume_id, pkg_id, version, release, create_event, state, owner, completion_time)
     select 0, $1::int, '1', n::text, get_event(), 1, $3::int, now() from generate_series(1, $2::int) n returning id`,
    [packageId, count, userId],
  )
  return rows.map(({ id }) => id)
}

/** One statement of a test; unnamed, so that texts may differ. Without values also several. */
export function run<R>(sql: Sql, text: string, values: readonly unknown[] = []): Promise<R[]> {
  return sql.query<R>('test', text, values, { prepare: false })
}
