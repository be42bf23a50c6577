import type { Filling } from './copy-fill.ts'
import type { ManifestEntry } from './copy-manifest.ts'
import type { SourceDirectory } from './copy-source.ts'
import type { Wanted } from './copy-wanted.ts'
import { proofOf } from './copy-wanted.ts'
import { SMALL_BYTES, type SmallFile } from './small-files.ts'
import { UNKNOWN } from './verify-bytes.ts'

/** Files of one job: a thread's work for some milliseconds on a disk near by. */
const FILES_PER_JOB = 50

/** Runs work on all, some at a time; when one fails none is begun any more, and its error is thrown when all have stopped. */
export type Each = <T>(all: readonly T[], work: (one: T) => Promise<void>) => Promise<void>

/**
 * Brings small files of a build that nobody sees yet, many in one job. Gives back those that must come one by one: the others, links,
 * what is not where it should be, and all where a cap or a setting is for single files.
 */
export async function bringSmall(
  filling: Filling,
  wanted: readonly Wanted[],
  files: Map<string, ManifestEntry>,
  each: Each,
): Promise<readonly Wanted[]> {
  const { transfers, sharing } = filling.options
  if (!filling.hidden || transfers.capped) return wanted
  const isSmall = ({ expected, immutable, parts, subdirectory }: Wanted): boolean =>
    parts === null &&
    !subdirectory &&
    !(immutable && sharing.hardlink) &&
    (expected.size === null || BigInt(expected.size) <= BigInt(SMALL_BYTES))
  const left = wanted.filter((one) => !isSmall(one))
  const small = wanted.filter(isSmall)
  const jobs: (readonly Wanted[])[] = []
  for (let from = 0; from < small.length; from += FILES_PER_JOB)
    jobs.push(small.slice(from, from + FILES_PER_JOB))
  const sources: Sources = new Map()
  try {
    await each(jobs, async (job) => {
      left.push(...(await bringJob(filling, job, sources, files)))
    })
    return left
  } finally {
    for (const source of sources.values()) await source.then((open) => open?.close()).catch(() => {})
  }
}

/** Directories of prod's that are open, by path below the build's; null: not there. */
type Sources = Map<string, Promise<SourceDirectory | null>>

/** Gives back what was not brought. */
async function bringJob(
  { bytes, tree, owner, options }: Filling,
  job: readonly Wanted[],
  sources: Sources,
  files: Map<string, ManifestEntry>,
): Promise<readonly Wanted[]> {
  const { copier, sharing, fsync, onWritten, onTaken } = options
  const left: Wanted[] = []
  const sent: { readonly one: Wanted; readonly file: SmallFile }[] = []
  let pair = ''
  for (const one of job) {
    const names = one.path.slice(0, -1)
    const name = one.path.at(-1) as string
    const key = names.join('/')
    const opened = sources.get(key) ?? bytes.directory(names)
    sources.set(key, opened)
    const source = await opened
    if (source === null) {
      left.push(one)
      continue
    }
    pair = `${source.device}>${owner.device}`
    const to = (await tree.directory(names)).at(name)
    sent.push({ one, file: { from: source.at(name), to, expected: one.expected } })
  }
  if (sent.length === 0) return left
  const reflink = sharing.reflink && !sharing.unshared.has(pair)
  const done = await copier.run({ files: sent.map(({ file }) => file), owner, fsync, reflink })
  if (done.unshared) sharing.unshared.add(pair)
  const isShared = reflink && !done.unshared
  for (const [i, { one }] of sent.entries()) {
    const written = done.written[i]
    if (written == null) left.push(one)
    else {
      if (!isShared) onWritten(Number(written.size))
      onTaken(Number(written.size))
      const proof = one.expected === UNKNOWN ? '' : proofOf(one.expected)
      files.set(one.path.join('/'), { proof, size: Number(written.size), mtime: written.mtime })
    }
  }
  return left
}
