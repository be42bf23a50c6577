import type { Sql } from './database.ts'
import type { VersionedRow } from './versioned.ts'
import { VERSIONED, type VersionedName } from './versioned-tables.ts'

/**
 * An active row that staging's people made and that equals prod's: it counts as ours from then on, so that it goes when
 * prod's goes. One record for each natural key; it stands for the row of that create event alone.
 */
export interface AdoptedRow {
  readonly table: VersionedName
  readonly row: VersionedRow
}

/** The natural key of a versioned row as the record has it: `tag_id=3 build_id=7`. */
function adoptedKey(table: VersionedName, cells: VersionedRow['cells']): string {
  return VERSIONED[table].key.map((name) => `${name}=${String(cells[name])}`).join(' ')
}

/** SQL: whether the row `l` of tag_listing was adopted. */
export const LISTING_ADOPTED = `exists (select 1 from staging_sync.adopted a
  where a.table_name = 'tag_listing' and a.key = 'tag_id=' || l.tag_id || ' build_id=' || l.build_id
    and a.create_event = l.create_event)`

/** Those of the rows that were adopted. */
export async function findAdopted(
  sql: Sql,
  table: VersionedName,
  rows: readonly VersionedRow[],
): Promise<Set<VersionedRow>> {
  if (rows.length === 0) return new Set()
  const found = await sql.query<{ key: string; create_event: number }>(
    'adopted.find',
    'select key, create_event from staging_sync.adopted where table_name = $1 and key = any($2::text[])',
    [table, rows.map((row) => adoptedKey(table, row.cells))],
  )
  const events = new Map(found.map((row) => [row.key, row.create_event]))
  return new Set(rows.filter((row) => events.get(adoptedKey(table, row.cells)) === row.createEvent))
}

/** Records rows as adopted, instead of what was recorded of their keys before. */
export async function recordAdopted(sql: Sql, rows: readonly AdoptedRow[]): Promise<void> {
  if (rows.length === 0) return
  const byKey = new Map(rows.map((one) => [`${one.table} ${adoptedKey(one.table, one.row.cells)}`, one]))
  const sorted = [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
  await sql.query(
    'adopted.record',
    `insert into staging_sync.adopted as a (table_name, key, create_event)
     select * from unnest($1::text[], $2::text[], $3::bigint[])
     on conflict (table_name, key) do update set create_event = excluded.create_event
      where a.create_event <> excluded.create_event`,
    [
      sorted.map(({ table }) => table),
      sorted.map(({ table, row }) => adoptedKey(table, row.cells)),
      sorted.map(({ row }) => row.createEvent),
    ],
  )
}
