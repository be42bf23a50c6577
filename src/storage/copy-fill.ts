import { KeyError } from '../errors.ts'
import { bringSmall, type Each } from './copy-batches.ts'
import type { CopyOptions, Ownership, Written } from './copy-file.ts'
import { copyFileTo, writeTo } from './copy-file.ts'
import { MANIFEST, type Manifest, type ManifestEntry } from './copy-manifest.ts'
import type { Subdirectories } from './copy-metadata.ts'
import { judge } from './copy-pump.ts'
import type { BuildBytes, OpenFile } from './copy-source.ts'
import { collect, spliced } from './copy-splice.ts'
import type { TargetTree } from './copy-tree.ts'
import { proofOf, signatureOf, type Take, type Wanted } from './copy-wanted.ts'
import { type Directory, isTemporaryName, temporaryName } from './directory.ts'
import { orNull } from './errno.ts'
import type { At } from './files.ts'
import { assertWanted } from './stop.ts'
import { UNKNOWN, Verifier } from './verify-bytes.ts'
import { MAX_SIGNATURE_BYTES } from './verify-rpm.ts'

export interface Filling {
  readonly options: CopyOptions
  readonly tree: TargetTree
  readonly bytes: BuildBytes
  readonly subdirectories: Subdirectories
  readonly wanted: readonly Wanted[]
  readonly take: Take
  readonly owner: Ownership
  /** what an earlier placing has brought */
  readonly before: Manifest | null
  /** Nobody sees the tree yet: files get their names at once, and all of it goes when one fails. */
  readonly hidden: boolean
  /** What stands with other bytes is prod's, and to be replaced: a snapshot's. Else it is somebody's own. */
  readonly replaces: boolean
}

/** Files that no row names: no more than so many of one build. */
const MAX_OTHERS = 20_000

