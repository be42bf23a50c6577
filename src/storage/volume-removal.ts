import { AgainError, KeyError } from '../errors.ts'
import {
  type BuildPlace,
  buildDir,
  DEFAULT_VOLUME,
  draftRelease,
  promotionLink,
  versionPath,
} from '../model/paths.ts'
import { Directory } from './directory.ts'
import { isErrno, orNull } from './errno.ts'
import type { TreeWriter } from './files.ts'
import { type LinkTexts, putLink, type Standing, sameStanding, standingAt } from './links.ts'
import { standing } from './volume-plan.ts'

export interface Removal {
  readonly files: TreeWriter
  /** Real path of staging's tree. */
  readonly root: string
  readonly texts: LinkTexts
  readonly place: BuildPlace
  readonly buildId: number
  /** What the build has become, and is placed as already; null: it is gone. */
  readonly successor: BuildPlace | null
  readonly fsync: boolean
  /** Set: at the place stood a directory, gone now, and a promoted draft's link there gets this owner (null: anybody). */
  readonly emptied?: { readonly uid: bigint | null }
}

/**
 * Takes a build's links out of staging's tree, each only while it says what we wrote, and the version's and package's directories
 * where they are empty then.
 *
 * | the build has become      | volume's link                | convenience link      |
 * | ------------------------- | ---------------------------- | --------------------- |
 * | nothing                   | removed                      | removed               |
 * | the same place            | stays                        | stays                 |
 * | another volume            | removed                      | belongs to that now   |
 * | a promoted draft          | leads to the new name        | stays                 |
 * | another name              | removed                      | removed               |
 *
 * A promoted draft's old name is kept as Koji keeps it (`_promote_build`): a relative link to the new name on the default volume, not
 * a link into prod, where the same name is a link that may lead through prod's absolute `toplink`. It goes when the build goes, as in
 * `_delete_build_symlinks`.
 */
export async function removePlaced(removal: Removal): Promise<{ readonly left: readonly string[] }> {
  const { place, successor, buildId } = removal
  const left: string[] = []
  const sameName = successor !== null && isSame(place, { ...successor, volume: place.volume })
  if (sameName && successor.volume === place.volume) return { left }
  if (successor !== null && place.release === draftRelease(successor.release, buildId)) {
    if (place.name === successor.name && place.version === successor.version) {
      await redirect(removal, successor, left)
      return { left }
    }
  }
  await removeName(removal, place, left)
  if (!sameName) await removeDraftNames(removal, left)
  for (const volume of [place.volume, DEFAULT_VOLUME]) await prune(removal, versionPath({ ...place, volume }))
  return { left }
}

/** Both links of one name, the convenience link first: nothing dangles meanwhile. */
async function removeName(removal: Removal, at: BuildPlace, left: string[]): Promise<void> {
  const { texts, successor } = removal
  const base = { ...at, volume: DEFAULT_VOLUME }
  const link = await look(removal, at)
  const convenience = await look(removal, base)
  const isOurs =
    link.kind === 'link' && (texts.isIntoProd(at, link.text) || isFormerDraft(removal, at, link.text))
  if (convenience.kind === 'link' && convenience.text === texts.convenience(at)) {
    // It leads to what staging has put in the place of our link.
    if (isOurs || link.kind === 'nothing') await unlink(removal, base, convenience)
    else left.push(pathOf(removal, base))
  } else if (convenience.kind !== 'nothing' && !belongsTo(texts, successor, convenience)) {
    left.push(pathOf(removal, base))
  }
  if (isOurs) await unlink(removal, at, link)
  else if (link.kind !== 'nothing') left.push(pathOf(removal, at))
}

/** The name that the build may have had as a draft, on any volume that it may have been on when it was promoted. */
async function removeDraftNames(removal: Removal, left: string[]): Promise<void> {
  const { files, root, place, buildId } = removal
  const release = draftRelease(place.release, buildId)
  if (Buffer.byteLength(release) > 255) return
  await removeName(removal, { ...place, release }, left)
  const volumes = await orNull(files.list(`${root}/vol`, 1000))
  for (const volume of volumes ?? []) {
    const at = { ...place, volume, release }
    const link = await look(removal, at)
    if (link.kind === 'link' && isFormerDraft(removal, at, link.text)) await unlink(removal, at, link)
  }
}

