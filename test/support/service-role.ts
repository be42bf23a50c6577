import pg from 'pg'
import { tableNeeds } from '../../src/operations/grant-needs.ts'
import { Catalog } from '../../src/staging/catalog.ts'
import { Database } from '../../src/staging/database.ts'
import { grantsOf, grantsSql, ownGrantsSql } from '../../src/staging/grants.ts'
import { noStep } from '../../src/step.ts'

/** The role that the service has in tests: what `init --print-grants` prints, and nothing else. */
export const SERVICE_ROLE = 'koji-staging-sync'
const PASSWORD = 'service-test'

/** For a new server: what is the server's, once; two who grant the same membership at once get in each other's way. */
export const makeServiceRole = `create role "${SERVICE_ROLE}" login password '${PASSWORD}';
  grant pg_read_all_stats to "${SERVICE_ROLE}"`

/** Grants on Koji's tables, in a template: databases that are made of it have them too. */
export async function grantOnKoji(ownerUrl: string): Promise<void> {
  const database = await Database.create({
    url: ownerUrl,
    applicationName: 'test',
    poolSize: 1,
    connectTimeoutMs: 10_000,
    step: noStep,
  })
  try {
    const grants = await grantsOf(database, await Catalog.read(database), tableNeeds())
    const sql = grantsSql(grants, SERVICE_ROLE, new URL(ownerUrl).pathname.slice(1))
    // Our own schema comes with `init`.
    const onKoji = sql.split('\n').filter((line) => !/staging_sync |pg_read_all_stats/.test(line))
    await database.query('test', onKoji.join('\n'), [], { prepare: false })
  } finally {
    await database.destroy()
  }
}

/** The rest, after `init`. */
export async function grantOnOurs(ownerUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl })
  await client.connect()
  try {
    await client.query(ownGrantsSql(SERVICE_ROLE))
  } finally {
    await client.end()
  }
}

/** The same database for the service. */
export function serviceUrl(ownerUrl: string): string {
  const url = new URL(ownerUrl)
  url.username = SERVICE_ROLE
  url.password = PASSWORD
  return url.href
}
