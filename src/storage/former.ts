import { KeyError } from '../errors.ts'
import { type BuildPlace, convenienceLink, DEFAULT_VOLUME, versionPath } from '../model/paths.ts'
import { readManifest } from './copy-manifest.ts'
import { Directory } from './directory.ts'
import { orNull } from './errno.ts'
import type { TreeWriter } from './files.ts'

/** Where a build is to stand, and staging's volumes where it stands as yet. */
export interface Moving {
  readonly place: BuildPlace
  readonly buildId: number
  readonly formerVolumes: readonly string[]
}

/**
 * True while the build's own directory of before stands where its link belongs: it was on the default volume. Every path leads to its
 * bytes; the link comes when that directory goes (`removeCopy`).
 */
export async function isOwnFormer(
  files: TreeWriter,
  root: string,
  { place, buildId, formerVolumes }: Moving,
): Promise<boolean> {
  if (!formerVolumes.includes(DEFAULT_VOLUME)) return false
  const names = [...versionPath({ ...place, volume: DEFAULT_VOLUME }), place.release]
  const directory = await Directory.open(files, root, names).catch((error) => {
    if (error instanceof KeyError) return null
    throw error
  })
  if (directory === null) return false
  return readManifest(files, directory)
    .then((manifest) => manifest?.buildId === buildId)
    .finally(() => directory.close())
}

/** For a build on the default volume: true when Koji's link to where it was before stands in its place. */
export async function leadsToFormer(
  files: TreeWriter,
  root: string,
  { place, formerVolumes }: Omit<Moving, 'buildId'>,
): Promise<boolean> {
  if (place.volume !== DEFAULT_VOLUME) return false
  const path = [root, ...versionPath(place), place.release].join('/')
  const found = await orNull(files.lstat(path))
  if (found?.isSymbolicLink() !== true) return false
  const text = await orNull(files.readlink(path))
  return formerVolumes.some(
    (volume) => volume !== DEFAULT_VOLUME && text === convenienceLink({ ...place, volume }),
  )
}