function isFormerDraft(removal: Removal, at: BuildPlace, text: string): boolean {
  const { texts, place, buildId } = removal
  return at.release === draftRelease(place.release, buildId) && texts.isPromotion(at, place, text)
}

/** The draft's name on its volume leads to the promoted build; so does its convenience link, through that. */
async function redirect(removal: Removal, promoted: BuildPlace, left: string[]): Promise<void> {
  const { files, root, texts, place } = removal
  const link = await look(removal, place)
  if (link.kind === 'nothing' && removal.emptied === undefined) return
  if (link.kind === 'link' && texts.isPromotion(place, promoted, link.text)) return
  if (link.kind === 'other' || (link.kind === 'link' && !texts.isIntoProd(place, link.text))) {
    left.push(pathOf(removal, place))
    return
  }
  const directory = await Directory.open(files, root, versionPath(place))
  if (directory === null) return
  try {
    await directory.sweep(place.release)
    const text = promotionLink(place.volume, promoted)
    const uid = link.kind === 'link' ? link.uid : (removal.emptied?.uid ?? null)
    const done = await putLink(files, directory, place.release, { text, uid }, link)
    if (!done) throw new AgainError('STORAGE_RACE', `somebody else works at ${pathOf(removal, place)}`)
    if (removal.fsync) await directory.sync()
  } finally {
    await directory.close()
  }
}

async function unlink(removal: Removal, at: BuildPlace, before: Standing): Promise<void> {
  const directory = await Directory.open(removal.files, removal.root, versionPath(at))
  if (directory === null) return
  try {
    if (!sameStanding(await standingAt(removal.files, directory, at.release), before)) {
      throw new AgainError('STORAGE_RACE', `somebody else works at ${pathOf(removal, at)}`)
    }
    await orNull(removal.files.unlink(directory.at(at.release)))
    if (removal.fsync) await directory.sync()
  } finally {
    await directory.close()
  }
}

/**
 * The version's and the package's directory, where empty; what a crash left in them goes first. Should staging's hub just have
 * looked for such a directory to put another release there, its own mkdir fails: microseconds, for the last release of a version.
 */
async function prune(removal: Removal, names: readonly string[]): Promise<void> {
  const { files, place, buildId } = removal
  const version = await openOwn(removal, names)
  if (version !== null) {
    try {
      await version.sweep(place.release)
      await version.sweep(draftRelease(place.release, buildId))
    } finally {
      await version.close()
    }
  }
  for (let depth = names.length - 1; depth >= 0; depth--) {
    const name = names[depth] as string
    const parent = await openOwn(removal, names.slice(0, depth))
    if (parent === null) continue
    try {
      await parent.clearUnfinished(name)
      if (depth === 2 && names[0] === 'vol') await parent.sweep('toplink')
      // The package's and the version's; those above belong to the volume.
      if (depth >= names.length - 2) await files.rmdir(parent.at(name))
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EBUSY', 'EPERM')) throw error
    } finally {
      await parent.close()
    }
  }
}

async function openOwn(removal: Removal, names: readonly string[]): Promise<Directory | null> {
  try {
    return await Directory.open(removal.files, removal.root, names)
  } catch (error) {
    if (error instanceof KeyError) return null
    throw error
  }
}

/** Behind a link on the way there is nothing of ours, whatever it is. */
async function look(removal: Removal, at: BuildPlace): Promise<Standing> {
  try {
    return await standing(removal.files, removal.root, versionPath(at), at.release)
  } catch (error) {
    if (error instanceof KeyError) return { kind: 'other', what: error.message }
    throw error
  }
}

function belongsTo(texts: LinkTexts, successor: BuildPlace | null, link: Standing): boolean {
  if (successor === null) return false
  // What has moved to the default volume stands there itself.
  if (successor.volume === DEFAULT_VOLUME) return link.kind === 'other'
  return link.kind === 'link' && link.text === texts.convenience(successor)
}

function isSame(a: BuildPlace, b: BuildPlace): boolean {
  return a.volume === b.volume && a.name === b.name && a.version === b.version && a.release === b.release
}

function pathOf(removal: Removal, at: BuildPlace): string {
  return buildDir(removal.root, at)
}
