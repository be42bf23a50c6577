import { ConfigError, SafetyError } from '../errors.ts'
import { getCursor, HISTORY_CURSOR } from '../staging/cursor.ts'
import type { Database } from '../staging/database.ts'
import { readSettings } from '../staging/settings.ts'
import { refuseSameDatabase } from './prod-facts.ts'
import type { World } from './world.ts'

/** The running staging database, which a seed takes the place of. */
export interface Replaced {
  readonly database: string
  /** false: it is empty */
  readonly isKoji: boolean
  /** prod's event up to which it follows prod; null: it does not yet */
  readonly cursor: number | null
  /** `init` has run: what staging made itself can be told from what it has of prod */
  readonly isInitialised: boolean
}

/**
 * Judges what would be replaced. Throws SafetyError SAME_DATABASE (it is prod's), SEED_NOT_KOJI (it holds something else),
 * ConfigError SETTING_PINNED (it follows another prod).
 */
export async function readReplaced(world: World): Promise<Replaced> {
  const database = await world.database()
  const catalog = await world.catalog()
  const [row] = await database.query<{ name: string; tables: number }>(
    'seed.running',
    `select current_database() as name, count(*) as tables from pg_class
      where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace`,
  )
  const { name, tables } = row as { name: string; tables: number }
  if (tables === 0) return { database: name, isKoji: false, cursor: null, isInitialised: false }
  if (!['events', 'build', 'rpminfo', 'tag_listing'].every((table) => catalog.has(table))) {
    throw new SafetyError(
      'SEED_NOT_KOJI',
      `the database ${name} holds something else than a Koji: it is not replaced`,
    )
  }
  await refuseSameDatabase(world.hub(), database)
  const isInitialised = await hasSettings(database)
  if (!isInitialised) return { database: name, isKoji: true, cursor: null, isInitialised }
  const pinned = (await readSettings(database)).get('pin:prod hub')
  if (pinned !== undefined && pinned !== world.config.prod.hub) {
    throw new ConfigError('SETTING_PINNED', `this staging follows ${pinned}, not ${world.config.prod.hub}`)
  }
  const cursor = await getCursor(database, HISTORY_CURSOR)
  return { database: name, isKoji: true, cursor: cursor?.event ?? null, isInitialised }
}

async function hasSettings(database: Database): Promise<boolean> {
  const [row] = await database.query<{ there: boolean }>(
    'seed.settings',
    `select to_regclass('staging_sync.setting') is not null and to_regclass('staging_sync.cursor') is not null as there`,
  )
  return row?.there === true
}
