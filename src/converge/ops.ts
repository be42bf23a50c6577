import type { Cell } from '../staging/cell.ts'
import type { Tx } from '../staging/database.ts'
import { owe } from '../staging/debt.ts'
import { allocate, recordEventMap } from '../staging/events.ts'
import { createRows, lockActive, revokeRows, type VersionedRow } from '../staging/versioned.ts'
import { TAG_SETTINGS, type VersionedName } from '../staging/versioned-tables.ts'
import type { Deps } from './deps.ts'

/**
 * One change of a versioned table. Ops that belong to the same moment in prod have the same `slot`; slots are applied in
 * ascending order, each with a fresh staging event, so that the order within a key is prod's.
 */
export type Op =
  | {
      readonly kind: 'revoke'
      readonly table: VersionedName
      readonly row: VersionedRow
      readonly slot: number
    }
  | {
      readonly kind: 'create'
      readonly table: VersionedName
      readonly cells: Readonly<Record<string, Cell>>
      readonly slot: number
      /** staging user that the row is created by; absent: ours */
      readonly creatorId?: number
    }

/** Tables in the one order in which rows are locked and written, everywhere. */
const TABLE_ORDER: readonly VersionedName[] = [
  'external_repo_config',
  ...TAG_SETTINGS,
  'build_target_config',
  'tag_packages',
  'tag_package_owners',
  'tag_listing',
]

export interface Applied {
  readonly rows: number
  /** The writes are sent; this must be awaited, with what else is sent, before the transaction ends. */
  readonly written: Promise<unknown>
}

/**
 * Writes ops in the caller's transaction: locks what will be revoked (one ordered NOWAIT statement a table), takes one fresh
 * event a slot, revokes, creates, notes the checkpoint of the key, and owes the repo race of the touched tags. All of it goes
 * to the server in two flights.
 *
 * `prodEvent` is the newest event of the key in prod that is shown after this; null when it is not known. `whole` false: not
 * everything up to it is shown.
 */
export async function applyOps(
  tx: Tx,
  deps: Deps,
  ops: readonly Op[],
  about: { keyText: string; prodEvent: number | null; whole?: boolean; tagIds: readonly number[] },
): Promise<Applied> {
  if (ops.length === 0) return { rows: 0, written: Promise.resolve() }
  const { catalog, owner } = deps
  const tables = TABLE_ORDER.filter((table) => ops.some((op) => op.table === table))
  const slots = [...new Set(ops.map((op) => op.slot))].sort((a, b) => a - b)
  const locked = tables.map(async (table) => {
    const rows = ops.flatMap((op) => (op.kind === 'revoke' && op.table === table ? [op.row] : []))
    if (rows.length > 0) await lockActive(tx, catalog, table, rows)
  })
  const [events] = await Promise.all([allocate(tx, slots.length), ...locked])
  const eventOf = new Map(slots.map((slot, i) => [slot, events[i] as number]))
  const at = (op: Op): number => eventOf.get(op.slot) as number

  const writes: Promise<unknown>[] = []
  for (const table of tables) {
    const revokes = ops.flatMap((op) =>
      op.kind === 'revoke' && op.table === table ? [{ row: op.row, event: at(op) }] : [],
    )
    if (revokes.length > 0) writes.push(revokeRows(tx, catalog, table, revokes, owner.userId))
  }
  for (const table of tables) {
    const creates = ops.flatMap((op) =>
      op.kind === 'create' && op.table === table
        ? [{ cells: op.cells, event: at(op), creatorId: op.creatorId ?? owner.userId }]
        : [],
    )
    if (creates.length > 0) writes.push(createRows(tx, catalog, table, creates, owner.userId))
  }
  if (about.prodEvent !== null) {
    const { keyText, prodEvent, whole = true } = about
    const stagingEvent = events.at(-1) as number
    writes.push(recordEventMap(tx, keyText, [{ prodEvent, stagingEvent, whole }]))
  }
  writes.push(owe(tx, { tagIds: about.tagIds, events }))
  return { rows: ops.length, written: Promise.all(writes) }
}
