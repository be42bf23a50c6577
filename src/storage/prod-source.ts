import { KeyError, OutageError } from '../errors.ts'
import { type BuildPlace, buildDir, readKojiLink, volumeDir } from '../model/paths.ts'
import { isErrno, orNull } from './errno.ts'
import type { TreeReader } from './files.ts'

/** A build's directory in prod's tree. */
export interface Source {
  /** Where it really lies: what a link must say. */
  readonly place: BuildPlace
  /** Its owner's user id. */
  readonly uid: bigint
  readonly device: bigint
  readonly inode: bigint
  /** Real paths of its volume and of the tree: what belongs to prod lies in one of them. */
  readonly inside: readonly string[]
}

/** Volume link after draft link, with one to spare. */
const MAX_LINKS = 3

/**
 * Finds a build's directory in prod. The hub's word on volume and release may be older than the tree, or its transaction
 * not yet committed, so Koji's own links (to another volume, from a draft's name) are followed by their text, never by the
 * kernel: prod's absolute `toplink` would lead into staging.
 *
 * Null: prod's tree is there, but has no such directory. Throws OutageError STORAGE_MOUNT when the tree itself is not there,
 * KeyError STORAGE_SOURCE_OUTSIDE when the directory is reached through a link of somebody's own that leaves prod's tree.
 */
export async function findSource(
  files: TreeReader,
  topdir: string,
  told: BuildPlace,
): Promise<Source | null> {
  let place = told
  for (let hop = 0; hop <= MAX_LINKS; hop++) {
    const path = buildDir(topdir, place)
    const found = await look(files, path)
    if (found === null) {
      await assertMounted(files, topdir)
      return null
    }
    if (found.isDirectory()) {
      const inside = await assertInside(files, topdir, place)
      return { place, uid: found.uid, device: found.dev, inode: found.ino, inside }
    }
    if (!found.isSymbolicLink()) return null
    const next = readKojiLink(place, await files.readlink(path))
    if (next === null) return viaForeignLink(files, topdir, place)
    place = next
  }
  return null
}

/** A link that Koji did not make: prod's admin has moved the build within the tree, and prod itself follows it. */
async function viaForeignLink(files: TreeReader, topdir: string, place: BuildPlace): Promise<Source | null> {
  const target = await look(files, buildDir(topdir, place), 'stat')
  if (target === null || !target.isDirectory()) return null
  const inside = await assertInside(files, topdir, place)
  return { place, uid: target.uid, device: target.dev, inode: target.ino, inside }
}

async function look(files: TreeReader, path: string, how: 'lstat' | 'stat' = 'lstat') {
  try {
    return await orNull(files[how](path))
  } catch (error) {
    // A file where a directory should be, or links in a circle: prod's tree is there, this build is not.
    if (isErrno(error, 'ENOTDIR', 'ELOOP')) return null
    throw error
  }
}

/** A volume may be a link to another disk (as Koji's docs advise); below it nothing may leave it, or the tree. */
async function assertInside(
  files: TreeReader,
  topdir: string,
  place: BuildPlace,
): Promise<readonly string[]> {
  const path = buildDir(topdir, place)
  const real = await files.realpath(path)
  const inside: string[] = []
  for (const top of new Set([volumeDir(topdir, place.volume), topdir])) inside.push(await files.realpath(top))
  if (inside.some((top) => isWithin(real, top))) return inside
  const text = `prod's directory ${path} is really ${real}, outside of prod's tree: staging's hosts would not find it, or find something else`
  throw new KeyError('STORAGE_SOURCE_OUTSIDE', text, { detail: { path, real } })
}

export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`)
}

/** Throws OutageError STORAGE_MOUNT: an unmounted tree looks as if every build were missing. */
async function assertMounted(files: TreeReader, topdir: string): Promise<void> {
  const packages = `${topdir}/packages`
  let names: readonly string[] = []
  try {
    names = await files.list(packages, 1)
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
  }
  if (names.length > 0) return
  const text = `prod's tree is not mounted at ${topdir}: ${packages} is missing or empty`
  throw new OutageError('storage', 'STORAGE_MOUNT', text, { detail: { path: packages } })
}
