import { type BuildPlace, buildDir, convenienceLink, DEFAULT_VOLUME, versionPath } from '../model/paths.ts'
import type { BytesReader, BytesWriter } from './copy-calls.ts'
import { MANIFEST, type Manifest, readManifest } from './copy-manifest.ts'
import { stands, unlinkBelow } from './copy-present.ts'
import { sweepUnfinished, TargetTree } from './copy-tree.ts'
import { Directory, isTemporaryName, temporaryName } from './directory.ts'
import { isErrno, orNull } from './errno.ts'
import { isOfSignature } from './farm-plan.ts'
import type { At } from './files.ts'
import { putLink, standingAt } from './links.ts'
import { copyReal } from './real-file.ts'
import { removeTree } from './tree-removal.ts'
import { type Removal, removePlaced } from './volume-removal.ts'

export interface CopyRemoval extends Omit<Removal, 'emptied' | 'files'> {
  readonly files: BytesWriter
  /** reads staging's tree: signatures that move to another disk */
  readonly reader: BytesReader
}

/**
 * Takes a build's directory out of staging's tree: what we brought, and signatures and signed copies whoever made them, since their rows go
 * too. Anything else in it is somebody's own: it stays where it is, and is named. A directory without our manifest is not ours at all.
 *
 * With a successor that has a directory of its own, signatures that staging made are there before they go here.
 */
export async function removeCopy(removal: CopyRemoval): Promise<{ readonly left: readonly string[] }> {
  const { files, root, place, successor } = removal
  if (successor !== null && isSame(place, successor)) return { left: [] }
  const path = buildDir(root, place)
  const version = await Directory.open(files, root, versionPath(place))
  let emptied: { readonly uid: bigint | null } | undefined
  const left: string[] = []
  if (version !== null) {
    try {
      await sweepUnfinished(files, version, place.release)
      const found = await orNull(files.lstat(version.at(place.release)))
      if (found?.isDirectory() === true) {
        left.push(...(await removeDirectory(removal, version)).map((name) => `${path}${name}`))
        emptied = { uid: found.uid }
      }
    } finally {
      await version.close()
    }
  }
  if (left.length > 0) return { left }
  if (successor !== null && place.volume === DEFAULT_VOLUME && hasName(place, successor)) {
    await leadOn(removal, successor)
    return { left }
  }
  const rest = await removePlaced({ ...removal, ...(emptied === undefined ? {} : { emptied }) })
  return { left: rest.left }
}

/** The build has moved away from the default volume: Koji's link comes where its directory was. Safe to repeat. */
async function leadOn({ files, root, place, fsync }: CopyRemoval, successor: BuildPlace): Promise<void> {
  const version = await Directory.open(files, root, versionPath(place))
  if (version === null) return
  try {
    const now = await standingAt(files, version, place.release)
    if (now.kind !== 'nothing') return
    // Of the owner that its new place has got, be that a link or a directory.
    const uid = (await orNull(files.lstat(buildDir(root, successor))))?.uid ?? null
    await putLink(files, version, place.release, { text: convenienceLink(successor), uid }, now)
    if (fsync) await version.sync()
  } finally {
    await version.close()
  }
}

/** Gives back what stays, each as the text after the build's path. */
async function removeDirectory(removal: CopyRemoval, version: Directory): Promise<string[]> {
  const { files, place, buildId, fsync } = removal
  const build = await version.child(place.release)
  if (build === null) return []
  try {
    const manifest = await readManifest(files, build)
    if (manifest === null || manifest.buildId !== buildId) return ['']
    const { ours, others } = await sort(files, build, manifest)
    const stay = await handOver(removal, build, manifest, ours)
    others.push(...stay)
    if (others.length > 0) {
      for (const path of ours) if (!stay.includes(path)) await unlinkBelow(files, build, path)
      // Last: until then the rest is known as ours.
      await unlinkBelow(files, build, MANIFEST)
      return others.map((path) => `/${path}`)
    }
  } finally {
    await build.close()
  }
  // One rename, and nobody sees half of it.
  const gone = `${temporaryName(place.release)}.gone`
  if ((await orNull(files.rename(version.at(place.release), version.at(gone)).then(() => true))) === null)
    return []
  await removeTree(files, version, gone)
  if (fsync) await version.sync()
  return []
}

/** All that is no directory, below a build's directory. */
async function sort(
  files: BytesWriter,
  build: Directory,
  manifest: Manifest,
): Promise<{ readonly ours: string[]; readonly others: string[] }> {
  const ours: string[] = []
  const others: string[] = []
  const walk = async (directory: Directory, prefix: string): Promise<void> => {
    for (const name of await files.list(directory.at('.'), Number.POSITIVE_INFINITY)) {
      const path = `${prefix}${name}`
      const found = await orNull(files.lstat(directory.at(name)))
      if (found === null || path === MANIFEST) continue
      if (found.isDirectory()) {
        const child = await directory.child(name)
        if (child === null) continue
        await walk(child, `${path}/`).finally(() => child.close())
        continue
      }
      const entry = manifest.files[path]
      const isOurs =
        (entry !== undefined && (await stands(files, build, path, entry))) ||
        isTemporaryName(name) ||
        isOfSignature(path)
      if (isOurs) ours.push(path)
      else others.push(path)
    }
  }
  await walk(build, '')
  return { ours, others }
}

/**
 * Signatures that staging made itself become the successor's too, as other names of the same files. Gives back those that cannot be,
 * since it has no directory of its own.
 */
async function handOver(
  removal: CopyRemoval,
  build: Directory,
  manifest: Manifest,
  ours: readonly string[],
): Promise<readonly string[]> {
  const { files, root, successor } = removal
  const own = ours.filter((path) => manifest.files[path] === undefined && isOfSignature(path))
  if (successor === null || own.length === 0) return []
  const there = await orNull(files.lstat(buildDir(root, successor)))
  if (there?.isDirectory() !== true) return own
  const top = await Directory.open(files, root, [...versionPath(successor), successor.release])
  if (top === null) return own
  const tree = new TargetTree(top, new Set())
  try {
    for (const path of own) {
      const names = path.split('/')
      const directory = await tree.directory(names.slice(0, -1))
      await handOverOne(removal, build.at(path), top, directory.at(names.at(-1) as string))
    }
  } finally {
    await tree.close()
    await top.close()
  }
  return []
}

/** By its bytes where the successor stands on another disk. */
async function handOverOne(
  { files, reader, fsync }: CopyRemoval,
  from: At,
  top: Directory,
  to: At,
): Promise<void> {
  try {
    await files.link(from.path, to)
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return
    if (!isErrno(error, 'EXDEV')) throw error
    if ((await orNull(files.lstat(to))) !== null) return
    const name = temporaryName(to.shown)
    const like = await files.lstat(from)
    try {
      await copyReal(reader, { path: from.path, like }, files, { directory: top, name, fsync })
      await files.rename(top.at(name), to)
    } catch (failed) {
      await orNull(files.unlink(top.at(name))).catch(() => {})
      throw failed
    }
  }
}

function isSame(a: BuildPlace, b: BuildPlace): boolean {
  return a.volume === b.volume && hasName(a, b)
}

function hasName(a: BuildPlace, b: BuildPlace): boolean {
  return a.name === b.name && a.version === b.version && a.release === b.release
}
