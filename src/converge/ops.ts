import type { Cell } from '../staging/cell.ts'
import type { Tx } from '../staging/database.ts'
import { owe } from '../staging/debt.ts'
import { allocate, recordEventMap } from '../staging/events.ts'
import { createRows, lockActive, revokeRows, type VersionedRow } from '../staging/versioned.ts'
import type { VersionedName } from '../staging/versioned-tables.ts'
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
  'tag_config',
  'tag_extra',
  'tag_inheritance',
  'tag_external_repos',
  'group_config',
  'group_req_listing',
  'group_package_listing',
  'build_target_config',
  'tag_packages',
  'tag_package_owners',
  'tag_listing',
]

export interface Applied {
  readonly rows: number
  readonly lastEvent: number | null
}

/**
 * Writes ops in the caller's transaction: locks what will be revoked (one ordered NOWAIT statement a table), takes one fresh
 * event a slot, revokes, creates, notes the checkpoint of the key, and owes the repo race of the touched tags.
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
  if (ops.length === 0) return { rows: 0, lastEvent: null }
  const { catalog, owner } = deps
  const tables = TABLE_ORDER.filter((table) => ops.some((op) => op.table === table))
  for (const table of tables) {
    const rows = ops.flatMap((op) => (op.kind === 'revoke' && op.table === table ? [op.row] : []))
    if (rows.length > 0) await lockActive(tx, catalog, table, rows)
  }
  const slots = [...new Set(ops.map((op) => op.slot))].sort((a, b) => a - b)
  const events = await allocate(tx, slots.length)
  const eventOf = new Map(slots.map((slot, i) => [slot, events[i] as number]))
  const at = (op: Op): number => eventOf.get(op.slot) as number

  for (const table of tables) {
    const revokes = ops.flatMap((op) =>
      op.kind === 'revoke' && op.table === table ? [{ row: op.row, event: at(op) }] : [],
    )
    if (revokes.length > 0) await revokeRows(tx, catalog, table, revokes, owner.userId)
  }
  for (const table of tables) {
    const byCreator = new Map<number, { cells: Readonly<Record<string, Cell>>; event: number }[]>()
    for (const op of ops) {
      if (op.kind !== 'create' || op.table !== table) continue
      const creator = op.creatorId ?? owner.userId
      const rows = byCreator.get(creator) ?? []
      rows.push({ cells: op.cells, event: at(op) })
      byCreator.set(creator, rows)
    }
    for (const [creator, rows] of byCreator) await createRows(tx, catalog, table, rows, creator)
  }
  const lastEvent = events.at(-1) as number
  if (about.prodEvent !== null) {
    const { keyText, prodEvent, whole = true } = about
    await recordEventMap(tx, keyText, [{ prodEvent, stagingEvent: lastEvent, whole }])
  }
  await owe(tx, { tagIds: [...new Set(about.tagIds)].sort((a, b) => a - b), lastEvent })
  return { rows: ops.length, lastEvent }
}
