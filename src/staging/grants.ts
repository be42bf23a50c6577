import type { Catalog } from './catalog.ts'
import type { Sql } from './database.ts'
import { ident } from './rows.ts'

/** true: the whole table; else these columns, those of them that staging has. */
type Extent = true | readonly string[]

/** What is done to one of Koji's tables. */
export interface TableNeed {
  readonly table: string
  readonly select?: Extent
  readonly insert?: Extent
  readonly update?: Extent
  readonly delete?: true
}

/** One grant, as PostgreSQL has it. */
export interface Grant {
  /** quoted, as in a statement; of tables with their schema */
  readonly on: string
  readonly what: 'table' | 'sequence' | 'schema'
  readonly privilege: 'select' | 'insert' | 'update' | 'delete' | 'usage'
  /** null: all of it */
  readonly columns: readonly string[] | null
}

/** Whether a transaction that is older than an event is still open can be seen by nobody else (`event`). */
const STATISTICS_ROLE = 'pg_read_all_stats'
const OWN_SCHEMA = 'staging_sync'
const PRIVILEGES = ['select', 'insert', 'update', 'delete'] as const

/** What the service needs of Koji's schema as this staging has it: no more, no less. */
export async function grantsOf(
  sql: Sql,
  catalog: Catalog,
  needs: readonly TableNeed[],
): Promise<readonly Grant[]> {
  const present = needs.filter(({ table }) => catalog.has(table))
  const schemas = await readSchemas(
    sql,
    present.map(({ table }) => table),
  )
  const tables = present.flatMap((need) =>
    PRIVILEGES.flatMap((privilege): Grant[] => {
      const extent = need[privilege]
      if (extent === undefined) return []
      const columns = extent === true ? null : extent.filter((name) => catalog.has(need.table, name))
      return [{ on: `${schemas.get(need.table)}.${ident(need.table)}`, what: 'table', privilege, columns }]
    }),
  )
  const numbered = new Set(present.filter(({ insert }) => insert !== undefined).map(({ table }) => table))
  const sequences = catalog.sequences().flatMap(({ sequence, table, column }): Grant[] => {
    const grant = { on: sequence, what: 'sequence', columns: null } as const
    const takes = numbered.has(table) && column === 'id'
    // Every sequence's position is read, by `doctor`: below the floor it would give ids of prod's.
    return [{ ...grant, privilege: 'select' }, ...(takes ? [{ ...grant, privilege: 'usage' as const }] : [])]
  })
  const inSchemas = [...new Set(schemas.values())].map(
    (schema): Grant => ({ on: schema, what: 'schema', privilege: 'usage', columns: null }),
  )
  return [...inSchemas, ...tables, ...sequences]
}

/** Statements for `psql`, to be run by the owner of Koji's tables after `init`; may be run again. */
export function grantsSql(grants: readonly Grant[], role: string, database: string): string {
  const to = `to ${ident(role)};`
  const byTarget = new Map<string, string[]>()
  for (const { on, what, privilege, columns } of grants) {
    const target = `${what === 'table' ? '' : `${what} `}${on}`
    const list = columns === null ? '' : ` (${columns.map(ident).join(', ')})`
    byTarget.set(target, [...(byTarget.get(target) ?? []), `${privilege}${list}`])
  }
  return [
    `grant connect on database ${ident(database)} ${to}`,
    ...[...byTarget].map(([target, privileges]) => `grant ${privileges.join(', ')} on ${target} ${to}`),
    `grant ${STATISTICS_ROLE} ${to}`,
    ownGrantsSql(role),
  ].join('\n')
}

/** Those on our own schema, which `init` made. */
export function ownGrantsSql(role: string): string {
  const to = `to ${ident(role)};`
  return [
    `grant usage on schema ${OWN_SCHEMA} ${to}`,
    `grant select, insert, update, delete on all tables in schema ${OWN_SCHEMA} ${to}`,
    `grant usage, select on all sequences in schema ${OWN_SCHEMA} ${to}`,
    // What a later `init` of the same owner adds.
    `alter default privileges in schema ${OWN_SCHEMA} grant select, insert, update, delete on tables ${to}`,
    `alter default privileges in schema ${OWN_SCHEMA} grant usage, select on sequences ${to}`,
    '',
  ].join('\n')
}

/** Which of them we lack, in words: `insert on public."build"`. */
export async function missingGrants(sql: Sql, grants: readonly Grant[]): Promise<string[]> {
  const rows = await sql.query<{ on: string; privilege: string; columns: string | null }>(
    'grants.missing',
    `select g."on", g.privilege, (select string_agg(c, ', ') from json_array_elements_text(g.columns) c) as columns
       from json_to_recordset($1::json) as g("on" text, what text, privilege text, columns json)
      where not case when g.what = 'schema' then has_schema_privilege(g."on", g.privilege)
                     when g.what = 'sequence' then has_sequence_privilege(g."on", g.privilege)
                     when g.columns is null or json_typeof(g.columns) = 'null' then has_table_privilege(g."on", g.privilege)
                     else (select bool_and(has_column_privilege(g."on", c, g.privilege))
                             from json_array_elements_text(g.columns) c) end
      union all
     select format('%I.%I', n.nspname, c.relname), p, null
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
            unnest(array['select', 'insert', 'update', 'delete']) as p
      where n.nspname = '${OWN_SCHEMA}' and c.relkind = 'r' and not has_table_privilege(c.oid, p)
      union all
     select 'schema ' || nspname, 'usage', null from pg_catalog.pg_namespace
      where nspname = '${OWN_SCHEMA}' and not has_schema_privilege(oid, 'usage')
      union all
     select '${STATISTICS_ROLE}', 'membership', null where not pg_has_role('${STATISTICS_ROLE}', 'usage')`,
    [JSON.stringify(grants)],
    { prepare: false },
  )
  return rows.map(
    ({ on, privilege, columns }) => `${privilege}${columns === null ? '' : ` (${columns})`} on ${on}`,
  )
}

/** The schema of each of these tables, quoted. */
async function readSchemas(sql: Sql, tables: readonly string[]): Promise<Map<string, string>> {
  const rows = await sql.query<{ table: string; schema: string }>(
    'grants.schemas',
    `select c.relname as "table", format('%I', n.nspname) as schema
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relname = any($1::text[]) and c.relkind in ('r', 'p') and pg_catalog.pg_table_is_visible(c.oid)`,
    [tables],
  )
  return new Map(rows.map(({ table, schema }) => [table, schema]))
}
