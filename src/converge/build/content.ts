import { AgainError, KeyError } from '../../errors.ts'
import { formatKey, type Key } from '../../model/key.ts'
import type { Expectation, Outcome } from '../../model/outcome.ts'
import { BUILD_STATE } from '../../model/records.ts'
import type { Claim } from '../../queue/queue.ts'
import type { Sql, Tx } from '../../staging/database.ts'
import { chooseIds } from '../../staging/ids.ts'
import { readListingOfBuild } from '../../staging/listing.ts'
import { confirmPlacement, markRemoving, type PlacementRecord } from '../../staging/placements.ts'
import type { Placement } from '../../storage/placement.ts'
import { announce } from '../announce.ts'
import type { Converged, Deps } from '../deps.ts'
import { noteClashes } from '../settle.ts'
import type { Clash } from '../versioned-diff.ts'
import { afterCommit } from './after-commit.ts'
import { lockChanged, passGate, writeChanges } from './apply.ts'
import type { TableChange } from './diff.ts'
import { SETTLED } from './expected.ts'
import { formerPlaces, isConfirmed, placeFiles, placeOf, removeFormer } from './files.ts'
import { listingsWith, listingsWithout } from './listings.ts'
import { type Look, lookAt, prodIds, type Subject } from './look.ts'
import { settleNamesakes } from './namesakes.ts'
import { recordBuild } from './record.ts'
import { namesUsed } from './refs.ts'
import { nvrOf } from './row.ts'
import type { Standing } from './standing.ts'

export interface BuildWork extends Subject {
  readonly claim: Claim
  readonly signal: AbortSignal
  readonly unmet: readonly Expectation[]
  readonly placement: Placement
  readonly stagingVolume: string
  /** as just read */
  readonly standing: Standing
  /**
   * An import by hand (no task, no generator) is COMPLETE before its rpms are there, each comes in a transaction of its own,
   * and Fedora's bus tells of none of them: a new one is looked at again for some seconds.
   */
  readonly settles: boolean
}

/** Makes staging's rows and files of a COMPLETE build equal to prod's: look, place files, write rows, look again. */
export async function applyBuild(deps: Deps, work: BuildWork): Promise<Converged> {
  const { database } = deps
  const first = await lookAt(database, deps, work, { newIds: prodIds, known: work.standing })
  const { clashes, ownTree } = first
  if (first.blocked !== null) {
    await noteIfAny(database, work, first)
    return { outcome: endOf(0, clashes, 0), unmet: work.unmet, fenced: false }
  }
  const former = ownTree ? [] : formerPlaces(work, first.placements)
  const placed = ownTree || (await work.placement.isPlaced(placeOf(work)))
  const isRecorded =
    ownTree || (isConfirmed(work, first.placements) && former.every(({ state }) => state === 'removing'))
  if (first.changes.length === 0 && placed && isRecorded && !first.leftOut && first.row.kind === 'ours') {
    await removeFormer(deps, work, former)
    await noteIfAny(database, work, first)
    return { outcome: filesToo(endOf(0, clashes, 0), former.length > 0), unmet: work.unmet, fenced: false }
  }
  if (ownTree) refuseWithoutFiles(work, first)
  else await placeFiles(deps, work)

  const listings = await listingsWithout(deps, work)
  let written: Written
  try {
    written = await database.transaction('build', (tx) => write(tx, deps, work, first, listings))
  } catch (error) {
    const settled = await settleNamesakes(deps, work, first, error)
    if (settled === null) throw error
    return settled
  }
  await afterCommit(deps, work.claim, async () => {
    await removeFormer(deps, work, written.former)
    if (!first.ownTree) await work.placement.tidy(placeOf(work))
    await lookOnceMore(deps, work, written)
  })
  const outcome = endOf(written.rows, written.clashes, written.stopped)
  return { outcome: filesToo(outcome, !placed || written.former.length > 0), unmet: work.unmet, fenced: true }
}

interface Written {
  readonly rows: number
  /** removals that the gate stopped */
  readonly stopped: number
  readonly clashes: readonly Clash[]
  /** where the files are no longer needed */
  readonly former: readonly PlacementRecord[]
}

