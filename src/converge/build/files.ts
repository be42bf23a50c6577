import { draftRelease } from '../../model/paths.ts'
import {
  forgetPlacement,
  intendPlacement,
  type PlacementIntent,
  type PlacementRecord,
} from '../../staging/placements.ts'
import type { PlacedBuild } from '../../storage/placement.ts'
import type { Deps } from '../deps.ts'
import type { BuildWork } from './content.ts'

type Place = PlacedBuild & { readonly record: PlacementIntent }

/** Where the files of a build belong, as the placement and as our record name it. */
export function placeOf(work: BuildWork): Place {
  const { build, rpms, archives } = work.prod
  const names = { name: build.packageName, version: build.version, release: build.release }
  const volumes = { prodVolume: build.volumeName, stagingVolume: work.stagingVolume }
  return {
    ...names,
    ...volumes,
    buildId: build.id,
    withoutFiles: rpms.length === 0 && archives.every(({ archive }) => archive.metadataOnly),
    record: { ...names, ...volumes, prodBuildId: build.id, mode: work.placement.mode },
  }
}

/** The record comes before the first file, so that a crash leaves nothing that nobody knows of. */
export async function placeFiles(deps: Deps, work: BuildWork): Promise<void> {
  const place = placeOf(work)
  await intendPlacement(deps.database, place.record)
  await work.placement.place(place)
}

/** Of the places that are recorded: those where the files were before. */
export function formerPlaces(work: BuildWork, places: readonly PlacementRecord[]): PlacementRecord[] {
  const now = placeOf(work)
  return places.filter(
    (place) =>
      place.stagingVolume !== now.stagingVolume ||
      place.name !== now.name ||
      place.version !== now.version ||
      place.release !== now.release,
  )
}

/**
 * After the rows: takes away where the files stood before (another volume, a draft's name). The name that a promoted draft had
 * becomes a link to the new one, as in Koji (kojihub.py _promote_build), and goes when the build goes.
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
  for (const place of order) {
    const before = { ...place, buildId: now.buildId, withoutFiles: false }
    await deps.placement.byMode(place.mode).remove(before, now)
    await forgetPlacement(deps.database, place)
  }
}
