import { KeyError } from '../errors.ts'
import { DEFAULT_VOLUME, versionPath } from '../model/paths.ts'
import { Directory } from './directory.ts'
import { isErrno, orNull } from './errno.ts'
import type { TreeWriter } from './files.ts'
import { isOwnFormer, type Moving } from './former.ts'
import { describeStanding, type LinkTexts, type Standing, standingAt } from './links.ts'
import type { Source } from './prod-source.ts'

/** What must stand in staging for one build. */
export interface Wanted extends Moving {
  readonly source: Source
  /** Text of the link on the volume. */
  readonly text: string
  /** Text of the link on the default volume. */
  readonly convenience: string
  /** Who must own the links; null: anybody. */
  readonly uid: bigint | null
  /** Owner of staging's tree. */
  readonly topUid: bigint
}

/** `right`: nothing to do. Else what stands there now: nothing, or a link of ours that is to be replaced. */
export type Free = 'right' | Standing

export interface Plan {
  readonly toplink: Free
  readonly link: Free
  readonly convenience: Free
}

/** Directories that are open already: looked into by their handle, not by path. */
export interface Held {
  readonly volume?: Directory
  readonly version?: Directory
  readonly base?: Directory
}

/**
 * Looks at the three names and says what is to be done at each.
 *
 * | stands at          | there                                                         |                |
 * | ------------------ | ------------------------------------------------------------- | -------------- |
 * | any                | nothing                                                       | made           |
 * | any                | the wanted text, and owner                                    | right          |
 * | volume's release   | a link into prod for this name and version, or another owner  | replaced       |
 * | volume's release   | a draft's name, and a promotion's link to the build           | right          |
 * | default's release  | Koji's link to another volume, where nothing or a link of ours is, or we were | replaced   |
 * | default's release  | the build's own directory, which has moved from there         | right, as yet  |
 * | toplink            | a link to the top, or one that cannot be seen from here       | right          |
 * | any                | anything else                                                 | STORAGE_CLASH  |
 *
 * Throws KeyError STORAGE_CLASH.
 */
export async function assertFree(
  files: TreeWriter,
  root: string,
  texts: LinkTexts,
  wanted: Wanted,
  held: Held = {},
): Promise<Plan> {
  const { place } = wanted
  const base = { ...place, volume: DEFAULT_VOLUME }
  const look = (directory: Directory | undefined, names: readonly string[], name: string) =>
    directory === undefined ? standing(files, root, names, name) : standingAt(files, directory, name)
  const toplink = await look(held.volume, ['vol', place.volume], 'toplink')
  const link = await look(held.version, versionPath(place), place.release)
  const convenience = await look(held.base, versionPath(base), place.release)
  return {
    toplink: await toplinkPlan(files, root, place.volume, toplink),
    link: linkPlan(root, texts, wanted, link),
    convenience: await conveniencePlan(files, root, texts, wanted, convenience),
  }
}

function linkPlan(root: string, texts: LinkTexts, wanted: Wanted, now: Standing): Free {
  const { place, source } = wanted
  if (now.kind === 'nothing') return now
  if (now.kind === 'link') {
    if (isRightLink(texts, wanted, now)) return 'right'
    if (now.text === wanted.text || texts.isIntoProd(place, now.text)) return now
  }
  throw clash(
    [root, ...versionPath(place), place.release].join('/'),
    now,
    `a link to ${source.place.release} in prod`,
  )
}

/** At a draft's name stands what promotion left, and prod says the same: the hub that we heard this from was behind. */
function isRightLink(texts: LinkTexts, wanted: Wanted, now: Standing & { kind: 'link' }): boolean {
  if (now.text === wanted.text) return hasOwner(now, wanted.uid)
  const { place, source } = wanted
  return (
    source.place.release !== place.release &&
    texts.isPromotion(place, { ...place, release: source.place.release }, now.text)
  )
}

/** The row for the default volume's link. Throws KeyError STORAGE_CLASH. */
export async function conveniencePlan(
  files: TreeWriter,
  root: string,
  texts: LinkTexts,
  wanted: Moving & Pick<Wanted, 'convenience' | 'uid'>,
  now: Standing,
): Promise<Free> {
  const { place } = wanted
  if (now.kind === 'nothing') return now
  if (now.kind === 'link') {
    if (now.text === wanted.convenience) return hasOwner(now, wanted.uid) ? 'right' : now
    const other = texts.otherVolume(place, now.text)
    if (other !== null) {
      if (wanted.formerVolumes.includes(other.volume)) return now
      const there = await standing(files, root, versionPath(other), other.release)
      if (there.kind === 'nothing') return now
      if (there.kind === 'link' && texts.isIntoProd(other, there.text)) return now
    }
  }
  if (now.kind === 'other' && (await isOwnFormer(files, root, wanted))) return 'right'
  const path = [root, ...versionPath({ ...place, volume: DEFAULT_VOLUME }), place.release].join('/')
  throw clash(path, now, `Koji's link to volume ${place.volume}`)
}

/** A `toplink` that staging's admin made says the topdir as the hub sees it; from here it may lead nowhere. */
export async function toplinkPlan(
  files: TreeWriter,
  root: string,
  volume: string,
  now: Standing,
): Promise<Free> {
  if (now.kind === 'nothing') return now
  const path = `${root}/vol/${volume}/toplink`
  if (now.kind === 'link') {
    if (now.text === '../..') return 'right'
    const target = await orNull(files.realpath(path))
    if (target === root || (target === null && now.text.startsWith('/'))) return 'right'
  }
  throw clash(path, now, 'a link to the top of the tree')
}

/** True when every name holds what it should. */
export function isDone(plan: Plan): boolean {
  return plan.toplink === 'right' && plan.link === 'right' && plan.convenience === 'right'
}

/** The same without reasons, by path and read-only: true when nothing is to be done. */
export async function isAsWanted(
  files: TreeWriter,
  root: string,
  texts: LinkTexts,
  wanted: Wanted,
): Promise<boolean> {
  try {
    return isDone(await assertFree(files, root, texts, wanted))
  } catch (error) {
    if (error instanceof KeyError || isErrno(error, 'ENOENT')) return false
    throw error
  }
}

/**
 * What stands at a name below the root, by path: good for looking, never for writing. Throws KeyError STORAGE_CLASH at a link
 * on the way.
 */
export async function standing(
  files: TreeWriter,
  root: string,
  names: readonly string[],
  name: string,
): Promise<Standing> {
  const path = [root, ...names].join('/')
  try {
    if ((await files.realpath(path)) === path) return await standingAt(files, byPath(path), name)
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error
  }
  // A link or a file on the way, or nothing: the slow look tells which.
  const directory = await Directory.open(files, root, names)
  if (directory === null) return { kind: 'nothing' }
  try {
    return await standingAt(files, directory, name)
  } finally {
    await directory.close()
  }
}

function byPath(directory: string): Pick<Directory, 'at'> {
  return { at: (name) => ({ path: `${directory}/${name}`, shown: `${directory}/${name}` }) }
}

function hasOwner(link: { readonly uid: bigint }, uid: bigint | null): boolean {
  return uid === null || link.uid === uid
}

function clash(path: string, found: Standing, wanted: string): KeyError {
  const text = `${path} holds ${describeStanding(found)}, and ${wanted} belongs there`
  return new KeyError('STORAGE_CLASH', text, { detail: { path, found: describeStanding(found) } })
}
