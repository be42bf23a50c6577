import { filesOfBuild } from '../../model/build-files.ts'
import type { Expectation } from '../../model/outcome.ts'
import { draftRelease } from '../../model/paths.ts'
import type { Claim } from '../../queue/queue.ts'
import {
  intendPlacement,
  markRemoving,
  type PlacementIntent,
  type PlacementRecord,
  takeAway,
} from '../../staging/placements.ts'
import type { PlacedBuild, PlacedSpot } from '../../storage/placement.ts'
import type { Deps } from '../deps.ts'
import { afterCommit } from './after-commit.ts'
import type { BuildWork } from './content.ts'
import type { Standing } from './standing.ts'

type Place = PlacedBuild & { readonly record: PlacementIntent }

/** What says where files belong. */
type Placed = Pick<BuildWork, 'prod' | 'placement' | 'stagingVolume'> & {
  readonly standing: Pick<Standing, 'sigkeys' | 'placements'>
}

/** Where the files of a build belong, as the placement and as our record name it. */
export function placeOf(work: Placed): Place {
  const { build, rpms, archives } = work.prod
  const names = { name: build.packageName, version: build.version, release: build.release }
  const volumes = { prodVolume: build.volumeName, stagingVolume: work.stagingVolume }
  return {
    ...names,
    ...volumes,
    buildId: build.id,
    // Only a placement with files of its own must be able to name them.
    files: work.placement.mode === 'volume' ? [] : filesOfBuild(work.prod),
    sigkeys: work.standing.sigkeys,
    formerVolumes: work.standing.placements.map((place) => place.stagingVolume),
    withoutFiles: rpms.length === 0 && archives.every(({ archive }) => archive.metadataOnly),
    record: { ...names, ...volumes, prodBuildId: build.id, mode: work.placement.mode },
  }
}

/** The record comes before the first file, so that a crash leaves nothing that nobody knows of. */
export async function placeFiles(deps: Deps, work: BuildWork): Promise<void> {
  const place = placeOf(work)
  await intendPlacement(deps.database, place.record)
  await work.placement.place(place, work.signal)
}

/** Of the places that are recorded: those where the files were before. */
export function formerPlaces(work: BuildWork, places: readonly PlacementRecord[]): PlacementRecord[] {
  const now = placeOf(work)
  return places.filter((place) => !isSamePlace(place, now))
}

/** True when the record of where the files belong says that they stand. */
export function isConfirmed(work: BuildWork, places: readonly PlacementRecord[]): boolean {
  const now = placeOf(work)
  return places.some(
    (place) => isSamePlace(place, now) && place.mode === work.placement.mode && place.state === 'placed',
  )
}

function isSamePlace(place: PlacementRecord, now: Place): boolean {
  return (
    place.stagingVolume === now.stagingVolume &&
    place.name === now.name &&
    place.version === now.version &&
    place.release === now.release
  )
}

/**
 * After the rows: takes away where the files stood before (another volume, a draft's name), as far as that is marked. The name that a
 * promoted draft had becomes a link to the new one, as in Koji (kojihub.py _promote_build), and goes when the build goes.
 */
export async function removeFormer(
  deps: Deps,
  work: BuildWork,
  former: readonly PlacementRecord[],
): Promise<void> {
  const now = placeOf(work)
  const draft = draftRelease(now.release, now.buildId)
  // The draft's name last: it is a link on the volume that the build was on when it was promoted.
  const order = [...former].sort((a, b) => Number(a.release === draft) - Number(b.release === draft))
  await removePlaces(deps, order, now)
}

/** Takes away files that no row needs any more, of places that are marked so. Safe to repeat, and at any time. */
export async function removePlaces(
  deps: Deps,
  places: readonly PlacementRecord[],
  successor?: PlacedSpot,
): Promise<void> {
  for (const place of places) {
    const before = { ...place, buildId: place.prodBuildId }
    await takeAway(deps.database, place, () => deps.placement.byMode(place.mode).remove(before, successor))
  }
}

/**
 * Takes away all files of a build of which there are no rows: what a crash left, or what a removal has marked. What is not marked yet
 * is marked in the transaction that ends the claim, since only the claim tells that what was read of prod still holds. True: the
 * claim has ended.
 */
export async function dropPlaces(
  deps: Deps,
  claim: Claim,
  places: readonly PlacementRecord[],
  unmet: readonly Expectation[],
): Promise<boolean> {
  if (places.every(({ state }) => state === 'removing')) {
    await removePlaces(deps, places)
    return false
  }
  await deps.database.transaction('build.drop-places', async (tx) => {
    for (const place of places) await markRemoving(tx, place)
    await deps.queue.fence(tx, claim, { relook: unmet })
  })
  await afterCommit(deps, claim, () => removePlaces(deps, places))
  return true
}
