import type { Sql } from '../staging/database.ts'

/** Tables of names that Koji never changes, as prod's and staging's rows are matched. */
const TABLES = { permission: 'permissions', package: 'package', users: 'users' } as const

/** Staging's ids of names; those that it lacks are absent. */
export async function findByName(
  sql: Sql,
  kind: keyof typeof TABLES,
  names: readonly string[],
): Promise<Map<string, number>> {
  if (names.length === 0) return new Map()
  const rows = await sql.query<{ name: string; id: number }>(
    `event.names.${kind}`,
    `select name, id from ${TABLES[kind]} where name = any($1::text[])`,
    [[...new Set(names)]],
  )
  return new Map(rows.map(({ name, id }) => [name, id]))
}
