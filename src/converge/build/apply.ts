import type { Catalog } from '../../staging/catalog.ts'
import type { Sql, Tx } from '../../staging/database.ts'
import { ensureProdEvent } from '../../staging/events.ts'
import { lockRows } from '../../staging/lock-rows.ts'
import { spendRemovals } from '../../staging/removal-budget.ts'
import { deleteRows, insertRows, updateRows } from '../../staging/rows.ts'
import { changeOf, type TableChange } from './diff.ts'
import type { BuildTable, Row } from './tables.ts'

/** Tables whose rows go only because prod's list no longer shows them: no history proves it, so they count. */
const GATED: Partial<Record<BuildTable, string>> = {
  rpminfo: 'rpm',
  archiveinfo: 'archive',
  rpmsigs: 'rpmsigs',
}

/**
 * Lets deletes through the removal gate, before any lock is taken. What is over the budget stays, with all that hangs on
 * it. Returns the changes that may be made, and how many rows were stopped.
 */
export async function passGate(
  tx: Tx,
  changes: readonly TableChange[],
): Promise<{ changes: TableChange[]; stopped: number }> {
  let stopped = 0
  const keptIds: Partial<Record<'rpm_id' | 'archive_id', Set<unknown>>> = {}
  const passed: TableChange[] = []
  for (const change of changes) {
    const gate = GATED[change.spec.name]
    if (gate === undefined || change.deletes.length === 0) {
      passed.push(change)
      continue
    }
    const { allowed } = await spendRemovals(tx, gate, change.deletes.length)
    const kept = change.deletes.slice(allowed)
    stopped += kept.length
    if (change.spec.name === 'rpminfo') keptIds.rpm_id = new Set(kept.map((row) => row.id))
    if (change.spec.name === 'archiveinfo') keptIds.archive_id = new Set(kept.map((row) => row.id))
    passed.push({ ...change, deletes: change.deletes.slice(0, allowed) })
  }
  const hangsOnKept = (row: Row): boolean =>
    keptIds.rpm_id?.has(row.rpm_id) === true || keptIds.archive_id?.has(row.archive_id) === true
  const rest = passed.map((change) => ({
    ...change,
    deletes: change.deletes.filter((row) => !hangsOnKept(row)),
  }))
  return { changes: rest, stopped }
}

/** Locks, in one order, the rows that will be changed or deleted. Throws AgainError when somebody holds one. */
export async function lockChanged(tx: Tx, catalog: Catalog, changes: readonly TableChange[]): Promise<void> {
  for (const table of ['build', 'rpminfo', 'archiveinfo'] as const) {
    const change = changeOf(changes, table)
    if (change === undefined) continue
    const rows = [...change.updates, ...change.deletes]
    const strong = change.deletes.length > 0 || change.updates.some((row) => 'draft' in row)
    await lockRows(tx, catalog, table, change.spec.key, rows, strong ? 'update' : 'no key update')
  }
}

/** Writes the changes: deletes from the leaves up, then inserts and updates from the root down. Returns the rows written. */
export async function writeChanges(
  tx: Tx,
  catalog: Catalog,
  changes: readonly TableChange[],
  creation: { readonly event: number; readonly time: string },
): Promise<number> {
  let rows = 0
  const deletedRpms = ids(changeOf(changes, 'rpminfo')?.deletes)
  const deletedArchives = ids(changeOf(changes, 'archiveinfo')?.deletes)
  rows += await deleteDependents(tx, catalog, deletedRpms, deletedArchives)
  for (const { spec, deletes } of [...changes].reverse()) {
    rows += await deleteRows(tx, catalog, spec.name, spec.key, deletes)
  }
  for (const { spec, inserts, updates } of changes) {
    const finish = spec.name === 'build' ? await withEvent(tx, [...inserts, ...updates], creation) : plain
    rows += await insertRows(
      tx,
      catalog,
      spec.name,
      (await withoutHeldChecksums(tx, catalog, spec.name, inserts)).map(finish),
    )
    rows += await updateRows(tx, catalog, spec.name, spec.key, updates.map(finish))
  }
  return rows
}

/** Everything that points to these rpms and archives, as reset_build clears it (kojihub.py). */
export async function deleteDependents(
  tx: Tx,
  catalog: Catalog,
  rpmIds: readonly number[],
  archiveIds: readonly number[],
): Promise<number> {
  let rows = 0
  const byRpm = rpmIds.map((id) => ({ rpm_id: id }))
  for (const table of ['rpmsigs', 'rpm_checksum', 'buildroot_listing', 'archive_rpm_components']) {
    rows += await deleteRows(tx, catalog, table, ['rpm_id'], byRpm)
  }
  const byArchive = archiveIds.map((id) => ({ archive_id: id }))
  const tables = [
    'maven_archives',
    'win_archives',
    'image_archives',
    'buildroot_archives',
    'archive_rpm_components',
    'archive_components',
  ]
  for (const table of tables) rows += await deleteRows(tx, catalog, table, ['archive_id'], byArchive)
  const asComponent = archiveIds.map((id) => ({ component_id: id }))
  rows += await deleteRows(tx, catalog, 'archive_components', ['component_id'], asComponent)
  return rows
}

/** Checksums are unique over the whole table; one that another rpm holds counts as equal. */
export async function heldChecksums(
  sql: Sql,
  catalog: Catalog,
  checksums: readonly string[],
): Promise<Set<string>> {
  if (checksums.length === 0 || !catalog.has('rpm_checksum')) return new Set()
  const rows = await sql.query<{ checksum: string }>(
    'build.held-checksums',
    'select checksum from rpm_checksum where checksum = any($1::text[])',
    [checksums],
  )
  return new Set(rows.map((row) => row.checksum))
}

async function withoutHeldChecksums(
  tx: Tx,
  catalog: Catalog,
  table: BuildTable,
  rows: readonly Row[],
): Promise<readonly Row[]> {
  if (table !== 'rpm_checksum') return rows
  const held = await heldChecksums(
    tx,
    catalog,
    rows.map((row) => String(row.checksum)),
  )
  const taken = new Set<string>()
  return rows.filter((row) => {
    const checksum = String(row.checksum)
    if (held.has(checksum) || taken.has(checksum)) return false
    taken.add(checksum)
    return true
  })
}

/** `creation_time` becomes `create_event`: prod's id where it is free, with prod's time. */
async function withEvent(
  tx: Tx,
  rows: readonly Row[],
  creation: { readonly event: number; readonly time: string },
): Promise<(row: Row) => Row> {
  if (!rows.some((row) => 'creation_time' in row)) return plain
  const event = await ensureProdEvent(tx, creation.event, creation.time)
  return ({ creation_time, ...row }) => (creation_time === undefined ? row : { ...row, create_event: event })
}

function plain(row: Row): Row {
  return row
}

function ids(rows: readonly Row[] | undefined): number[] {
  return (rows ?? []).map((row) => row.id as number)
}
