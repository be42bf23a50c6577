import type { Catalog } from '../../staging/catalog.ts'
import type { Tx } from '../../staging/database.ts'
import { ensureProdEvent } from '../../staging/events.ts'
import { lockRows } from '../../staging/lock-rows.ts'
import { spendRemovals } from '../../staging/removal-budget.ts'
import { deleteRows, insertRows, updateRows } from '../../staging/rows.ts'
import { insertChecksums } from './checksums.ts'
import { withoutDeletes } from './clashes.ts'
import { changeOf, type TableChange } from './diff.ts'
import { nvra } from './match.ts'
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
  const stay = { rpms: new Set<unknown>(), archives: new Set<unknown>() }
  const passed: TableChange[] = []
  for (const change of changes) {
    const gate = GATED[change.spec.name]
    if (gate === undefined || change.deletes.length === 0) {
      passed.push(change)
      continue
    }
    // What hangs on an rpm that stays, stays uncounted.
    const loose = withoutDeletes([change], stay)[0]?.deletes ?? []
    const { allowed } = await spendRemovals(tx, gate, loose.length)
    const kept = loose.slice(allowed)
    stopped += kept.length
    if (change.spec.name === 'rpminfo') for (const row of kept) stay.rpms.add(row.id)
    if (change.spec.name === 'archiveinfo') for (const row of kept) stay.archives.add(row.id)
    passed.push({ ...change, deletes: loose.slice(0, allowed) })
  }
  return { changes: withoutNamesakes(withoutDeletes(passed, stay), changes, stay.rpms), stopped }
}

/** Leaves out new rpms whose NVRA an rpm has that was to go and stays, with what hangs on them. */
function withoutNamesakes(
  changes: readonly TableChange[],
  before: readonly TableChange[],
  staying: ReadonlySet<unknown>,
): TableChange[] {
  const rpms = changeOf(before, 'rpminfo')
  const names = new Set((rpms?.deletes ?? []).filter(({ id }) => staying.has(id)).map(nvra))
  const left = new Set((rpms?.inserts ?? []).filter((row) => names.has(nvra(row))).map(({ id }) => id))
  const stays = (table: BuildTable, row: Row): boolean => left.has(table === 'rpminfo' ? row.id : row.rpm_id)
  return changes.map((change) => ({
    ...change,
    inserts: left.size === 0 ? change.inserts : change.inserts.filter((row) => !stays(change.spec.name, row)),
  }))
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

/**
 * Writes the changes: deletes from the leaves up, then inserts and updates from the root down, sent at once. Returns the staging
 * event that the build row got, if it got one, and as `written`, which must be awaited, how many rows were written.
 */
export async function writeChanges(
  tx: Tx,
  catalog: Catalog,
  changes: readonly TableChange[],
  creation: { readonly event: number; readonly time: string },
): Promise<{ written: Promise<number>; event: number | null }> {
  const build = changeOf(changes, 'build')
  const isMoved = [...(build?.inserts ?? []), ...(build?.updates ?? [])].some((row) => 'creation_time' in row)
  const event = isMoved ? await ensureProdEvent(tx, creation.event, creation.time) : null
  const counts: Promise<number>[] = []
  const deletedRpms = ids(changeOf(changes, 'rpminfo')?.deletes)
  const deletedArchives = ids(changeOf(changes, 'archiveinfo')?.deletes)
  if (deletedRpms.length + deletedArchives.length > 0)
    counts.push(deleteDependents(tx, catalog, deletedRpms, deletedArchives))
  for (const { spec, deletes } of [...changes].reverse())
    counts.push(deleteRows(tx, catalog, spec.name, spec.key, deletes))
  for (const { spec, inserts, updates } of changes) {
    if (spec.name === 'rpm_checksum') {
      counts.push(insertChecksums(tx, catalog, inserts))
      continue
    }
    const finish = (row: Row): Row => (spec.name === 'build' ? withEvent(row, event) : row)
    counts.push(insertRows(tx, catalog, spec.name, inserts.map(finish)))
    counts.push(updateRows(tx, catalog, spec.name, spec.key, updates.map(finish)))
  }
  return { written: Promise.all(counts).then((all) => all.reduce((sum, count) => sum + count, 0)), event }
}

/** Everything that points to these rpms and archives, as reset_build clears it (kojihub.py). */
export async function deleteDependents(
  tx: Tx,
  catalog: Catalog,
  rpmIds: readonly number[],
  archiveIds: readonly number[],
): Promise<number> {
  const counts: Promise<number>[] = []
  const remove = (table: string, key: string, ids: readonly number[]): void => {
    counts.push(
      deleteRows(
        tx,
        catalog,
        table,
        [key],
        ids.map((id) => ({ [key]: id })),
      ),
    )
  }
  for (const table of ['rpmsigs', 'rpm_checksum', 'buildroot_listing', 'archive_rpm_components'])
    remove(table, 'rpm_id', rpmIds)
  const tables = [
    'maven_archives',
    'win_archives',
    'image_archives',
    'buildroot_archives',
    'archive_rpm_components',
    'archive_components',
  ]
  for (const table of tables) remove(table, 'archive_id', archiveIds)
  remove('archive_components', 'component_id', archiveIds)
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
}

/** `creation_time` becomes `create_event`. */
function withEvent({ creation_time, ...row }: Row, event: number | null): Row {
  return creation_time === undefined || event === null ? row : { ...row, create_event: event }
}

function ids(rows: readonly Row[] | undefined): number[] {
  return (rows ?? []).map((row) => row.id as number)
}
