import { draftRelease } from '../../model/paths.ts'
import {
  forgetPlacement,
  intendPlacement,
  listPlacements,
  type PlacementIntent,
} from '../../staging/placements.ts'
import type { PlacedBuild } from '../../storage/placement.ts'
import type { Deps } from '../deps.ts'
import type { BuildWork } from './content.ts'

/** Where the files of a build belong, as the placement and as our record name it. */
export function placeOf(work: BuildWork): PlacedBuild & { readonly record: PlacementIntent } {
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

/**
 * After the rows: takes away where the files stood before (another volume). The name that a promoted draft had stays as a
 * link, as Koji's promotion leaves it (kojihub.py promote_build).
 */
export async function removeOldFiles(deps: Deps, work: BuildWork): Promise<void> {
  const now = placeOf(work)
  const draft = draftRelease(now.release, now.buildId)
  for (const place of await listPlacements(deps.database, { prodBuildIds: [now.buildId] })) {
    const current =
      place.stagingVolume === now.stagingVolume && place.version === now.version && place.name === now.name
    if (current && (place.release === now.release || place.release === draft)) continue
    await deps.placement.byMode(place.mode).remove({ ...place, buildId: now.buildId, withoutFiles: false })
    await forgetPlacement(deps.database, place)
  }
}