/** `listings`: those that are to be looked at since the build has come. */
async function write(
  tx: Tx,
  deps: Deps,
  work: BuildWork,
  first: Look,
  listings: readonly Key[],
): Promise<Written> {
  const { catalog, queue } = deps
  const { claim, prod } = work
  const look = await lookAt(tx, deps, work, {
    newIds: (table, ids) => chooseIds(tx, catalog, table, ids),
  })
  if (!sameCourse(first, look)) {
    throw new AgainError('BUILD_OTHER_ROW', `${nvrOf(prod)}: staging changed while its files were placed`)
  }
  const gate = look.recycled ? { changes: look.changes, stopped: 0 } : await passGate(tx, look.changes)
  await Promise.all([
    lockChanged(tx, catalog, gate.changes),
    deps.names.verify(tx, namesUsed(prod, work.names, work.stagingVolume)),
  ])
  const { creationEvent, creationTime } = prod.build
  const { written, event } = await writeChanges(tx, catalog, gate.changes, {
    event: creationEvent,
    time: creationTime,
  })
  const [rows, , isThere] = await Promise.all([
    written,
    recordBuild(tx, prod, look, {
      changes: gate.changes,
      event: event ?? (look.present?.createEvent as number),
    }),
    first.ownTree || confirmPlacement(tx, placeOf(work).record),
  ])
  const former = first.ownTree ? [] : formerPlaces(work, look.placements)
  if (!first.ownTree) {
    if (!isThere)
      throw new AgainError(
        'PLACE_GONE',
        `${nvrOf(prod)}: its files were taken away while its rows were written`,
      )
    for (const place of former) await markRemoving(tx, place)
  }
  if (gate.changes.some(touchesRepos) && look.present !== null) {
    const listing = await readListingOfBuild(tx, look.present.buildId)
    await announce(
      tx,
      deps,
      listing.map((entry) => entry.tagId),
    )
  }
  await noteIfAny(tx, work, look)
  if (work.settles && look.present?.state !== BUILD_STATE.complete) {
    await queue.markIn(tx, [{ key: claim.key, priority: claim.priority, expect: [SETTLED] }])
  }
  const anew =
    look.recycled && look.present !== null
      ? await listingsWith(tx, deps.owner, {
          stagingId: look.present.buildId,
          packageId: prod.build.packageId,
        })
      : []
  const marks = [...listings, ...anew].map((key) => ({ key, priority: claim.priority }))
  if (marks.length > 0) await queue.markIn(tx, marks)
  await queue.fence(tx, claim, { relook: work.unmet })
  return { rows, stopped: gate.stopped, clashes: look.clashes, former }
}

/** What was decided before the files were placed still holds. */
function sameCourse(first: Look, now: Look): boolean {
  return (
    first.row.kind === now.row.kind &&
    first.row.id === now.row.id &&
    first.ownTree === now.ownTree &&
    now.blocked === null
  )
}

/** Somebody who wrote between our read and our commit has made a difference: the key is due again. */
async function lookOnceMore(deps: Deps, work: BuildWork, written: Written): Promise<void> {
  if (written.stopped > 0) return
  const isEqual = await lookAt(deps.database, deps, work, { newIds: prodIds }).then(
    (look) => look.changes.length === 0,
    (error) => {
      if (error instanceof AgainError || error instanceof KeyError) return false
      throw error
    },
  )
  if (!isEqual) await deps.queue.mark([{ key: work.claim.key, priority: work.claim.priority }])
}

async function noteIfAny(sql: Sql, work: BuildWork, look: Look): Promise<void> {
  if (look.clashes.length > 0 || look.clashesOpen)
    await noteClashes(sql, formatKey(work.claim.key), look.clashes)
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

/** Changes that make a repo stale though no versioned row changes. */
function touchesRepos({ spec, updates }: TableChange): boolean {
  if (spec.name !== 'build') return ['rpminfo', 'rpmsigs', 'archiveinfo'].includes(spec.name)
  return updates.some((row) => 'volume_id' in row || 'release' in row)
}

function endOf(rows: number, clashes: readonly Clash[], stopped: number): Outcome {
  if (stopped > 0) return { kind: 'held', reason: `${stopped} unproved removals are over the budget`, rows }
  const held = clashes.filter((clash) => clash.decision === 'held')
  if (held.length > 0)
    return { kind: 'held', reason: held.map((clash) => `${clash.kind}: ${clash.subject}`).join('; '), rows }
  return rows > 0 ? { kind: 'applied', rows } : { kind: 'unchanged' }
}

function filesToo(outcome: Outcome, moved: boolean): Outcome {
  return moved && outcome.kind === 'unchanged' ? { kind: 'applied', rows: 0 } : outcome
}
