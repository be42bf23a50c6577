import type { Catalog } from './catalog.ts'
import type { Cell } from './cell.ts'
import type { Sql, Tx } from './database.ts'
import { holds } from './database-errors.ts'
import { type EventsBy, eventSql } from './events.ts'
import { ident, insertRows, output, type Row, recordset, whereClause } from './rows.ts'
import { VERSIONED, type VersionedName } from './versioned-tables.ts'

/** One version of one thing. Events and users are staging's. */
export interface VersionedRow {
  /** Key and values; a column that staging's schema lacks is absent. */
  readonly cells: Row
  readonly createEvent: number
  /** null: active */
  readonly revokeEvent: number | null
  readonly creatorId: number
  readonly revokerId: number | null
}

export type Where = Readonly<Record<string, Cell | readonly Cell[]>>

/** Active rows, in key order. */
export function readActive(
  sql: Sql,
  catalog: Catalog,
  table: VersionedName,
  where: Where,
): Promise<VersionedRow[]> {
  const key = VERSIONED[table].key.map((name) => `t.${ident(name)}`).join(', ')
  return read(sql, catalog, table, where, (columns, condition) => ({
    name: `versioned.active.${table}`,
    text: `select ${columns} from ${ident(table)} t where t.active and ${condition} order by ${key}`,
  }))
}

/** Of each key, also of those that are active again, the row that was revoked last, in key order. */
export function readLatestRevoked(
  sql: Sql,
  catalog: Catalog,
  table: VersionedName,
  where: Where,
): Promise<VersionedRow[]> {
  const key = VERSIONED[table].key.map((name) => `t.${ident(name)}`).join(', ')
  return read(sql, catalog, table, where, (columns, condition) => ({
    name: `versioned.revoked.${table}`,
    text: `select distinct on (${key}) ${columns} from ${ident(table)} t
            where t.active is null and ${condition}
            order by ${key}, t.revoke_event desc, t.create_event desc`,
  }))
}

/**
 * Locks active rows in key order, in one statement that never waits, and verifies that they still are as they were read: its
 * answer need not be awaited. Nothing refers to versioned rows by foreign key, so `for update` hinders only who revokes them.
 *
 * Throws AgainError: DATABASE_RACE (somebody holds one), ROW_CHANGED (revoked or replaced meanwhile).
 */
export async function lockActive(
  tx: Tx,
  catalog: Catalog,
  table: VersionedName,
  rows: readonly VersionedRow[],
): Promise<void> {
  if (rows.length === 0) return
  const { json, locked } = locking(catalog, table, rows)
  await tx.query(
    `versioned.lock.${table}`,
    `with ${locked} select ${holds('count(*) = $2')} from locked`,
    [json, rows.length],
    { prepare: 'by-text' },
  )
}

/**
 * Locks active rows as `lockActive` does, and revokes them, each at its event. The answer need not be awaited. Where rows of
 * several tables are revoked, all of them are locked first.
 */
export async function revokeRows(
  tx: Tx,
  catalog: Catalog,
  table: VersionedName,
  rows: readonly { readonly row: VersionedRow; readonly event: number }[],
  { revokerId, by = 'id' }: { readonly revokerId: number; readonly by?: EventsBy },
): Promise<void> {
  if (rows.length === 0) return
  const { json, locked } = locking(
    catalog,
    table,
    rows.map(({ row, event }) => ({ ...row, revokeEvent: event, revokerId })),
  )
  await tx.query(
    `versioned.revoke.${table}`,
    `with ${locked},
     revoked as (
       update ${ident(table)} t
          set revoke_event = ${eventSql('locked.revoke_event', by)}, revoker_id = locked.revoker_id, active = null
         from locked where t.ctid = locked.place returning 1)
     select ${holds('count(*) = $2')} from revoked`,
    [json, rows.length],
    { prepare: 'by-text', early: by === 'place' },
  )
}

