import { SyncError } from '../errors.ts'
import { Catalog } from '../staging/catalog.ts'
import { HISTORY_CURSOR, setCursor } from '../staging/cursor.ts'
import type { Database } from '../staging/database.ts'
import { initStaging } from '../staging/init.ts'
import type { Migration } from '../staging/migration.ts'
import { pinSetting, writeSetting } from '../staging/settings.ts'
import { refuseNewerSchema } from './known-schema.ts'
import type { ResetReport } from './report.ts'
import { resetAll, type Wishes } from './reset.ts'
import { raiseAbove, type Sequences } from './sequences-above.ts'
import type { Session } from './session.ts'

export interface PrepareOptions {
  /** both in the new database, with the dump loaded */
  readonly session: Session
  readonly database: Database
  readonly wishes: Wishes
  readonly migrations: readonly Migration[]
  readonly userName: string
  readonly idFloor: number
  readonly prodHub: string
  /** tables of the site's own that the dump may have */
  readonly ownTables: readonly string[]
  /** of the database that is replaced */
  readonly replaced: Sequences
  /** Judges prod's last event in the dump; throws when the dump must not be used. */
  readonly checkEvent: (event: SeedEvent) => Promise<void>
}

/** Prod's last event that a dump holds. */
export interface SeedEvent {
  readonly id: number
  /** by prod's database, UTC */
  readonly time: string
}

export interface Prepared {
  readonly seedEvent: SeedEvent
  readonly report: ResetReport
}

/**
 * Makes a loaded dump a staging that daemons can follow prod with, from the dump's last event on: our schema, user and settings; every
 * sequence above the floor, and above that of the database that is replaced; then all resets in one transaction.
 *
 * Throws those of `Catalog.requireColumns`, `initStaging`, `refuseNewerSchema`, `resetAll`; SyncError SEED_DUMP_NO_EVENTS.
 */
export async function prepareSeed(options: PrepareOptions): Promise<Prepared> {
  const { session, database, idFloor } = options
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
  // Nothing is planned well before.
  await session.query('seed.analyze', 'analyze')
  const { user } = await initStaging({
    database,
    catalog,
    migrations: options.migrations,
    userName: options.userName,
    idFloor,
    prodMax: await readTops(session, catalog),
  })
  await raiseAbove(session, options.replaced, 0)
  const userId = user.id
  const report = await session.transaction('seed.reset', () =>
    resetAll({ session, catalog, wishes: options.wishes, userId }),
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
  return { seedEvent, report }
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
