import type { Cell } from '../staging/cell.ts'
import type { Tx } from '../staging/database.ts'
import { takeEvents } from '../staging/events.ts'
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
 * event a slot, revokes, creates, notes the checkpoint of the key, and owes the repo race of the touched tags. No statement needs
 * another one's answer, so all of it goes to the server at once.
 *
 * `prodEvent` is the newest event of the key in prod that is shown after this; null when it is not known. `whole` false: not
 * everything up to it is shown.
 */
export function applyOps(
  tx: Tx,
  deps: Deps,
  ops: readonly Op[],
  about: { keyText: string; prodEvent: number | null; whole?: boolean; tagIds: readonly number[] },
): Applied {
  if (ops.length === 0) return { rows: 0, written: Promise.resolve() }
  const { catalog, owner } = deps
  const tables = TABLE_ORDER.filter((table) => ops.some((op) => op.table === table))
  const slots = [...new Set(ops.map((op) => op.slot))].sort((a, b) => a - b)
  const placeOf = new Map(slots.map((slot, i) => [slot, i + 1]))
  const at = (op: Op): number => placeOf.get(op.slot) as number
  const of = <K extends Op['kind']>(kind: K, table: VersionedName) =>
    ops.filter((op): op is Extract<Op, { kind: K }> => op.kind === kind && op.table === table)

  const writes: Promise<unknown>[] = []
  const revoked = tables.filter((table) => of('revoke', table).length > 0)
  if (revoked.length > 1) {
    for (const table of revoked) {
      const rows = of('revoke', table).map(({ row }) => row)
      writes.push(lockActive(tx, catalog, table, rows))
    }
  }
  const { keyText, prodEvent, whole = true, tagIds } = about
  const checkpoint = prodEvent === null ? null : { key: keyText, prodEvent, whole }
  writes.push(takeEvents(tx, { count: slots.length, checkpoint, tagIds }))
  for (const table of revoked) {
    const rows = of('revoke', table).map((op) => ({ row: op.row, event: at(op) }))
    writes.push(revokeRows(tx, catalog, table, rows, { revokerId: owner.userId, by: 'place' }))
  }
  for (const table of tables) {
    const rows = of('create', table).map((op) => ({
      cells: op.cells,
      event: at(op),
      creatorId: op.creatorId ?? owner.userId,
    }))
    if (rows.length > 0)
      writes.push(createRows(tx, catalog, table, rows, { creatorId: owner.userId, by: 'place' }))
  }
  return { rows: ops.length, written: Promise.all(writes) }
}
