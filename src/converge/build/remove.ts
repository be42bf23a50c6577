import { AgainError } from '../../errors.ts'
import { formatKey } from '../../model/key.ts'
import type { Build } from '../../model/records.ts'
import { BUILD_STATE } from '../../model/records.ts'
import type { Claim } from '../../queue/queue.ts'
import type { Tx } from '../../staging/database.ts'
import { readListingOfBuild } from '../../staging/listing.ts'
import { lockRows } from '../../staging/lock-rows.ts'
import { recordOwned } from '../../staging/owned.ts'
import { markRemoving } from '../../staging/placements.ts'
import { deleteRows, selectRows, updateRows } from '../../staging/rows.ts'
import { announce } from '../announce.ts'
import type { Converged, Deps } from '../deps.ts'
import { applyOps, type Op } from '../ops.ts'
import { noteClashes } from '../settle.ts'
import type { Clash } from '../versioned-diff.ts'
import { afterCommit } from './after-commit.ts'
import { deleteDependents } from './apply.ts'
import { formatBase } from './base.ts'
import { dropPlaces, removePlaces } from './files.ts'
import { describeUse, findLocalUse, isUsed, type LocalUse } from './local-use.ts'
import { type OwnRow, readStanding, type Standing } from './standing.ts'

/** A build's type rows: kept by a delete, cleared by a reset. */
const TYPE_TABLES = ['maven_builds', 'win_builds', 'image_builds', 'build_types']

/**
 * Makes in staging what prod's hub made of a build that is no longer COMPLETE there.
 *
 * | prod's state              | as                     | rows                                                                   |
 * | ------------------------- | ---------------------- | ---------------------------------------------------------------------- |
 * | DELETED                   | `_delete_build`        | signatures and checksums deleted, taggings revoked, the rest kept      |
 * | CANCELED, FAILED, BUILDING| `reset_build`          | all that refers to it deleted, taggings too; the bare row stays        |
 *
 * The state of the build is the proof of the removal. What staging's own things use is a clash (`on_removed`). Rows go
 * before files. `check`, with the row locked, may throw what must keep it.
 */
export async function removeBuild(
  deps: Deps,
  claim: Claim,
  prod: Build,
  standing: Standing & { readonly own: OwnRow },
  check: (tx: Tx) => Promise<void> = async () => {},
): Promise<Converged> {
  const { database, catalog, owner } = deps
  const { own } = standing
  const keyText = formatKey(claim.key)
  if (isDone(prod, own)) {
    if (standing.clashes) await noteClashes(database, keyText, [])
    const isLeft = standing.placements.length > 0
    const fenced = await dropPlaces(deps, claim, standing.placements, [])
    return { outcome: isLeft ? { kind: 'applied', rows: 0 } : { kind: 'unchanged' }, unmet: [], fenced }
  }
  const { clash, reason } = clashOf(deps, prod, await findLocalUse(database, owner, own.id))
  if (clash?.decision === 'held') {
    await noteClashes(database, keyText, [clash])
    return { outcome: { kind: 'held', reason, rows: 0 }, unmet: [], fenced: false }
  }
  const done = await database.transaction('build.remove', async (tx) => {
    await lockRows(tx, catalog, 'build', ['id'], [{ id: own.id }], 'update')
    // With the row locked nobody can tag the build; what was tagged up to now is seen.
    const now = await readStanding(tx, owner, { ...prod, name: prod.packageName })
    const use = clashOf(deps, prod, await findLocalUse(tx, owner, own.id))
    if (
      now.own === null ||
      now.own.id !== own.id ||
      now.own.createEvent !== own.createEvent ||
      use.reason !== reason
    )
      throw new AgainError(
        'BUILD_OTHER_ROW',
        `build ${prod.id}: staging's row changed while it was looked at`,
      )
    await check(tx)
    const rows = await removeRows(tx, deps, prod, own)
    // What stands now was not applied from a COMPLETE build: nothing to compare a later one with.
    const base = { event: own.createEvent, prodEvent: prod.creationEvent, cells: {} }
    await recordOwned(tx, 'build', [{ prodId: prod.id, stagingId: own.id, digest: formatBase(base) }])
    for (const place of now.placements) await markRemoving(tx, place)
    await noteClashes(tx, keyText, use.clash === null ? [] : [use.clash])
    await deps.queue.fence(tx, claim)
    return { rows, places: now.placements }
  })
  await afterCommit(deps, claim, () => removePlaces(deps, done.places))
  return { outcome: { kind: 'applied', rows: done.rows }, unmet: [], fenced: true }
}

