import { KeyError } from '../errors.ts'
import { type BuildPlace, checkedPlace, DEFAULT_VOLUME } from '../model/paths.ts'
import type { PlacedSpot, PlacementMode } from './placement.ts'

/** Where prod's hub says that a build is. Throws KeyError STORAGE_NAME_UNSAFE. */
export function prodPlace(build: PlacedSpot): BuildPlace {
  return checkedPlace({ ...build, volume: build.prodVolume })
}

/** Where a mode that links into prod puts it. Throws KeyError STORAGE_NAME_UNSAFE, STORAGE_VOLUME_DEFAULT. */
export function stagingPlace(mode: PlacementMode, build: PlacedSpot): BuildPlace {
  if (build.stagingVolume !== DEFAULT_VOLUME) return checkedPlace({ ...build, volume: build.stagingVolume })
  const text = `build ${build.buildId}: placement ${mode} needs a staging volume other than DEFAULT; see prod.volumes`
  throw new KeyError('STORAGE_VOLUME_DEFAULT', text)
}
