import { setTimeout as sleep } from 'node:timers/promises'
import { SyncError } from '../errors.ts'
import type { Database, Sql, Tx } from './database.ts'
import { SchemaError } from './schema-error.ts'

/**
 * One step of our own schema `staging_sync`. Migrations expand, then contract: code must run on the schema before and
 * after an expanding one, so that daemons roll one after the other.
 */
export interface Migration {
  /** `<part>-<number>-<what>`; stable for ever, its text too */
  readonly id: string
  readonly sql: string
  /** true: code that does not know this migration cannot run any more (something was dropped or renamed) */
  readonly contract?: boolean
}

/** One lock for all who migrate one database: the bytes of 'kjss'. */
const MIGRATION_LOCK = 0x6b6a7373

/**
 * Applies what is missing, in the given order, all in one transaction, and returns the ids that it applied.
 * Who migrates holds a try-advisory lock; others try again until `waitMs` is over.
 *
 * Throws SchemaError SCHEMA_NEWER when the database has contracting migrations that this code does not know,
 * SyncError SCHEMA_BUSY when the lock could not be had.
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[],
  options: { waitMs?: number } = {},
): Promise<string[]> {
  const pauseMs = 50
  let triesLeft = Math.ceil((options.waitMs ?? 30_000) / pauseMs) + 1
  for (;;) {
    const applied = await database.transaction('migrate', async (tx) => tryMigrate(tx, migrations), {
      lockTimeoutMs: 5_000,
      patienceMs: Number.POSITIVE_INFINITY,
    })
    if (applied !== 'busy') return applied
    triesLeft -= 1
    if (triesLeft <= 0) {
      throw new SyncError('SCHEMA_BUSY', 'another process has been migrating staging_sync for too long')
    }
    await sleep(pauseMs)
  }
}

/** Ids that `migrate` would apply, read only; SCHEMA_NEWER as there. */
export async function pendingMigrations(sql: Sql, migrations: readonly Migration[]): Promise<string[]> {
  const [found] = await sql.query<{ present: boolean }>(
    'migrate.present',
    `select to_regclass('staging_sync.migration') is not null as present`,
  )
  if (found?.present !== true) return migrations.map(({ id }) => id)
  return missing(await readApplied(sql), migrations).map(({ id }) => id)
}

async function tryMigrate(tx: Tx, migrations: readonly Migration[]): Promise<string[] | 'busy'> {
  const [lock] = await tx.query<{ locked: boolean }>(
    'migrate.lock',
    'select pg_try_advisory_xact_lock($1) as locked',
    [MIGRATION_LOCK],
  )
  if (lock?.locked !== true) return 'busy'
  if ((await pendingMigrations(tx, migrations)).length === 0) return []
  await tx.query('migrate.base', BASE, [], { prepare: false })
  const todo = missing(await readApplied(tx), migrations)
  for (const { id, sql, contract } of todo) {
    await tx.query(`migrate.${id}`, sql, [], { prepare: false })
    await tx.query('migrate.record', 'insert into staging_sync.migration (id, contract) values ($1, $2)', [
      id,
      contract === true,
    ])
  }
  return todo.map(({ id }) => id)
}

// A row without the second column's value counts as contracting: unknown means stop.
const BASE = `
create schema if not exists staging_sync;
comment on schema staging_sync is 'koji-staging-sync: its own tables; Koji knows nothing of them';
create table if not exists staging_sync.migration (
  id text primary key,
  contract boolean not null default true,
  applied_at timestamptz not null default clock_timestamp()
);
comment on table staging_sync.migration is 'Which steps of this schema were applied';
comment on column staging_sync.migration.contract is 'Code that does not know this step must not run';
`

interface Applied {
  readonly id: string
  readonly contract: boolean
}

function readApplied(sql: Sql): Promise<Applied[]> {
  return sql.query<Applied>('migrate.read', 'select id, contract from staging_sync.migration order by id')
}

function missing(applied: readonly Applied[], migrations: readonly Migration[]): Migration[] {
  const known = new Set(migrations.map(({ id }) => id))
  const unknown = applied.filter(({ id, contract }) => contract && !known.has(id)).map(({ id }) => id)
  if (unknown.length > 0) {
    throw new SchemaError(
      'SCHEMA_NEWER',
      `staging_sync was migrated by a newer version of this program (${unknown.join(', ')}): update this host`,
      { detail: { unknown } },
    )
  }
  const have = new Set(applied.map(({ id }) => id))
  return migrations.filter(({ id }) => !have.has(id))
}
