import type { LastReconcile } from '../model/last-reconcile.ts'
import type { Sql } from './database.ts'

/** Notes that everything was compared just now, and what was found. */
export async function noteReconciled(sql: Sql, found: NonNullable<LastReconcile['found']>): Promise<void> {
  await sql.query(
    'settings.reconciled',
    `insert into staging_sync.setting (key, value)
     values ('reconciled', floor(extract(epoch from clock_timestamp()) * 1000)::text), ('reconcile_found', $1)
     on conflict (key) do update set value = excluded.value`,
    [JSON.stringify(found)],
  )
}

/** Null: everything was never compared. */
export async function readLastReconcile(sql: Sql): Promise<LastReconcile | null> {
  const [row] = await sql.query<{ ms: number; found: string | null }>(
    'settings.last-reconcile',
    `select d.value::double precision as ms, f.value as found
       from staging_sync.setting d left join staging_sync.setting f on f.key = 'reconcile_found' where d.key = 'reconciled'`,
  )
  if (row === undefined) return null
  return {
    atMs: row.ms,
    found: row.found === null ? null : (JSON.parse(row.found) as LastReconcile['found']),
  }
}