/** True when staging's row is already what a removal leaves. */
function isDone(prod: Build, own: OwnRow): boolean {
  if (prod.state === BUILD_STATE.deleted) return own.state === BUILD_STATE.deleted
  // Copied while prod was building it: it ends as in prod.
  if (own.state === BUILD_STATE.building) return prod.state === BUILD_STATE.building
  return own.state !== BUILD_STATE.complete && own.state !== BUILD_STATE.deleted
}

function clashOf(deps: Deps, prod: Build, use: LocalUse): { clash: Clash | null; reason: string } {
  if (!isUsed(use)) return { clash: null, reason: '' }
  const isHeld = deps.conflicts.onRemoved === 'hold'
  const clash: Clash = {
    subject: `build/${prod.id}`,
    kind: 'on_removed',
    prod: { state: prod.state },
    local: use,
    decision: isHeld ? 'held' : 'prod-won',
  }
  return { clash, reason: `prod removed it, staging uses it in ${describeUse(use)}` }
}

async function removeRows(tx: Tx, deps: Deps, prod: Build, own: OwnRow): Promise<number> {
  const { catalog } = deps
  const stagingId = own.id
  // schema.sql completion_sane: what ends has a time of it.
  const ended = own.state === BUILD_STATE.building ? { completion_time: prod.completionTime } : {}
  const rpmIds = await idsOf(tx, deps, 'rpminfo', stagingId)
  const archiveIds = await idsOf(tx, deps, 'archiveinfo', stagingId)
  const listing = await readListingOfBuild(tx, stagingId)
  let rows = 0
  if (prod.state === BUILD_STATE.deleted) {
    const byRpm = rpmIds.map((id) => ({ rpm_id: id }))
    for (const table of ['rpmsigs', 'rpm_checksum'])
      rows += await deleteRows(tx, catalog, table, ['rpm_id'], byRpm)
    const ops = listing.map(
      (entry): Op => ({ kind: 'revoke', table: 'tag_listing', row: entry.row, slot: 0 }),
    )
    const tagIds = listing.map((entry) => entry.tagId)
    const applied = await applyOps(tx, deps, ops, { keyText: `build/${prod.id}`, prodEvent: null, tagIds })
    await applied.written
    rows += applied.rows
    rows += await updateRows(
      tx,
      catalog,
      'build',
      ['id'],
      [{ id: stagingId, state: BUILD_STATE.deleted, ...ended }],
    )
    return rows
  }
  rows += await deleteDependents(tx, catalog, rpmIds, archiveIds)
  rows += await deleteRows(tx, catalog, 'rpminfo', ['build_id'], [{ build_id: stagingId }])
  rows += await deleteRows(tx, catalog, 'archiveinfo', ['build_id'], [{ build_id: stagingId }])
  for (const table of [...TYPE_TABLES, 'tag_listing']) {
    rows += await deleteRows(tx, catalog, table, ['build_id'], [{ build_id: stagingId }])
  }
  await announce(
    tx,
    deps,
    listing.map((entry) => entry.tagId),
  )
  await forgetParts(tx, rpmIds, archiveIds)
  const state = prod.state === BUILD_STATE.failed ? BUILD_STATE.failed : BUILD_STATE.canceled
  rows += await updateRows(
    tx,
    catalog,
    'build',
    ['id'],
    [{ id: stagingId, state, task_id: null, volume_id: 0, ...ended }],
  )
  return rows
}

/** The rows are gone: so are our records of where they came from. */
async function forgetParts(tx: Tx, rpmIds: readonly number[], archiveIds: readonly number[]): Promise<void> {
  for (const [kind, ids] of [
    ['rpm', rpmIds],
    ['archive', archiveIds],
  ] as const) {
    await tx.query(
      'build.forget-parts',
      'delete from staging_sync.owned where kind = $1 and staging_id = any($2::bigint[])',
      [kind, ids],
    )
  }
}

async function idsOf(
  tx: Tx,
  deps: Deps,
  table: 'rpminfo' | 'archiveinfo',
  buildId: number,
): Promise<number[]> {
  const rows = await selectRows<{ id: number }>(tx, deps.catalog, table, ['id'], { build_id: buildId })
  return rows.map((row) => row.id)
}
