import { grouped } from '../model/grouped.ts'
import type { BytesWriter } from './copy-calls.ts'
import type { Manifest, ManifestEntry } from './copy-manifest.ts'
import { proofOf, type Wanted } from './copy-wanted.ts'
import { type Directory, isTemporaryName } from './directory.ts'
import { isErrno, orNull } from './errno.ts'

/** A mount over a network answers many at a time. */
const AT_ONCE = 16

/**
 * True when every wanted file stands as it was judged, nothing that we brought for a row is too much, and nothing lies about of an
 * attempt that was cut off. Reads no bytes.
 */
export async function isStanding(
  files: BytesWriter,
  directory: Directory,
  manifest: Manifest,
  wanted: readonly Wanted[],
): Promise<boolean> {
  const { entries, whole } = entriesOf(manifest, wanted)
  if (!whole || surplus(manifest, entries).length > 0) return false
  if ((await unfinishedIn(files, directory)).length > 0) return false
  const all = [...entries]
  for (let at = 0; at < all.length; at += AT_ONCE) {
    const looks = all.slice(at, at + AT_ONCE).map(([path, entry]) => stands(files, directory, path, entry))
    if ((await Promise.all(looks)).includes(false)) return false
  }
  return true
}

/** Names in a build's top directory that an attempt has left, which was cut off. */
export async function unfinishedIn(files: BytesWriter, build: Directory): Promise<readonly string[]> {
  return (await files.list(build.at('.'), Number.POSITIVE_INFINITY)).filter(isTemporaryName)
}

/** Takes away what was brought for rows that are no more. Null: there was nothing. Else what is left, by path. */
export async function tidyFiles(
  files: BytesWriter,
  directory: Directory,
  manifest: Manifest,
  wanted: readonly Wanted[],
): Promise<Record<string, ManifestEntry> | null> {
  // What is wanted, but stands otherwise, is the next placing's.
  const names = new Set(wanted.map(({ path }) => path.join('/')))
  const gone = surplus(manifest, entriesOf(manifest, wanted).entries).filter((path) => !names.has(path))
  if (gone.length === 0) return null
  const left: Record<string, ManifestEntry> = { ...manifest.files }
  for (const path of gone) {
    const entry = manifest.files[path]
    if (entry !== undefined && (await stands(files, directory, path, entry)))
      await unlinkBelow(files, directory, path)
    delete left[path]
  }
  return left
}

/** The entries that the wanted files have, by path; `whole`: each has one. */
function entriesOf(
  { files }: Manifest,
  wanted: readonly Wanted[],
): { readonly entries: ReadonlyMap<string, ManifestEntry>; readonly whole: boolean } {
  const entries = new Map<string, ManifestEntry>()
  // A build may have thousands of archives.
  const byName = grouped(Object.keys(files), (path) => path.slice(path.lastIndexOf('/') + 1))
  let whole = true
  for (const one of wanted) {
    const path = one.path.join('/')
    const paths = one.subdirectory
      ? (byName.get(one.path.at(-1) as string) ?? []).filter((at) => isBelow(at, one.path))
      : [path]
    const found = paths.filter((at) => Object.hasOwn(files, at) && files[at]?.proof === proofOf(one.expected))
    whole &&= found.length > 0
    for (const at of found) entries.set(at, files[at] as ManifestEntry)
  }
  return { entries, whole }
}

function isBelow(path: string, names: readonly string[]): boolean {
  return path.startsWith(`${names.slice(0, -1).join('/')}/`) && path.endsWith(`/${names.at(-1)}`)
}

/** Paths that were brought for a row, and are none of these. */
function surplus(manifest: Manifest, entries: ReadonlyMap<string, ManifestEntry>): string[] {
  return Object.entries(manifest.files)
    .filter(([path, { proof }]) => proof !== '' && !entries.has(path))
    .map(([path]) => path)
}

export async function stands(
  files: BytesWriter,
  directory: Directory,
  path: string,
  entry: ManifestEntry,
): Promise<boolean> {
  try {
    const found = await orNull(files.lstat(directory.at(path)))
    return found?.isFile() === true && found.size === BigInt(entry.size)
  } catch (error) {
    if (isErrno(error, 'ENOTDIR', 'ELOOP')) return false
    throw error
  }
}

/** Through handles, and its directories too where they are empty then. */
export async function unlinkBelow(files: BytesWriter, top: Directory, path: string): Promise<void> {
  const names = path.split('/')
  const open: Directory[] = []
  try {
    let directory: Directory | null = top
    for (const name of names.slice(0, -1)) {
      directory = await (directory as Directory).child(name)
      if (directory === null) return
      open.push(directory)
    }
    await orNull(files.unlink((open.at(-1) ?? top).at(names.at(-1) as string)))
    for (let depth = open.length - 1; depth >= 0; depth--)
      await files.rmdir((open[depth - 1] ?? top).at(names[depth] as string))
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error
  } finally {
    for (const directory of open) await directory.close()
  }
}
