import type { Session } from './session.ts'

interface Reference {
  readonly table: string
  readonly column: string
  /** of the table that is referred to */
  readonly target: string
}

/**
 * Deletes rows and all that refers to them, the last ones first: in the order that the foreign keys of *this* schema demand, so
 * that no table of another Koji version is forgotten. `condition` is SQL over the table's own columns. Rows by table.
 */
export async function deleteWithReferences(
  session: Session,
  table: string,
  condition: string,
  path: readonly string[] = [],
): Promise<Map<string, number>> {
  const deleted = new Map<string, number>()
  const count = (name: string, rows: number): unknown => deleted.set(name, (deleted.get(name) ?? 0) + rows)
  for (const { table: child, column, target } of await readReferences(session, table)) {
    if (child === table || path.includes(child)) continue
    const below = `"${column}" in (select "${target}" from "${table}" where ${condition})`
    const found = await deleteWithReferences(session, child, below, [...path, table])
    for (const [name, rows] of found) count(name, rows)
  }
  count(table, await session.change(`seed.delete.${table}`, `delete from "${table}" where ${condition}`))
  return deleted
}

/** Columns that refer to a table; of a key of several columns the first. */
function readReferences(session: Session, table: string): Promise<Reference[]> {
  return session.query<Reference>(
    'seed.references',
    `select distinct c.relname as "table", a.attname as "column", t.attname as "target"
       from pg_constraint k
       join pg_class c on c.oid = k.conrelid
       join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
       join pg_attribute t on t.attrelid = k.confrelid and t.attnum = k.confkey[1]
      where k.contype = 'f' and k.confrelid = to_regclass(quote_ident($1)) order by 1, 2`,
    [table],
  )
}
