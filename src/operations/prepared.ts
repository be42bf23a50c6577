import { ConfigError } from '../errors.ts'
import type { Database } from '../staging/database.ts'
import { pendingMigrations } from '../staging/migration.ts'
import type { World } from './world.ts'

/** What every command but `init` and `doctor` says of a staging that is not prepared. */
export function notInitialised(): ConfigError {
  return new ConfigError(
    'NOT_INITIALISED',
    'this staging database is not prepared: run `koji-staging-sync init`',
  )
}

/** Staging's database. Throws ConfigError NOT_INITIALISED before `init`. */
export async function requirePrepared(world: World): Promise<Database> {
  const database = await world.database()
  if ((await pendingMigrations(database, world.migrations)).length > 0) throw notInitialised()
  return database
}
