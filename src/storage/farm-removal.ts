import { KeyError } from '../errors.ts'
import { type BuildPlace, draftRelease, versionPath } from '../model/paths.ts'
import type { BytesReader, BytesWriter } from './copy-calls.ts'
import { Directory, hiddenName } from './directory.ts'
import { isErrno, orNull } from './errno.ts'
import { type FarmTexts, type FarmTree, judgeFarm, readFarm } from './farm-standing.ts'
import type { LinkTexts } from './links.ts'
import { copyReal } from './real-file.ts'
import { removeIfEmpty, removeTree } from './tree-removal.ts'
import { removePlaced } from './volume-removal.ts'

export interface FarmRemoval {
  readonly files: BytesWriter
  /** reads staging's tree: signatures that move to another disk */
  readonly reader: BytesReader
  readonly root: string
  readonly texts: LinkTexts
  readonly farmTexts: FarmTexts
  readonly place: BuildPlace
  readonly buildId: number
  readonly successor: BuildPlace | null
  /** True when prod has that file of the build, of that size: it comes with the successor's link. */
  readonly prodHas: (path: string, size: bigint) => Promise<boolean>
  readonly anyOwner: boolean
  readonly fsync: boolean
}

/**
 * Takes a farm's directory away: at once out of sight by rename, where there is nothing of staging's in it; else what is ours of it,
 * and the rest is left. Signatures go to the successor's directory where that lacks them. Then what `removePlaced` does.
 */
export async function removeFarm(removal: FarmRemoval): Promise<{ readonly left: readonly string[] }> {
  const { files, root, place, successor } = removal
  if (successor !== null && isSame(place, successor)) return { left: [] }
  const found = await openFarm(removal)
  let emptied: { readonly uid: bigint | null } | undefined
  const left: string[] = []
  if (found !== null) {
    try {
      const { directory, tree } = found
      const { links, signatures, foreign } = judgeFarm(tree, removal.farmTexts, place)
      const stay = successor === null ? [] : await carry(removal, successor, directory, tree, signatures)
      const { uid } = await directory.stat()
      emptied = { uid: removal.anyOwner ? null : uid }
      if (foreign.length + stay.length > 0) {
        const ours = [...links, ...signatures.filter((path) => !stay.includes(path)), ...tree.leftovers]
        for (const path of ours) await removeWithin(files, directory, path)
        left.push(directory.path, ...[...foreign, ...stay].map((path) => `${directory.path}/${path}`))
      }
    } finally {
      await found.directory.close()
    }
  }
  const version = await openReal(files, root, versionPath(place))
  if (version !== null) {
    try {
      if (emptied !== undefined && left.length === 0) {
        const gone = hiddenName(place.release, 'gone')
        await removeTree(files, version, gone)
        await orNull(files.rename(version.at(place.release), version.at(gone)))
      }
      for (const use of ['gone', 'farm']) await removeTree(files, version, hiddenName(place.release, use))
      if (removal.fsync) await version.sync()
    } finally {
      await version.close()
    }
  }
  // A promoted draft's directory is gone also where a crash came between that and the link.
  const isPromoted = successor !== null && place.release === draftRelease(successor.release, removal.buildId)
  const isEmptied = left.length === 0 && isPromoted
  const { texts, buildId, fsync } = removal
  const rest = await removePlaced({
    ...{ files, root, texts, place, buildId, successor, fsync },
    ...(isEmptied ? { emptied: emptied ?? { uid: null } } : {}),
  })
  return { left: [...new Set([...left, ...rest.left])] }
}

/** The directory at the place, where it is a farm's. */
async function openFarm(removal: FarmRemoval): Promise<{ directory: Directory; tree: FarmTree } | null> {
  const { files, root, place } = removal
  const directory = await openReal(files, root, [...versionPath(place), place.release])
  if (directory === null) return null
  let keep = false
  try {
    const tree = await readFarm(files, directory)
    keep = judgeFarm(tree, removal.farmTexts, place).isFarm
    return keep ? { directory, tree } : null
  } finally {
    if (!keep) await directory.close()
  }
}

/** Null also where a link or a file stands there, or on the way. */
async function openReal(
  files: BytesWriter,
  root: string,
  names: readonly string[],
): Promise<Directory | null> {
  try {
    return await Directory.open(files, root, names)
  } catch (error) {
    if (error instanceof KeyError) return null
    throw error
  }
}

/** Brings signatures along. Gives back those that cannot be, and that prod does not have. */
async function carry(
  removal: FarmRemoval,
  successor: BuildPlace,
  from: Directory,
  tree: FarmTree,
  signatures: readonly string[],
): Promise<string[]> {
  const { files, root } = removal
  const stay: string[] = []
  const to = await openReal(files, root, [...versionPath(successor), successor.release])
  try {
    for (const path of signatures) {
      const standing = tree.entries.get(path)
      if (standing?.kind !== 'file') continue
      if (to !== null) await carryOne(removal, from, to, path)
      else if (!(await removal.prodHas(path, standing.stat.size))) stay.push(path)
    }
  } finally {
    await to?.close()
  }
  return stay
}

async function carryOne(removal: FarmRemoval, from: Directory, to: Directory, path: string): Promise<void> {
  const { files, reader, fsync } = removal
  const parts = path.split('/')
  const name = parts.pop() as string
  await within(from, parts, false, async (source) => {
    await within(to, parts, true, async (target) => {
      if ((await orNull(files.lstat(target.at(name)))) !== null) return
      try {
        await files.rename(source.at(name), target.at(name))
      } catch (error) {
        if (!isErrno(error, 'EXDEV')) throw error
        const hidden = hiddenName(name, 'file')
        await orNull(files.unlink(target.at(hidden)))
        const at = source.at(name)
        const like = await files.lstat(at)
        await copyReal(reader, { path: at.path, like }, files, { directory: target, name: hidden, fsync })
        await files.rename(target.at(hidden), target.at(name))
      }
      if (fsync) await target.sync()
    })
  })
}

/** Runs `work` with a directory below another one open; `make`: missing ones are made. */
async function within(
  top: Directory,
  parts: readonly string[],
  make: boolean,
  work: (directory: Directory) => Promise<void>,
): Promise<void> {
  const [name, ...rest] = parts
  if (name === undefined) return work(top)
  let child = await top.child(name)
  if (child === null && make) {
    await top.make(name)
    child = await top.child(name)
  }
  if (child === null) return
  try {
    await within(child, rest, make, work)
  } finally {
    await child.close()
  }
}

/** Takes away a link, a signature's file or a leftover below a directory, and the directories that are empty then. */
export async function removeWithin(files: BytesWriter, top: Directory, path: string): Promise<void> {
  const parts = path.split('/')
  const name = parts.pop() as string
  await within(top, parts, false, (directory) => removeTree(files, directory, name))
  for (; parts.length > 0; parts.pop()) {
    let empty = false
    await within(top, parts.slice(0, -1), false, async (parent) => {
      empty = await removeIfEmpty(files, parent, parts.at(-1) as string)
    })
    if (!empty) return
  }
}

function isSame(a: BuildPlace, b: BuildPlace): boolean {
  return a.volume === b.volume && a.name === b.name && a.version === b.version && a.release === b.release
}
