import { AgainError } from '../errors.ts'
import { convenienceLink, DEFAULT_VOLUME, versionPath } from '../model/paths.ts'
import type { BytesWriter } from './copy-calls.ts'
import type { Directory } from './directory.ts'
import { orNull } from './errno.ts'
import type { TreeWriter } from './files.ts'
import { isOwnFormer, type Moving } from './former.ts'
import { type LinkTexts, putLink, standingAt, takeBackLink } from './links.ts'
import { conveniencePlan, type Free, standing, toplinkPlan } from './volume-plan.ts'
import type { Work } from './work.ts'

/** A link that Koji has beside a build on a volume. */
interface Beside {
  readonly directory: Directory
  readonly name: string
  readonly text: string
  /** what is replaced; `right`: nothing is to be done */
  readonly before: Free
}

/**
 * The volume's `toplink`, and the link on the default volume that leads to the build; none for a build on the default volume. Looked at
 * before the first byte is copied. Throws KeyError STORAGE_CLASH.
 */
export async function linksBeside(
  files: BytesWriter,
  root: string,
  texts: LinkTexts,
  work: Work,
  wanted: Moving & { readonly uid: bigint },
): Promise<readonly Beside[]> {
  const { place } = wanted
  if (place.volume === DEFAULT_VOLUME) return []
  const base = { ...place, volume: DEFAULT_VOLUME }
  const version = await work.directory(versionPath(base))
  const volume = await work.directory(['vol', place.volume])
  return [
    {
      directory: volume,
      name: 'toplink',
      text: '../..',
      before: await toplinkPlan(files, root, place.volume, await standingAt(files, volume, 'toplink')),
    },
    {
      directory: version,
      name: place.release,
      text: convenienceLink(place),
      before: await conveniencePlan(
        files,
        root,
        texts,
        { ...wanted, convenience: convenienceLink(place) },
        await standingAt(files, version, place.release),
      ),
    },
  ]
}

/** The same look at the link on the default volume alone, by path: nothing was made yet. Throws KeyError STORAGE_CLASH. */
export async function assertBeside(
  files: BytesWriter,
  root: string,
  texts: LinkTexts,
  wanted: Moving,
): Promise<void> {
  const { place } = wanted
  if (place.volume === DEFAULT_VOLUME) return
  const now = await standing(files, root, versionPath({ ...place, volume: DEFAULT_VOLUME }), place.release)
  await conveniencePlan(
    files,
    root,
    texts,
    { ...wanted, uid: null, convenience: convenienceLink(place) },
    now,
  )
}

/** Throws AgainError STORAGE_RACE. */
export async function putBeside(
  files: TreeWriter,
  work: Work,
  links: readonly Beside[],
  uid: bigint,
  fsync: boolean,
): Promise<void> {
  for (const { directory, name, text, before } of links) {
    if (before === 'right') continue
    await directory.sweep(name)
    if (!(await putLink(files, directory, name, { text, uid }, before)))
      throw new AgainError('STORAGE_RACE', `somebody else works at ${directory.at(name).shown}`)
    work.onFailure(() => takeBackLink(files, directory, name, text, before))
    if (fsync) await directory.sync()
  }
}

/** True when the link on the default volume leads to the build, and the volume has its `toplink`. */
export async function isBeside(files: BytesWriter, root: string, wanted: Moving): Promise<boolean> {
  const { place } = wanted
  if (place.volume === DEFAULT_VOLUME) return true
  if ((await orNull(files.lstat(`${root}/vol/${place.volume}/toplink`))) === null) return false
  if (await isOwnFormer(files, root, wanted)) return true
  const path = [root, ...versionPath({ ...place, volume: DEFAULT_VOLUME }), place.release].join('/')
  const found = await orNull(files.lstat(path))
  return found?.isSymbolicLink() === true && (await orNull(files.readlink(path))) === convenienceLink(place)
}
