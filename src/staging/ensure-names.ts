import { KeyError } from '../errors.ts'
import type { Catalog } from './catalog.ts'
import type { Cell } from './cell.ts'
import type { Database, Sql, Tx } from './database.ts'
import { chooseIds } from './ids.ts'
import { NAME_TABLES, type NamedItem, type NameKind } from './name-kinds.ts'
import { findOwned, type Owned, recordOwned } from './owned.ts'
import { renameRow } from './rename.ts'
import { type Row, recordset } from './rows.ts'

/*
 * | recorded for prod's id | staging's row                  | then                                                  |
 * | ---------------------- | ------------------------------ | ----------------------------------------------------- |
 * | yes                    | has the name                   | it                                                    |
 * | yes                    | has the name we gave it last   | it, renamed                                           |
 * | yes                    | has another name (a local edit)| it, as it is                                          |
 * | yes                    | is gone                        | as if not recorded                                    |
 * | no                     | a row of that name, not ours   | that row, recorded                                    |
 * | no                     | a row of that name, ours       | prod renamed that one: it steps aside, a row is made  |
 * | no                     | none                           | a row is made, with prod's id where that is free      |
 */
interface Found {
  readonly id: number
  readonly name: string
}

interface State {
  readonly owned: ReadonlyMap<number, Owned>
  readonly byId: ReadonlyMap<number, Found>
  readonly byName: ReadonlyMap<string, Found>
  /** staging ids of `byName` that are recorded, with the prod id they belong to */
  readonly ownerOf: ReadonlyMap<number, number>
}

/** Reads first; opens a transaction only if something is to be written. Items are sorted by name, names are distinct. */
export async function ensureNamesIn(
  database: Database,
  catalog: Catalog,
  kind: NameKind,
  items: readonly NamedItem[],
): Promise<Map<string, number>> {
  // A name that staging cannot hold fails here, before anything is written.
  recordset(
    catalog,
    NAME_TABLES[kind].table,
    ['name'],
    items.map(({ name }) => ({ name })),
  )
  const state = await readState(database, kind, items)
  const settled = items.every((item) => settledId(kind, item, state) !== null)
  if (!settled) {
    return database.transaction(`names.${kind}`, async (tx) =>
      write(tx, catalog, kind, items, await readState(tx, kind, items)),
    )
  }
  return new Map(items.map((item) => [item.name, settledId(kind, item, state) as number]))
}

/** The id where nothing is to be written; null: something is. */
function settledId(kind: NameKind, item: NamedItem, state: State): number | null {
  const named = state.byName.get(item.name)
  if (item.prodId === null || !NAME_TABLES[kind].byId) return named?.id ?? null
  const owned = state.owned.get(item.prodId)
  const row = owned === undefined ? undefined : state.byId.get(owned.stagingId)
  if (owned === undefined || row === undefined) return null
  return row.name === item.name || row.name !== owned.digest ? row.id : null
}

async function readState(sql: Sql, kind: NameKind, items: readonly NamedItem[]): Promise<State> {
  const { table, byId } = NAME_TABLES[kind]
  const prodIds = byId ? items.flatMap(({ prodId }) => (prodId === null ? [] : [prodId])) : []
  const owned = await findOwned(sql, kind, prodIds)
  const rows = await sql.query<Found & { owner: number | null }>(
    `names.read.${kind}`,
    `select t.id, t.name, o.prod_id as owner
       from ${table} t left join staging_sync.owned o on o.kind = $3 and o.staging_id = t.id
      where t.name = any($1::text[]) or t.id = any($2::bigint[])`,
    [items.map(({ name }) => name), [...owned.values()].map(({ stagingId }) => stagingId), kind],
  )
  return {
    owned,
    byId: new Map(rows.map((row) => [row.id, row])),
    byName: new Map(rows.map((row) => [row.name, row])),
    ownerOf: new Map(rows.flatMap((row) => (row.owner === null ? [] : [[row.id, row.owner]]))),
  }
}

