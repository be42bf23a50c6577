import { KeyError } from '../errors.ts'

/** Koji's name of the volume that is the tree itself (`PathInfo.volumedir`, koji/__init__.py). */
export const DEFAULT_VOLUME = 'DEFAULT'

/** What names a build's directory. Only from `checkedPlace`, or from a link that `readKojiLink` understood. */
export interface BuildPlace {
  readonly volume: string
  readonly name: string
  readonly version: string
  readonly release: string
}

const MAX_NAME_BYTES = 255

/**
 * A name from the hub as one path component. Throws KeyError STORAGE_NAME_UNSAFE naming the field and the value, when
 * it is empty, `.` or `..`, longer than 255 bytes, no valid text, or holds a slash or a control character.
 */
export function checkedName(field: string, name: string): string {
  const why = whyUnsafe(name)
  if (why === null) return name
  throw new KeyError('STORAGE_NAME_UNSAFE', `${field} ${shownName(name)} cannot be a file name: ${why}`, {
    detail: { field, name: shownName(name) },
  })
}

/** Whether a name from outside can be one file's or directory's. */
export function isFileName(name: string): boolean {
  return whyUnsafe(name) === null
}

function whyUnsafe(name: string): string | null {
  if (typeof name !== 'string') return 'it is no text'
  if (name === '') return 'it is empty'
  if (name === '.' || name === '..') return 'it means another directory'
  if (name.includes('/')) return 'it holds a slash'
  if (/\p{Cc}/u.test(name)) return 'it holds a control character'
  if (/\p{Cs}/u.test(name)) return 'it is no valid Unicode'
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `it is longer than ${MAX_NAME_BYTES} bytes`
  return null
}

/** JSON text of any string, cut at 300 characters, with nothing in it that a terminal would obey. */
export function shownName(name: unknown): string {
  const text = typeof name === 'string' && name.length > 300 ? `${name.slice(0, 300)}…` : name
  const escaped = (c: string) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
  return String(JSON.stringify(text)).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped)
}

/** A build's place with every name checked. Throws KeyError STORAGE_NAME_UNSAFE. */
export function checkedPlace(place: BuildPlace): BuildPlace {
  return {
    volume: checkedName('volume', place.volume),
    name: checkedName('package name', place.name),
    version: checkedName('version', place.version),
    release: checkedName('release', place.release),
  }
}

/** Names from a tree's top down to a volume's own directory; none for DEFAULT. */
export function volumePath(volume: string): readonly string[] {
  return volume === DEFAULT_VOLUME ? [] : ['vol', volume]
}

/** Names from a tree's top down to the directory that holds a version's releases. */
export function versionPath(place: BuildPlace): readonly string[] {
  return [...volumePath(place.volume), 'packages', place.name, place.version]
}

/** A volume's directory (`PathInfo.volumedir`). */
export function volumeDir(topdir: string, volume: string): string {
  return [topdir, ...volumePath(volume)].join('/')
}

/** A build's directory (`PathInfo.build`). */
export function buildDir(topdir: string, place: BuildPlace): string {
  return [topdir, ...versionPath(place), place.release].join('/')
}

/**
 * Text of the link on the default volume to a build that lies on another one, as `ensure_volume_symlink`
 * (kojihub.py) writes it and compares it.
 */
export function convenienceLink(place: BuildPlace): string {
  return ['../../..', ...versionPath(place), place.release].join('/')
}

/**
 * Text of the link that a draft's directory name becomes when it is promoted: to the new name on the *default*
 * volume, as `_promote_build` (kojihub.py) writes it. `volume` is where the draft lay.
 */
export function promotionLink(volume: string, promoted: BuildPlace): string {
  if (volume === DEFAULT_VOLUME) return promoted.release
  return `../../../../../packages/${promoted.name}/${promoted.version}/${promoted.release}`
}

/** The same, as `ensure_volume_backlink` (kojihub.py, after 1.35) writes it, through the volume's `toplink`. */
export function promotionBacklink(promoted: BuildPlace): string {
  return `../../../toplink/packages/${promoted.name}/${promoted.version}/${promoted.release}`
}

/** A draft's release once had by a promoted build (`gen_draft_release`, koji/__init__.py). */
export function draftRelease(release: string, buildId: number): string {
  return `${release},draft_${buildId}`
}

/**
 * Where a link in a build's place leads, when it is one that Koji itself makes: to another volume, or from a draft's
 * name to the promoted one. Null for every other text. Nothing is looked up, so an absolute `toplink` is no matter.
 */
export function readKojiLink(at: BuildPlace, text: string): BuildPlace | null {
  const parts = text.split('/')
  const release = parts.at(-1) ?? ''
  if (whyUnsafe(release) !== null) return null
  const onDefault: BuildPlace = { ...at, volume: DEFAULT_VOLUME, release }
  if (text === promotionLink(at.volume, onDefault)) return onDefault
  if (at.volume !== DEFAULT_VOLUME) return text === promotionBacklink(onDefault) ? onDefault : null
  const volume = parts[4] ?? ''
  if (whyUnsafe(volume) !== null || volume === DEFAULT_VOLUME) return null
  const onVolume: BuildPlace = { ...at, volume, release }
  return text === convenienceLink(onVolume) ? onVolume : null
}