/**
 * SQL of `locked`: those rows of the json in `$1` that stand in the table as it says, locked in key order; `place` is where, for as
 * long as the lock is held. `offset 0` keeps the planner to one look by index for each row: it takes the json for a hundred
 * rows, and would rather read the whole table while that is small, by a plan that outlives its growing.
 */
function locking(
  catalog: Catalog,
  table: VersionedName,
  rows: readonly VersionedRow[],
): { readonly json: string; readonly locked: string } {
  const { key, values } = VERSIONED[table]
  const identity = identityOf(table)
  const set = recordset(
    catalog,
    table,
    [...identity, ...values, 'creator_id', 'revoke_event', 'revoker_id'],
    rows.map((row) => ({
      ...identify(row),
      creator_id: row.creatorId,
      revoke_event: row.revokeEvent,
      revoker_id: row.revokerId,
    })),
  )
  const same = set.columns
    .filter(({ name }) => name !== 'revoke_event' && name !== 'revoker_id')
    .map(
      ({ name }) =>
        `t.${ident(name)} ${identity.includes(name) ? '=' : 'is not distinct from'} r.${ident(name)}`,
    )
  const order = key.map((name) => ident(name)).join(', ')
  return {
    json: set.json,
    locked: `locked as materialized (
      select t.place, r.revoke_event, r.revoker_id
        from (select * from ${set.from} order by ${order}) r cross join lateral (
          select t.ctid as place from ${ident(table)} t where ${same.join(' and ')} and t.active offset 0) t
         for update of t nowait)`,
  }
}

/**
 * Creates active rows, each at its event; all revoking of the same transaction comes before. `creatorId` of a row
 * wins over the common one (local rows that are re-tagged in their place keep their creator).
 *
 * Throws AgainError DATABASE_RACE where an active row stands in the way, KeyError as `insertRows`.
 */
export async function createRows(
  tx: Tx,
  catalog: Catalog,
  table: VersionedName,
  rows: readonly { readonly cells: Row; readonly event: number; readonly creatorId?: number }[],
  { creatorId, by = 'id' }: { readonly creatorId: number; readonly by?: EventsBy },
): Promise<void> {
  await insertRows(
    tx,
    catalog,
    table,
    rows.map((row) => ({
      ...row.cells,
      create_event: row.event,
      creator_id: row.creatorId ?? creatorId,
      active: true,
    })),
    { written: { create_event: eventSql('r.create_event', by) }, early: by === 'place' },
  )
}

async function read(
  sql: Sql,
  catalog: Catalog,
  table: VersionedName,
  where: Where,
  statement: (columns: string, condition: string) => { name: string; text: string },
): Promise<VersionedRow[]> {
  const { text: condition, values, never } = whereClause(catalog, table, where)
  if (never) return []
  const { name, text } = statement(selectList(catalog, table), condition)
  const rows = await sql.query<Record<string, unknown>>(name, text, values, { prepare: false })
  return rows.map(toVersioned)
}

const VERSION_COLUMNS = ['create_event', 'revoke_event', 'creator_id', 'revoker_id']

function selectList(catalog: Catalog, table: VersionedName): string {
  const { key, values } = VERSIONED[table]
  return [...key, ...values, ...VERSION_COLUMNS]
    .filter((name) => catalog.has(table, name))
    .map((name) => output(catalog, table, name))
    .join(', ')
}

function toVersioned(row: Record<string, unknown>): VersionedRow {
  const { create_event, revoke_event, creator_id, revoker_id, ...cells } = row
  return {
    cells: cells as Row,
    createEvent: create_event as number,
    revokeEvent: revoke_event as number | null,
    creatorId: creator_id as number,
    revokerId: revoker_id as number | null,
  }
}

/** What finds one version: its key and its create event. */
function identityOf(table: VersionedName): string[] {
  return [...VERSIONED[table].key, 'create_event']
}

function identify(row: VersionedRow): Row {
  return { ...row.cells, create_event: row.createEvent }
}
