import { SyncError } from '../errors.ts'
import { Catalog } from '../staging/catalog.ts'
import { HISTORY_CURSOR, setCursor } from '../staging/cursor.ts'
import type { Database } from '../staging/database.ts'
import { initStaging } from '../staging/init.ts'
import { type Migration, migrate } from '../staging/migration.ts'
import { pinSetting, writeSetting } from '../staging/settings.ts'
import { refuseNewerSchema } from './known-schema.ts'
import { ResetReport } from './report.ts'
import { resetAll, type Wishes } from './reset.ts'
import { placeBuilds } from './reset-placement.ts'
import { raiseAbove, type Sequences } from './sequences-above.ts'
import type { Session } from './session.ts'

/**
 * Ids that the hub of the replaced database may still give before the swap, so that what is made with them keeps them when it is carried
 * over. What a seed makes itself lies above.
 */
const GAP = 100_000

export interface PrepareRowsOptions {
  /** both in the new database, with the dump's rows loaded */
  readonly session: Session
  readonly database: Database
  readonly wishes: Wishes
  readonly migrations: readonly Migration[]
  readonly idFloor: number
  /** tables of the site's own that the dump may have */
  readonly ownTables: readonly string[]
  /** Judges prod's last event in the dump; throws when the dump must not be used. */
  readonly checkEvent: (event: SeedEvent) => Promise<void>
}

export interface PrepareOptions extends Omit<PrepareRowsOptions, 'ownTables' | 'checkEvent'> {
  readonly userName: string
  readonly prodHub: string
  /** of the database that is replaced */
  readonly replaced: Sequences
  /** what `prepareRows` found and did */
  readonly rows: PreparedRows
}

/** Prod's last event that a dump holds. */
export interface SeedEvent {
  readonly id: number
  /** by prod's database, UTC */
  readonly time: string
}

export interface PreparedRows {
  readonly seedEvent: SeedEvent
  /** the highest id of prod's volumes, before any of ours was added */
  readonly topVolume: number
  readonly report: ResetReport
}

/**
 * What is done while the rows are there and no index is yet: the dump is judged before hours of indexing, and what changes most rows,
 * the volume of each build, has none to change with it.
 *
 * Throws those of `Catalog.requireColumns`, `refuseNewerSchema`, `placeBuilds`; SyncError SEED_DUMP_NO_EVENTS.
 */
export async function prepareRows(options: PrepareRowsOptions): Promise<PreparedRows> {
  const { session, database, wishes, idFloor } = options
  const catalog = await Catalog.read(session)
  catalog.requireColumns()
  await refuseNewerSchema(session, options.ownTables)
  const [seedEvent] = await session.query<SeedEvent>(
    'seed.last-event',
    `select id, to_char(time, 'YYYY-MM-DD HH24:MI:SS.US') as time from events order by id desc limit 1`,
  )
  if (seedEvent === undefined) {
    throw new SyncError(
      'SEED_DUMP_NO_EVENTS',
      "the dump holds no events: it is no dump of a Koji's whole database",
    )
  }
  await options.checkEvent(seedEvent)
  await migrate(database, options.migrations)
  const [volume] = await session.query<{ top: number }>(
    'seed.top-volume',
    'select max(id) as top from volume',
  )
  // Before a volume is added: its id, too, must lie above the floor.
  await raiseAbove(session, new Map([[catalog.idSequence('volume').sequence, idFloor]]), 0)
  const report = new ResetReport()
  await session.transaction('seed.place-builds', () => placeBuilds({ session, wishes, report }))
  return { seedEvent, topVolume: volume?.top ?? 0, report }
}

/**
 * Makes a loaded dump a staging that daemons can follow prod with, from the dump's last event on: our user and settings; every sequence
 * above the floor, and above that of the database that is replaced; then all resets in one transaction. Returns what was done.
 *
 * Throws those of `initStaging`, `resetAll`.
 */
export async function prepareSeed(options: PrepareOptions): Promise<ResetReport> {
  const { session, database, idFloor, rows } = options
  const { seedEvent } = rows
  const catalog = await Catalog.read(session)
  const { user } = await initStaging({
    database,
    catalog,
    migrations: options.migrations,
    userName: options.userName,
    idFloor,
    prodMax: { ...(await readTops(session, catalog)), volume: rows.topVolume },
  })
  await raiseAbove(session, options.replaced, GAP)
  const userId = user.id
  await session.transaction('seed.reset', () =>
    resetAll({ session, catalog, wishes: options.wishes, report: rows.report, userId }),
  )
  await database.transaction('seed.settle', async (tx) => {
    await pinSetting(tx, 'prod hub', options.prodHub)
    await writeSetting(tx, 'seed_event', seedEvent.id)
    // As `init` does for a copy: catch-up takes its time from prod.
    await setCursor(tx, HISTORY_CURSOR, { event: seedEvent.id, time: null })
  })
  // In its own statement, since it may be long: a message's package is known from the first one on.
  await session.query(
    'seed.packages',
    `insert into staging_sync.owned (kind, prod_id, staging_id, digest)
     select 'package', id, id, name from package order by id on conflict do nothing`,
  )
  return rows.report
}

/** The highest id of each numbered table. */
async function readTops(session: Session, catalog: Catalog): Promise<Record<string, number>> {
  const tops: Record<string, number> = {}
  for (const { table, column } of catalog.sequences()) {
    const [row] = await session.query<{ top: number }>(
      'seed.top',
      `select coalesce(max("${column}"), 0)::bigint as top from "${table}"`,
    )
    tops[table] = row?.top ?? 0
  }
  return tops
}
