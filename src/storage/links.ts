import {
  type BuildPlace,
  buildDir,
  convenienceLink,
  DEFAULT_VOLUME,
  promotionBacklink,
  promotionLink,
  readKojiLink,
} from '../model/paths.ts'
import { type Directory, ownerError, temporaryName } from './directory.ts'
import { isErrno, orNull } from './errno.ts'
import type { TreeWriter } from './files.ts'

/** What stands under a name of staging's tree. */
export type Standing =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'link'; readonly text: string; readonly uid: bigint }
  | { readonly kind: 'other'; readonly what: string }

export async function standingAt(
  files: TreeWriter,
  directory: Pick<Directory, 'at'>,
  name: string,
): Promise<Standing> {
  const at = directory.at(name)
  const found = await orNull(files.lstat(at))
  if (found === null) return { kind: 'nothing' }
  if (!found.isSymbolicLink())
    return { kind: 'other', what: found.isDirectory() ? 'a real directory' : 'a file that is no link' }
  const text = await orNull(files.readlink(at))
  return text === null ? { kind: 'nothing' } : { kind: 'link', text, uid: found.uid }
}

export function describeStanding(standing: Standing): string {
  if (standing.kind === 'link') return `a link to ${JSON.stringify(standing.text)}`
  return standing.kind === 'other' ? standing.what : 'nothing'
}

/** Which of the texts a link may have are ours. `linkTarget` is prod's tree as staging's hosts see it. */
export class LinkTexts {
  readonly #linkTarget: string
  constructor(linkTarget: string) {
    this.#linkTarget = linkTarget.replace(/\/+$/, '')
  }

  /** Text of the one link into prod. */
  intoProd(source: BuildPlace): string {
    return buildDir(this.#linkTarget, source)
  }

  /** True for any text that we may ever have written for a release of this name and version: of any prod volume. */
  isIntoProd(place: BuildPlace, text: string): boolean {
    if (!text.startsWith(`${this.#linkTarget}/`)) return false
    const parts = text.slice(this.#linkTarget.length + 1).split('/')
    const volume = parts[0] === 'vol' ? (parts[1] ?? '') : DEFAULT_VOLUME
    const release = parts.at(-1) ?? ''
    return release !== '' && text === buildDir(this.#linkTarget, { ...place, volume, release })
  }

  /** True for the text that a draft's old name gets at promotion, from us or from staging's hub of any version. */
  isPromotion(at: BuildPlace, promoted: BuildPlace, text: string): boolean {
    return text === promotionLink(at.volume, promoted) || text === promotionBacklink(promoted)
  }

  convenience(place: BuildPlace): string {
    return convenienceLink(place)
  }

  /** The other volume that a convenience link leads to, for the same name, version and release. Null: none of Koji's. */
  otherVolume(place: BuildPlace, text: string): BuildPlace | null {
    const other = readKojiLink({ ...place, volume: DEFAULT_VOLUME }, text)
    if (other === null || other.volume === DEFAULT_VOLUME || other.release !== place.release) return null
    return other
  }
}

export interface NewLink {
  readonly text: string
  /** Who must own it: the owner of what it leads to (httpd's SymLinksIfOwnerMatch); null: whoever we are. */
  readonly uid: bigint | null
}

/**
 * Makes a link under a name that nobody sees yet. `born`: whose the last one was when it was made here; gives back whose this one was.
 * Links of one directory are born alike, so that only the first is looked at.
 */
export async function makeLink(
  files: TreeWriter,
  directory: Directory,
  name: string,
  link: NewLink,
  born: bigint | null = null,
): Promise<bigint | null> {
  const at = directory.at(name)
  await files.symlink(link.text, at)
  if (link.uid === null || link.uid === born) return born
  return own(files, at, at.shown, link.uid)
}

/**
 * Puts a link at a name, complete with its owner, by rename. The name held `before` a moment ago; when it no longer does,
 * nothing is done and false is given back. Between that look and the rename is a gap of microseconds, in which only a link could be
 * lost: rename does not replace a directory by a link.
 */
export async function putLink(
  files: TreeWriter,
  directory: Directory,
  name: string,
  link: NewLink,
  before: Standing,
): Promise<boolean> {
  const temporary = directory.at(temporaryName(name))
  await files.symlink(link.text, temporary)
  try {
    if (link.uid !== null) await own(files, temporary, directory.at(name).shown, link.uid)
    if (!sameStanding(await standingAt(files, directory, name), before)) {
      await orNull(files.unlink(temporary))
      return false
    }
    await files.rename(temporary, directory.at(name))
    return true
  } catch (error) {
    await files.unlink(temporary).catch(() => {})
    throw error
  }
}

async function own(
  files: TreeWriter,
  at: ReturnType<Directory['at']>,
  shown: string,
  uid: bigint,
): Promise<bigint> {
  const made = await files.lstat(at)
  if (made.uid === uid) return uid
  try {
    await files.lchown(at, Number(uid), Number(made.gid))
    return made.uid
  } catch (error) {
    if (isErrno(error, 'EPERM')) throw ownerError(shown, uid, error)
    throw error
  }
}

export function sameStanding(a: Standing, b: Standing): boolean {
  if (a.kind === 'link' && b.kind === 'link') return a.text === b.text && a.uid === b.uid
  return a.kind === b.kind
}

/** Undoes a `putLink`, as long as the link is still the one that it put. */
export async function takeBackLink(
  files: TreeWriter,
  directory: Directory,
  name: string,
  text: string,
  before: Standing,
): Promise<void> {
  const now = await standingAt(files, directory, name)
  if (now.kind !== 'link' || now.text !== text) return
  if (before.kind === 'link')
    await putLink(files, directory, name, { text: before.text, uid: before.uid }, now)
  else await files.unlink(directory.at(name))
}
