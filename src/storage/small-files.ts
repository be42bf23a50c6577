import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  futimesSync,
  openSync,
  readSync,
  type Stats,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { AgainError } from '../errors.ts'
import { assertOwned, CANNOT_CLONE, type Ownership, type Written } from './copy-file.ts'
import { isErrno } from './errno.ts'
import type { At } from './files.ts'
import { call, type FileWork } from './system-calls.ts'
import { type Expected, Verifier } from './verify-bytes.ts'

/** Larger ones are copied piece by piece. */
export const SMALL_BYTES = 1024 * 1024

/** A file to bring to a name that is free, in a directory that nobody sees yet. */
export interface SmallFile {
  /** by the open handle of a directory of prod's that was seen to lie inside of its tree */
  readonly from: At
  /** by the open handle of a directory of ours */
  readonly to: At
  readonly expected: Expected
}

/** Files that are brought one after the other. Plain values: it may be sent to a thread, which has the same open handles. */
export interface SmallJob {
  readonly files: readonly SmallFile[]
  readonly owner: Omit<Ownership, 'device'>
  readonly fsync: boolean
  /** whether sharing blocks is tried */
  readonly reflink: boolean
}

export interface SmallDone {
  /** Null: not to be brought this way (a link, no plain file, too long, not there); nothing was made of it. */
  readonly written: readonly (Written | null)[]
  /** this file system does not share blocks */
  readonly unshared: boolean
}

/** What the first file of a job tells about the others: what they need to be as they must. */
interface Needs {
  readonly uid: number
  readonly give: boolean
  readonly mode: boolean
}

/**
 * Copies small files with as few calls as safety allows: each is read whole, judged, and written at once. All are made durable at the end,
 * together, which costs the disk little more than one. `buffer` holds one file, and a byte more. Throws as `copyFileTo`; what was written
 * is the caller's to take away.
 */
export function* copySmallFiles(job: SmallJob, buffer: Buffer): FileWork<SmallDone> {
  const open: { readonly fd: number; readonly shown: string }[] = []
  const needs = new Map<string, Needs>()
  const written: (Written | null)[] = []
  let reflink = job.reflink
  let unshared = false
  try {
    for (const file of job.files) {
      const source = yield* openSource(file.from)
      if (source === null) {
        written.push(null)
        continue
      }
      try {
        const cloned = reflink && (yield* clone(source.fd, file.to))
        if (reflink && !cloned) {
          reflink = false
          unshared = true
        }
        const target = yield* openTarget(file.to, cloned, job.owner.fileMode)
        open.push({ fd: target, shown: file.to.shown })
        const size = cloned
          ? yield* judgeClone(target, file, buffer)
          : yield* transfer(source, target, file, buffer)
        const mtime = source.stat.mtimeMs / 1000
        yield* finish(job, needs, file, target, mtime, cloned)
        written.push({ size: BigInt(size), mtime })
        if (!job.fsync) closeSync((open.pop() as { fd: number }).fd)
      } finally {
        closeSync(source.fd)
      }
    }
    for (const { fd, shown } of open) yield* call('staging', 'sync', shown, () => fsyncSync(fd))
    return { written, unshared }
  } finally {
    for (const { fd } of open) closeSync(fd)
  }
}

interface Opened {
  readonly fd: number
  readonly stat: Stats
}

