import { ConfigError } from '../errors.ts'
import type { Check } from '../model/operations.ts'
import { grantsOf, grantsSql, missingGrants } from '../staging/grants.ts'
import { tableNeeds } from './grant-needs.ts'
import type { World } from './world.ts'

/** As many as are named in one line. */
const TOLD = 8

/**
 * The statements that give `role` what the service needs, and nothing else. Writes nothing. Throws SchemaError as
 * `requireColumns`, ConfigError GRANTS_ROLE where no role is named.
 */
export async function printGrants(world: World, role: string | null): Promise<string> {
  const database = await world.database()
  const catalog = await world.catalog()
  catalog.requireColumns()
  const [now] = await database.query<{ user: string; database: string }>(
    'grants.where',
    'select current_user::text as user, current_database()::text as database',
  )
  const to = role ?? new URL(world.config.staging.database.replace('@/', '@socket/')).username
  if (to === '')
    throw new ConfigError('GRANTS_ROLE', 'staging.database names no user: say which by --role NAME')
  const grants = await grantsOf(database, catalog, tableNeeds())
  return grantsSql(grants, decodeURIComponent(to), now?.database ?? '')
}

/** Whether we may do what we have to. */
export async function checkGrants(world: World): Promise<Check> {
  const name = 'database.grants'
  const database = await world.database()
  const missing = await missingGrants(database, await grantsOf(database, await world.catalog(), tableNeeds()))
  if (missing.length > 0) {
    const more = missing.length > TOLD ? ` and ${missing.length - TOLD} more` : ''
    return {
      name,
      status: 'fail',
      message: `not allowed: ${missing.slice(0, TOLD).join('; ')}${more}`,
      todo: "as the owner of Koji's tables: koji-staging-sync init --print-grants --role NAME | psql",
    }
  }
  const [own] = await database.query<{ super: boolean; passwords: boolean }>(
    'grants.own',
    `select (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as super,
            has_column_privilege('users', 'password', 'select') as passwords`,
  )
  const todo = 'see init --print-grants for a role of its own'
  if (own?.super === true)
    return { name, status: 'warn', message: 'the service is a superuser of the database', todo }
  if (own?.passwords === true)
    return { name, status: 'warn', message: "the service may read passwords of Koji's users", todo }
  return { name, status: 'ok', message: 'has what it needs, and no more that matters', todo: null }
}
