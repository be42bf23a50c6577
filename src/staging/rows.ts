import { SyncError } from '../errors.ts'
import type { Catalog, Column } from './catalog.ts'
import { type Cell, cannotHold, encodeCell, isList, isTimestamp } from './cell.ts'
import type { Sql, Tx } from './database.ts'
import { isKnownColumn, OPTIONAL } from './koji-columns.ts'

export type { Cell } from './cell.ts'
export type Row = Readonly<Record<string, Cell>>

/** Identifiers come from the catalog or from our own code, and are quoted all the same. */
export function ident(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Rows of one statement, with the columns that they have in common. */
export interface Recordset {
  readonly columns: readonly Column[]
  /** The statement's one parameter */
  readonly json: string
  /** `json_to_recordset($1::json) as r(...)` with the schema's types */
  readonly from: string
}

/**
 * Rows as one json parameter. All rows have the same columns. A column that staging lacks is dropped when it is one
 * of OPTIONAL and the value stands for "not there", else KeyError SCHEMA_CANNOT_HOLD names it.
 */
export function recordset(
  catalog: Catalog,
  table: string,
  names: readonly string[],
  rows: readonly Row[],
): Recordset {
  const columns: Column[] = []
  for (const name of names) {
    const column = catalog.column(table, name)
    if (column !== undefined) columns.push(column)
    else for (const row of rows) checkDroppable(table, name, row[name] ?? null)
  }
  const encoded = rows.map((row) =>
    Object.fromEntries(
      columns.map((column) => [column.name, encodeCell(table, column, row[column.name] ?? null)]),
    ),
  )
  const types = columns.map(({ name, sqlType }) => `${ident(name)} ${sqlType}`)
  return {
    columns,
    json: JSON.stringify(encoded),
    from: `json_to_recordset($1::json) as r(${types.join(', ')})`,
  }
}

/**
 * Inserts rows, one statement per set of columns, all sent at once. Returns how many. Columns not named get their defaults.
 * `written`: SQL, over the row `r`, of what is written instead of a column's cell; `early` as in `QueryOptions`.
 */
export async function insertRows(
  tx: Tx,
  catalog: Catalog,
  table: string,
  rows: readonly Row[],
  { written = {}, early = false }: { written?: Readonly<Record<string, string>>; early?: boolean } = {},
): Promise<number> {
  const inserts = [...groupByColumns(rows)].map(async ([names, group]) => {
    const set = recordset(catalog, table, names, group)
    if (set.columns.length === 0) return 0
    const list = set.columns.map(({ name }) => ident(name)).join(', ')
    const values = set.columns.map(({ name }) => written[name] ?? ident(name)).join(', ')
    const inserted = await tx.query(
      `rows.insert.${table}`,
      `insert into ${ident(table)} (${list}) select ${values} from ${set.from} returning 1`,
      [set.json],
      { prepare: 'by-text', early },
    )
    return inserted.length
  })
  return sum(await Promise.all(inserts))
}

/**
 * Sets all cells of each row that are not its key. Returns how many rows were written: one that equals already is
 * left alone. Lock first (`lockRows`): this statement waits, at most `lock_timeout`.
 */
export async function updateRows(
  tx: Tx,
  catalog: Catalog,
  table: string,
  keyColumns: readonly string[],
  rows: readonly Row[],
): Promise<number> {
  const updates = [...groupByColumns(rows)].map(async ([names, group]) => {
    const set = recordset(catalog, table, names, group)
    const values = set.columns.filter(({ name }) => !keyColumns.includes(name)).map(({ name }) => ident(name))
    if (values.length === 0) return 0
    const pairs = values.map((name) => `${name} = r.${name}`).join(', ')
    const differs = values.map((name) => `t.${name} is distinct from r.${name}`).join(' or ')
    const updated = await tx.query(
      `rows.update.${table}`,
      `update ${ident(table)} t set ${pairs} from ${set.from} where ${joinOn(keyColumns)} and (${differs}) returning 1`,
      [set.json],
      { prepare: false },
    )
    return updated.length
  })
  return sum(await Promise.all(updates))
}

/** Deletes the rows with these keys. Returns how many there were. */
export async function deleteRows(
  tx: Tx,
  catalog: Catalog,
  table: string,
  keyColumns: readonly string[],
  rows: readonly Row[],
): Promise<number> {
  if (rows.length === 0 || !catalog.has(table)) return 0
  const set = recordset(catalog, table, keyColumns, rows)
  const deleted = await tx.query(
    `rows.delete.${table}`,
    `delete from ${ident(table)} t using ${set.from} where ${joinOn(keyColumns)} returning 1`,
    [set.json],
    { prepare: false },
  )
  return deleted.length
}

/**
 * Rows by equality; a list means "one of", an empty list finds nothing. Columns of OPTIONAL that staging lacks come
 * as the value that stands for them; a table of OPTIONAL that staging lacks has no rows. In primary key's order, or by
 * `columns`.
 */
export async function selectRows<R>(
  sql: Sql,
  catalog: Catalog,
  table: string,
  columns: readonly string[],
  where: Readonly<Record<string, Cell | readonly Cell[]>>,
): Promise<R[]> {
  for (const name of [...columns, ...Object.keys(where)]) requireKnown(catalog, table, name)
  if (!catalog.has(table)) return []
  const { text, values, never } = whereClause(catalog, table, where)
  if (never) return []
  const key = catalog.primaryKey(table)
  const order = key.length > 0 ? key : columns.filter((name) => catalog.has(table, name))
  return sql.query<R>(
    `rows.select.${table}`,
    `select ${columns.map((name) => output(catalog, table, name)).join(', ')} from ${ident(table)} t
      where ${text} order by ${order.map((name) => `t.${ident(name)}`).join(', ')}`,
    values,
    { prepare: false },
  )
}

/** `t.<column>` in the form that `Cell` has, named as the column. */
export function output(catalog: Catalog, table: string, name: string): string {
  const column = catalog.column(table, name)
  if (column === undefined) return `${JSON.stringify(OPTIONAL[table]?.[name] ?? null)} as ${ident(name)}`
  const read = `t.${ident(name)}`
  if (!isTimestamp(column.sqlType)) return read
  // Sessions have TimeZone UTC, so with and without time zone read alike.
  return `to_char(${read}, 'YYYY-MM-DD HH24:MI:SS.US') as ${ident(name)}`
}

/** Conditions on `t`, numbered from `$1`. `never`: nothing can match. */
export function whereClause(
  catalog: Catalog,
  table: string,
  where: Readonly<Record<string, Cell | readonly Cell[]>>,
): { text: string; values: unknown[]; never: boolean } {
  const conditions: string[] = []
  const values: unknown[] = []
  let never = false
  for (const [name, wanted] of Object.entries(where)) {
    const column = catalog.column(table, name)
    if (column === undefined) {
      const list: readonly Cell[] = Array.isArray(wanted) ? wanted : [wanted as Cell]
      never ||= !list.includes(OPTIONAL[table]?.[name] ?? null)
      continue
    }
    if (wanted === null) {
      conditions.push(`t.${ident(name)} is null`)
      continue
    }
    const list: readonly Cell[] = isList(wanted) ? wanted : [wanted as Cell]
    never ||= list.length === 0
    values.push(list.map((cell) => encodeCell(table, { ...column, nullable: false }, cell)))
    conditions.push(`t.${ident(name)} = any($${values.length}::${column.sqlType}[])`)
  }
  return { text: conditions.length === 0 ? 'true' : conditions.join(' and '), values, never }
}

/** `t.k = r.k and ...` */
export function joinOn(keyColumns: readonly string[]): string {
  if (keyColumns.length === 0) throw new SyncError('ROWS_NO_KEY', 'rows need a key')
  return keyColumns.map((name) => `t.${ident(name)} = r.${ident(name)}`).join(' and ')
}

function requireKnown(catalog: Catalog, table: string, name: string): void {
  if (catalog.has(table, name) || isKnownColumn(table, name)) return
  throw new SyncError('SCHEMA_UNKNOWN_COLUMN', `no Koji has a column ${table}.${name}`, {
    detail: { table, name },
  })
}

function checkDroppable(table: string, name: string, cell: Cell): void {
  const optional = OPTIONAL[table] ?? {}
  if (Object.hasOwn(optional, name) && (cell === null || cell === optional[name])) return
  throw cannotHold(`${table}.${name}`, 'there is no such column')
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0)
}

function groupByColumns(rows: readonly Row[]): Map<string[], Row[]> {
  const bySignature = new Map<string, { names: string[]; rows: Row[] }>()
  for (const row of rows) {
    const names = Object.keys(row).sort()
    const signature = JSON.stringify(names)
    const group = bySignature.get(signature)
    if (group === undefined) bySignature.set(signature, { names, rows: [row] })
    else group.rows.push(row)
  }
  return new Map([...bySignature.values()].map((group) => [group.names, group.rows]))
}