/** Null: it is to be looked at with more care. Never follows a link, never waits for a FIFO's other end. */
function* openSource(from: At): FileWork<Opened | null> {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW
  let fd: number
  try {
    fd = yield* call('prod', 'open', from.shown, () => openSync(from.path, flags))
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'ENODEV')) return null
    throw error
  }
  try {
    const stat = yield* call('prod', 'fstat', from.shown, () => fstatSync(fd))
    if (stat.isFile() && stat.size <= SMALL_BYTES) return { fd, stat }
    closeSync(fd)
    return null
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function* openTarget(to: At, exists: boolean, mode: number): FileWork<number> {
  const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  // A clone of what nobody may write may not be written either.
  if (exists) return yield* call('staging', 'open', to.shown, () => openSync(to.path, O_RDONLY | O_NOFOLLOW))
  const flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW
  return yield* call('staging', 'create', to.shown, () => openSync(to.path, flags, mode))
}

/** False: this file system does not share blocks; nothing was made. */
function* clone(fd: number, to: At): FileWork<boolean> {
  const flags = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE
  try {
    yield* call('staging', 'clone', to.shown, () => copyFileSync(`/proc/self/fd/${fd}`, to.path, flags))
    return true
  } catch (error) {
    if (!isErrno(error, ...CANNOT_CLONE)) throw error
    // It makes the file before it finds out.
    try {
      yield* call('staging', 'unlink', to.shown, () => unlinkSync(to.path))
    } catch (gone) {
      if (!isErrno(gone, 'ENOENT')) throw gone
    }
    return false
  }
}

/** A clone's bytes are judged where they are now. */
function* judgeClone(fd: number, { from, to, expected }: SmallFile, buffer: Buffer): FileWork<number> {
  const count = yield* readWhole('staging', fd, to.shown, -1, buffer)
  judge(from.shown, expected, buffer.subarray(0, count))
  return count
}

function* transfer(
  source: Opened,
  target: number,
  { from, to, expected }: SmallFile,
  buffer: Buffer,
): FileWork<number> {
  const count = yield* readWhole('prod', source.fd, from.shown, source.stat.size, buffer)
  const bytes = buffer.subarray(0, count)
  let changed = count !== source.stat.size
  // What a digest of the whole file proves, need not be proved by its times.
  if (!changed && expected.checksums.length === 0) {
    const after = yield* call('prod', 'fstat', from.shown, () => fstatSync(source.fd))
    changed = after.size !== source.stat.size || after.mtimeMs !== source.stat.mtimeMs
  }
  if (changed)
    throw new AgainError('STORAGE_CHANGED', `${from.shown} changed while it was read`, {
      detail: { path: from.shown },
    })
  judge(from.shown, expected, bytes)
  yield* call('staging', 'pwrite', to.shown, () => {
    for (let done = 0; done < count; ) done += writeSync(target, bytes, done, count - done, done)
  })
  return count
}

function* readWhole(
  side: 'prod' | 'staging',
  fd: number,
  shown: string,
  size: number,
  buffer: Buffer,
): FileWork<number> {
  return yield* call(side, 'pread', shown, () => {
    let filled = 0
    while (filled < buffer.length) {
      const count = readSync(fd, buffer, filled, buffer.length - filled, filled)
      if (count === 0) break
      filled += count
      // Short, and all that there was when it was opened: its end.
      if (filled === size) break
    }
    return filled
  })
}

function judge(shown: string, expected: Expected, bytes: Buffer): void {
  const verifier = new Verifier(shown, expected)
  verifier.update(bytes)
  verifier.end()
}

/**
 * Mode, time, and the owner last: who has given a file away may not change it any more. Files that are made in one directory are born
 * alike, so that only the first is asked; a clone has the mode of what it is of.
 */
function* finish(
  { owner }: SmallJob,
  known: Map<string, Needs>,
  { to }: SmallFile,
  fd: number,
  mtime: number,
  cloned: boolean,
): FileWork<void> {
  const directory = to.path.slice(0, to.path.lastIndexOf('/'))
  let needs = cloned ? undefined : known.get(directory)
  if (needs === undefined) {
    const made = yield* call('staging', 'fstat', to.shown, () => fstatSync(fd))
    needs = {
      uid: made.uid,
      give: made.uid !== Number(owner.uid) || made.gid !== Number(owner.gid),
      mode: (made.mode & 0o7777) !== owner.fileMode,
    }
    if (!cloned) known.set(directory, needs)
  }
  if (needs.mode) yield* call('staging', 'fchmod', to.shown, () => fchmodSync(fd, owner.fileMode))
  yield* call('staging', 'futimes', to.shown, () => futimesSync(fd, mtime, mtime))
  if (needs.give) {
    try {
      yield* call('staging', 'fchown', to.shown, () => fchownSync(fd, Number(owner.uid), Number(owner.gid)))
    } catch (error) {
      assertOwned(error, to.shown, BigInt(needs.uid), owner)
    }
  }
}
