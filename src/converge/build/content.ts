import { KeyError } from '../../errors.ts'
import { formatKey } from '../../model/key.ts'
import type { Expectation, Outcome } from '../../model/outcome.ts'
import { BUILD_STATE } from '../../model/records.ts'
import type { Claim } from '../../queue/queue.ts'
import type { Tx } from '../../staging/database.ts'
import { payDebts } from '../../staging/debt.ts'
import { chooseIds } from '../../staging/ids.ts'
import { readListingOfBuild } from '../../staging/listing.ts'
import { recordOwned } from '../../staging/owned.ts'
import { confirmPlacement } from '../../staging/placements.ts'
import type { Placement } from '../../storage/placement.ts'
import { announce } from '../announce.ts'
import type { Converged, Deps } from '../deps.ts'
import { noteClashes } from '../settle.ts'
import type { Clash } from '../versioned-diff.ts'
import { lockChanged, passGate, writeChanges } from './apply.ts'
import { changeOf, type TableChange } from './diff.ts'
import { placeFiles, placeOf, removeOldFiles } from './files.ts'
import { describeUse, findLocalUse, isUsed } from './local-use.ts'
import { keysOf, type Look, lookAt, prodIds, type Subject } from './look.ts'
import { nvrOf } from './row.ts'

export interface BuildWork extends Subject {
  readonly claim: Claim
  readonly unmet: readonly Expectation[]
  readonly placement: Placement
  readonly stagingVolume: string
  /**
   * An import by hand (no task, no generator) is COMPLETE before its rpms are there, each comes in a transaction of its own,
   * and Fedora's bus tells of none of them: a new one is looked at again for some seconds.
   */
  readonly settles: boolean
}

/** Our own expectation of a fresh import: that no more rpms come. */
export const SETTLED: Expectation = { subject: 'settled', claim: 'import' }

/** Makes staging's rows and files of a COMPLETE build equal to prod's: look, place files, write rows, look again. */
export async function applyBuild(deps: Deps, work: BuildWork): Promise<Converged> {
  const { database, catalog, owner, queue } = deps
  const { claim, prod } = work
  const keyText = formatKey(claim.key)
  const first = await lookAt(database, deps, work, prodIds)
  const clashes = [...first.clashes, ...clashOfLocal(deps, work, first)]
  const held = clashes.find((clash) => clash.kind === 'nvr' && clash.decision !== 'prod-won')
  if (held !== undefined) {
    await noteClashes(database, keyText, clashes)
    const reason = `staging has its own ${nvrOf(prod)}`
    return { outcome: { kind: 'held', reason, rows: 0 }, unmet: work.unmet, fenced: false }
  }
  const place = placeOf(work)
  const placed = first.ownTree || (await work.placement.isPlaced(place))
  if (first.changes.length === 0 && placed && work.row.kind === 'ours') {
    await noteClashes(database, keyText, clashes)
    return { outcome: endOf(0, clashes, 0), unmet: work.unmet, fenced: false }
  }
  if (first.ownTree) refuseWithoutFiles(work, first)
  else await placeFiles(deps, work)
  const inUse = await removalsInUse(deps, work, first)

  const result = await database.transaction('build', async (tx) => {
    const look = await lookAt(tx, deps, work, (table, ids) => chooseIds(tx, catalog, table, ids))
    const gate = await passGate(tx, inUse.held ? withoutRemovals(look.changes) : look.changes)
    await lockChanged(tx, catalog, gate.changes)
    await deps.names.verify(tx, 'package', new Map([[prod.build.packageName, work.names.packageId]]))
    const { creationEvent, creationTime } = prod.build
    const rows = await writeChanges(tx, catalog, gate.changes, { event: creationEvent, time: creationTime })
    await recordBuild(tx, work, look)
    if (!first.ownTree) await confirmPlacement(tx, place.record)
    if (gate.changes.some(touchesRepos) && look.present !== null) {
      const listing = await readListingOfBuild(tx, look.wanted.build[0]?.id as number)
      await announce(
        tx,
        deps,
        listing.map((entry) => entry.tagId),
      )
    }
    await noteClashes(tx, keyText, [...clashes, ...inUse.clashes])
    if (work.settles && startsAnew(look)) {
      await queue.markIn(tx, [{ key: claim.key, priority: claim.priority, expect: [SETTLED] }])
    }
    await queue.fence(tx, claim, { relook: work.unmet })
    return { rows, stopped: gate.stopped }
  })
  await payDebts(database, catalog, owner.userId)
  if (!first.ownTree) await removeOldFiles(deps, work)
  return {
    outcome: endOf(result.rows, [...clashes, ...inUse.clashes], result.stopped),
    unmet: work.unmet,
    fenced: true,
  }
}

/** The build comes to staging with this, for the first time or after a reset. */
function startsAnew(look: Look): boolean {
  return look.present?.tables.build[0]?.state !== BUILD_STATE.complete
}