async function write(
  tx: Tx,
  catalog: Catalog,
  kind: NameKind,
  items: readonly NamedItem[],
  state: State,
): Promise<Map<string, number>> {
  const { table, byId } = NAME_TABLES[kind]
  const ids = new Map<string, number>()
  const create: NamedItem[] = []
  const record: { prodId: number; stagingId: number; digest: string }[] = []
  for (const item of items) {
    const settled = settledId(kind, item, state)
    const owned = item.prodId === null ? undefined : state.owned.get(item.prodId)
    const row = owned === undefined ? undefined : state.byId.get(owned.stagingId)
    const named = state.byName.get(item.name)
    if (settled !== null) {
      ids.set(item.name, settled)
    } else if (row !== undefined) {
      const renamed = await renameRow(tx, kind, table, { id: row.id, to: item.name })
      if (renamed.done) record.push({ prodId: item.prodId as number, stagingId: row.id, digest: item.name })
      ids.set(item.name, row.id)
    } else if (
      named !== undefined &&
      (!state.ownerOf.has(named.id) || state.ownerOf.get(named.id) === item.prodId)
    ) {
      if (byId && item.prodId !== null)
        record.push({ prodId: item.prodId, stagingId: named.id, digest: item.name })
      ids.set(item.name, named.id)
    } else {
      create.push(item)
    }
  }
  for (const item of create) {
    const named = state.byName.get(item.name)
    if (named !== undefined) await renameRow(tx, kind, table, { id: named.id, to: null })
  }
  for (const [name, id] of await insert(tx, catalog, kind, create)) ids.set(name, id)
  for (const { prodId, name } of create) {
    const stagingId = ids.get(name)
    if (byId && prodId !== null && stagingId !== undefined) record.push({ prodId, stagingId, digest: name })
  }
  await recordOwned(tx, kind, record)
  return ids
}

/** One statement for all of them, in the order of their names. */
async function insert(
  tx: Tx,
  catalog: Catalog,
  kind: NameKind,
  items: readonly NamedItem[],
): Promise<Map<string, number>> {
  if (items.length === 0) return new Map()
  const { table, columns } = NAME_TABLES[kind]
  const chosen = await chooseIds(
    tx,
    catalog,
    table,
    items.flatMap(({ prodId }) => (prodId === null ? [] : [prodId])),
  )
  const { sequence } = catalog.idSequence(table)
  const needed = columns.filter((name) => {
    const column = catalog.column(table, name)
    return (
      (column !== undefined && !column.nullable && !column.hasDefault) ||
      items.some((item) => item.columns?.[name] !== undefined)
    )
  })
  const names = ['id', 'name', ...needed]
  const rows = items.map((item): Row => {
    const cells: Record<string, Cell> = { id: idOf(item, chosen), name: item.name }
    for (const name of needed) {
      const cell = item.columns?.[name]
      if (cell === undefined) {
        throw new KeyError('NAME_INCOMPLETE', `a new ${kind} needs its ${name}: ${item.name}`, {
          detail: { kind },
        })
      }
      cells[name] = cell
    }
    return cells
  })
  // Rows without prod's id: 0 stands for "from the sequence", as ids of serial columns begin with 1.
  const set = recordset(catalog, table, names, rows)
  const targets = set.columns.map(({ name }) => `"${name}"`)
  const sources = targets.map((name) =>
    name === '"id"' ? `case when id = 0 then nextval('${sequence}') else id end` : name,
  )
  const made = await tx.query<{ id: number; name: string }>(
    `names.insert.${kind}`,
    `insert into ${table} (${targets.join(', ')}) select ${sources.join(', ')} from ${set.from} returning id, name`,
    [set.json],
    { prepare: false },
  )
  return new Map(made.map(({ id, name }) => [name, id]))
}

function idOf({ prodId }: NamedItem, chosen: ReadonlyMap<number, number>): number {
  return prodId === null ? 0 : (chosen.get(prodId) ?? 0)
}
