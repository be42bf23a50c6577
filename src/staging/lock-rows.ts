import { AgainError } from '../errors.ts'
import type { Catalog } from './catalog.ts'
import type { Tx } from './database.ts'
import { ident, joinOn, type Row, recordset } from './rows.ts'

/**
 * `no key update`: for changing columns that no unique index holds; a hub that inserts rows which refer to ours does
 * not wait. `update`: for deleting, and for changing a name, an NVR, `build.draft`; PostgreSQL takes that strength then.
 */
export type LockStrength = 'no key update' | 'update'

/**
 * Locks the rows with these keys in key order, in one statement that never waits. Throws AgainError when somebody
 * else holds one of them (DATABASE_RACE) or one is gone (ROW_GONE).
 */
export async function lockRows(
  tx: Tx,
  catalog: Catalog,
  table: string,
  keyColumns: readonly string[],
  rows: readonly Row[],
  strength: LockStrength = 'no key update',
): Promise<void> {
  if (rows.length === 0) return
  const set = recordset(catalog, table, keyColumns, rows)
  const order = keyColumns.map((name) => `t.${ident(name)}`).join(', ')
  const locked = await tx.query(
    `rows.lock.${table}`,
    `select 1 from ${ident(table)} t join ${set.from} on ${joinOn(keyColumns)} order by ${order} for ${strength} of t nowait`,
    [set.json],
    { prepare: false },
  )
  if (locked.length < rows.length) {
    throw new AgainError(
      'ROW_GONE',
      `${table}: ${rows.length - locked.length} rows are gone since they were read`,
      {
        detail: { table, wanted: rows.length, found: locked.length },
      },
    )
  }
}