/** Where staging has a build of the same NVR that is its own: adopted when it holds the same content, else a clash. */
function clashOfLocal(deps: Deps, work: BuildWork, look: Look): Clash[] {
  if (work.row.kind !== 'local' || look.present === null) return []
  const sameContent =
    look.matched.newRpms.length === 0 &&
    look.matched.newArchives.length === 0 &&
    look.present.tables.build[0]?.state === BUILD_STATE.complete &&
    !look.changes.some(
      ({ spec, updates, deletes }) =>
        (spec.name === 'rpminfo' || spec.name === 'archiveinfo') &&
        (deletes.length > 0 || updates.some((row) => 'payloadhash' in row || 'checksum' in row)),
    )
  if (sameContent) return []
  const { build } = deps.conflicts
  return [
    {
      subject: nvrOf(work.prod),
      kind: 'nvr',
      prod: look.wanted,
      local: look.present.tables,
      decision: build === 'prod-wins' ? 'prod-won' : build === 'hold' ? 'held' : 'local-won',
    },
  ]
}

/** No row without its file: in staging's own tree there is nobody to bring the files of what is new. */
function refuseWithoutFiles(work: BuildWork, look: Look): void {
  const missing = look.changes.filter(
    ({ spec, inserts }) =>
      inserts.length > 0 &&
      (spec.name === 'rpminfo' || spec.name === 'archiveinfo' || spec.name === 'rpmsigs'),
  )
  if (missing.length === 0) return
  throw new KeyError(
    'STORAGE_OWN_TREE',
    `${nvrOf(work.prod)} stands in staging's own tree, where placement ${work.placement.mode} brings no files: ${missing
      .map(({ spec, inserts }) => `${inserts.length} new rows of ${spec.name}`)
      .join(', ')}`,
  )
}

async function removalsInUse(
  deps: Deps,
  work: BuildWork,
  look: Look,
): Promise<{ held: boolean; clashes: readonly Clash[] }> {
  const rpmIds = (changeOf(look.changes, 'rpminfo')?.deletes ?? []).map((row) => row.id as number)
  const archiveIds = (changeOf(look.changes, 'archiveinfo')?.deletes ?? []).map((row) => row.id as number)
  const buildId = look.present?.tables.build[0]?.id as number | undefined
  if (buildId === undefined || rpmIds.length + archiveIds.length === 0) return { held: false, clashes: [] }
  const use = await findLocalUse(deps.database, deps.owner, buildId, { rpmIds, archiveIds })
  if (!isUsed(use)) return { held: false, clashes: [] }
  const held = deps.conflicts.onRemoved === 'hold'
  const clash: Clash = {
    subject: `${nvrOf(work.prod)}: what prod removed is used in ${describeUse(use)}`,
    kind: 'on_removed',
    prod: null,
    local: { rpmIds, archiveIds, ...use },
    decision: held ? 'held' : 'prod-won',
  }
  return { held, clashes: [clash] }
}

function withoutRemovals(changes: readonly TableChange[]): TableChange[] {
  return changes.map((change) => ({ ...change, deletes: [] }))
}

/** Changes that make a repo stale though no versioned row changes. */
function touchesRepos({ spec, updates }: TableChange): boolean {
  if (spec.name !== 'build') return ['rpminfo', 'rpmsigs', 'archiveinfo', 'rpm_checksum'].includes(spec.name)
  return updates.some((row) => 'volume_id' in row || 'release' in row)
}

async function recordBuild(tx: Tx, work: BuildWork, look: Look): Promise<void> {
  const buildId = look.wanted.build[0]?.id as number
  await recordOwned(tx, 'build', [{ prodId: work.prod.build.id, stagingId: buildId, digest: look.digest }])
  const gone = [
    ['rpm', changeOf(look.changes, 'rpminfo')],
    ['archive', changeOf(look.changes, 'archiveinfo')],
  ] as const
  for (const [kind, change] of gone) {
    const ids = (change?.deletes ?? []).map((row) => row.id)
    if (ids.length === 0) continue
    await tx.query(
      'build.forget-parts',
      'delete from staging_sync.owned where kind = $1 and staging_id = any($2::bigint[])',
      [kind, ids],
    )
  }
  await recordOwned(
    tx,
    'rpm',
    work.prod.rpms.map(({ rpm }, i) => ({ prodId: rpm.id, stagingId: look.wanted.rpminfo[i]?.id as number })),
  )
  await recordOwned(
    tx,
    'archive',
    work.prod.archives.map(({ archive }, i) => ({
      prodId: archive.id,
      stagingId: look.wanted.archiveinfo[i]?.id as number,
    })),
  )
  await tx.query(
    'build.record-sigkeys',
    'insert into staging_sync.sigkey (sigkey) select unnest($1::text[]) on conflict do nothing',
    [keysOf(work.prod)],
  )
}

function endOf(rows: number, clashes: readonly Clash[], stopped: number): Outcome {
  if (stopped > 0) return { kind: 'held', reason: `${stopped} unproved removals are over the budget`, rows }
  const held = clashes.filter((clash) => clash.decision === 'held')
  if (held.length > 0) return { kind: 'held', reason: held.map((clash) => clash.subject).join('; '), rows }
  return rows > 0 ? { kind: 'applied', rows } : { kind: 'unchanged' }
}