/** Brings every file that lacks, judged before anyone sees it. Gives back what now stands, by path. */
export async function fill(filling: Filling): Promise<Record<string, ManifestEntry>> {
  const { bytes, subdirectories, wanted, take } = filling
  const files = new Map<string, ManifestEntry>(Object.entries(filling.before?.files ?? {}))
  const fail = { first: null as unknown, failed: false }
  const each: Each = async (all, work) => {
    const guarded = async (one: (typeof all)[number]): Promise<void> => {
      if (fail.failed) return
      try {
        assertWanted(filling.options.signal)
        await work(one)
      } catch (error) {
        if (!fail.failed) fail.first = error
        fail.failed = true
      }
    }
    await Promise.all(all.map((one) => filling.options.transfers.run(() => guarded(one))))
    // Only when all have stopped: what is taken back now stays away.
    if (fail.failed) throw fail.first
  }
  const bring = async (one: Wanted): Promise<void> => {
    let right = false
    for (const path of one.subdirectory ? await subdirectories.of(one) : [one.path]) {
      const entry = await bringOne(filling, { ...one, path }, one.subdirectory)
      if (entry !== null) files.set(path.join('/'), entry)
      right ||= entry !== null && entry.proof === proofOf(one.expected)
    }
    if (!right && one.subdirectory) throw missing(bytes, one.path)
  }
  const plain = wanted.filter(({ parts }) => parts === null)
  await each(await bringSmall(filling, plain, files, each), bring)
  await each(
    wanted.filter(({ parts }) => parts !== null),
    bring,
  )
  const named = new Set(files.keys())
  const others = (await bytes.list([], MAX_OTHERS))
    .filter((path) => isOther(path, take, named))
    .map((path): Wanted => ({ path, expected: UNKNOWN, immutable: false, subdirectory: false, parts: null }))
  await each(await bringSmall(filling, others, files, each), async (one) => {
    const entry = await bringOne(filling, one, true)
    if (entry !== null) files.set(one.path.join('/'), entry)
  })
  // In one order, whichever came first.
  return Object.fromEntries([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Logs, metadata, the checksums beside maven's files; not what rows decide about. */
function isOther(path: readonly string[], take: Take, named: ReadonlySet<string>): boolean {
  const [first, second] = path
  const name = path.at(-1) ?? ''
  if (named.has(path.join('/')) || isTemporaryName(name)) return false
  if (first === 'data' && (second === 'sigcache' || second === 'signed')) return false
  if (first === 'data' && second === 'logs' && !take.logs) return false
  return !(path.length === 2 && name.endsWith('.rpm')) && path[0] !== MANIFEST
}

/** Null: it is not there, and `optional`. */
async function bringOne(filling: Filling, one: Wanted, optional: boolean): Promise<ManifestEntry | null> {
  const { tree, options, before, bytes, hidden } = filling
  const proof = one.expected === UNKNOWN ? '' : proofOf(one.expected)
  const name = one.path.at(-1) as string
  const entry = before?.files[one.path.join('/')]
  const standing = hidden ? null : await tree.look(one.path.slice(0, -1))
  const stat = standing === null ? null : await orNull(options.writer.lstat(standing.at(name)))
  if (standing !== null && stat !== null) {
    if (!stat.isFile()) throw clash(standing.at(name), 'is no plain file')
    if (entry?.proof === proof && stat.size === BigInt(entry.size)) return entry
    // No row names it, and it is there: whoever made it.
    if (proof === '')
      return entry ?? (filling.replaces ? await snapshotOf(filling, one.path, stat.size) : null)
    const judged = await judgeStanding(filling, standing, name, one)
    if (judged !== null) return { proof, ...judged }
    if (entry === undefined && !filling.replaces)
      throw clash(standing.at(name), "has other bytes than prod's, and was not brought by this service")
  }
  const from = one.parts === null ? await bytes.open(one.path) : null
  if (one.parts === null && from === null) {
    if (optional) return null
    throw missing(bytes, one.path)
  }
  try {
    const directory = await tree.directory(one.path.slice(0, -1))
    const put = (to: At) => (from === null ? putSigned(filling, one, to) : put1(filling, from, to, one))
    const written = hidden ? await put(directory.at(name)) : await renamed(filling, directory, name, put)
    return { proof, size: Number(written.size), mtime: written.mtime }
  } finally {
    await from?.close()
  }
}

/** A log of a snapshot goes with its build, where prod has it too, as long as this one. */
async function snapshotOf(
  { bytes }: Filling,
  path: readonly string[],
  size: bigint,
): Promise<ManifestEntry | null> {
  const from = await bytes.open(path)
  if (from === null) return null
  await from.close()
  return from.size === size ? { proof: '', size: Number(size), mtime: from.mtime ?? 0 } : null
}

function put1({ options, owner }: Filling, from: OpenFile, to: At, one: Wanted): Promise<Written> {
  return copyFileTo(options, from, to, one.expected, owner, one.immutable)
}

/** Prod may have pruned the copy; what it is made of stays. Where the parts do not make what was summed, prod's own is asked for. */
async function putSigned(filling: Filling, one: Wanted, to: At): Promise<Written> {
  const { options, tree, owner, bytes } = filling
  const { parts } = one
  if (parts === null) throw new Error('unreachable: a signed copy has parts')
  const signature = await signatureBytes(filling, parts.signature)
  const directory = await tree.directory(parts.rpm.slice(0, -1))
  const name = parts.rpm.at(-1) as string
  const chunks = spliced(options.reader, directory, name, signature)
  try {
    return await writeTo(options, { chunks, shown: to.shown, mtime: null }, to, one.expected, owner)
  } catch (error) {
    if (!(error instanceof KeyError)) throw error
    const own = await bytes.open(one.path)
    if (own === null) throw error
    try {
      await orNull(options.writer.unlink(to))
      return await copyFileTo(options, own, to, one.expected, owner, false)
    } finally {
      await own.close()
    }
  }
}

async function signatureBytes(
  { bytes }: Filling,
  file: NonNullable<Wanted['parts']>['signature'],
): Promise<Buffer> {
  const { path, expected } = signatureOf(file)
  const from = await bytes.open(path)
  if (from === null) throw missing(bytes, path)
  try {
    const verifier = new Verifier(from.shown, expected)
    const header = await collect(from.chunks(), from.shown, MAX_SIGNATURE_BYTES)
    verifier.update(header)
    verifier.end()
    return header
  } finally {
    await from.close()
  }
}

/** Null: its bytes are others. */
async function judgeStanding(
  { options }: Filling,
  directory: Directory,
  name: string,
  one: Wanted,
): Promise<{ size: number; mtime: number } | null> {
  const at = directory.at(name)
  const handle = await options.reader.openFile(at, { follow: false })
  try {
    const stat = await options.reader.fstat(handle, at.shown)
    await judge(options, handle, at.shown, one.expected)
    return { size: Number(stat.size), mtime: Number(stat.mtimeMs) / 1000 }
  } catch (error) {
    if (error instanceof KeyError) return null
    throw error
  } finally {
    await handle.close()
  }
}

/** Under another name first: in the build's top directory, where the next look at the build finds what a crash left. */
async function renamed(
  { options, tree }: Filling,
  directory: Directory,
  name: string,
  put: (to: At) => Promise<Written>,
): Promise<Written> {
  const temporary = tree.top.at(temporaryName(name))
  try {
    const written = await put({ path: temporary.path, shown: directory.at(name).shown })
    await options.writer.rename(temporary, directory.at(name))
    return written
  } catch (error) {
    await options.writer.unlink(temporary).catch(() => {})
    throw error
  }
}

function missing(bytes: BuildBytes, path: readonly string[]): KeyError {
  const shown = `${bytes.shown}/${path.join('/')}`
  return new KeyError('STORAGE_SOURCE_MISSING', `prod has no file ${shown}`, { detail: { path: shown } })
}

function clash({ shown }: At, what: string): KeyError {
  return new KeyError('STORAGE_CLASH', `${shown} ${what}`, { detail: { path: shown } })
}
