import type { FileHandle } from 'node:fs/promises'
import { KeyError } from '../errors.ts'
import type { BytesReader, BytesWriter } from './copy-calls.ts'
import type { Transfers } from './copy-limits.ts'
import { judge, pumped } from './copy-pump.ts'
import type { LocalFile, OpenFile } from './copy-source.ts'
import type { Copier } from './crew.ts'
import { ownerError } from './directory.ts'
import { isErrno } from './errno.ts'
import type { At } from './files.ts'
import { assertWanted } from './stop.ts'
import { type Expected, Verifier } from './verify-bytes.ts'

/** Owner, group and permission bits of what is written, and the device that it is written to. */
export interface Ownership {
  readonly device: bigint
  readonly uid: bigint
  readonly gid: bigint
  readonly fileMode: number
}

export interface CopyOptions {
  readonly writer: BytesWriter
  /** reads back what was written by sharing */
  readonly reader: BytesReader
  readonly transfers: Transfers
  /** reads, judges and copies what lies on a disk of ours */
  readonly copier: Copier
  readonly sharing: Sharing
  readonly fsync: boolean
  /** told of bytes that were written, not shared */
  readonly onWritten: (bytes: number) => void
  /** told of bytes that need no room any more: written, piece by piece, or shared */
  readonly onTaken: (bytes: number) => void
  /** says when what is not there yet is not wanted any more */
  readonly signal: AbortSignal | undefined
}

/** How a file's bytes may be shared with prod's instead of copied. */
export interface Sharing {
  readonly reflink: boolean
  /** also by another name of the same file, where that cannot be written through */
  readonly hardlink: boolean
  /** pairs of devices that cannot share blocks, found out once */
  readonly unshared: Set<string>
}

/** What now stands in staging. */
export interface Written {
  readonly size: bigint
  /** seconds since 1970 */
  readonly mtime: number
}

/**
 * Brings one file to a name that is free, and judges its bytes on the way. What it throws leaves the file unfinished: the caller takes
 * that away. Throws what `Verifier` does, and StopError.
 */
export async function copyFileTo(
  options: CopyOptions,
  from: OpenFile,
  to: At,
  expected: Expected,
  owner: Ownership,
  immutable: boolean,
): Promise<Written> {
  if (immutable && (await linkTo(options, from, to, expected))) {
    options.onTaken(Number(from.size ?? 0))
    return { size: from.size ?? 0n, mtime: from.mtime ?? 0 }
  }
  if (await cloneTo(options, from, to, owner)) {
    options.onTaken(Number(from.size ?? 0))
    return judgeClone(options, from, to, expected, owner)
  }
  if (from.local !== null && !options.transfers.capped)
    return pumpTo(options, { ...from, local: from.local }, to, expected, owner)
  return writeTo(
    options,
    { chunks: from.chunks(), shown: from.shown, mtime: from.mtime },
    to,
    expected,
    owner,
  )
}

/** Writes pieces to a new file. The errors of the tree that it is in, and those of `Verifier`. */
export async function writeTo(
  { writer, transfers, fsync, onWritten, onTaken, signal }: CopyOptions,
  from: { readonly chunks: AsyncIterable<Buffer>; readonly shown: string; readonly mtime: number | null },
  to: At,
  expected: Expected,
  owner: Ownership,
): Promise<Written> {
  const verifier = new Verifier(from.shown, expected)
  const handle = await writer.create(to, owner.fileMode)
  try {
    let position = 0
    for await (const chunk of from.chunks) {
      if (transfers.capped) await transfers.take(chunk.length, signal)
      assertWanted(signal)
      // Judged while it is written; a file with wrong bytes is gone before anyone sees it.
      const written = writer.pwrite(handle, to.shown, chunk, position)
      try {
        verifier.update(chunk)
      } finally {
        await written
      }
      position += chunk.length
      onTaken(chunk.length)
    }
    verifier.end()
    onWritten(position)
    return { size: verifier.bytes, mtime: await finish(writer, handle, to, owner, from.mtime, fsync) }
  } finally {
    await handle.close()
  }
}

/** What lies on a disk of ours, to a new file, by whoever copies best. */
async function pumpTo(
  options: CopyOptions,
  from: Pick<OpenFile, 'shown' | 'mtime'> & { readonly local: LocalFile },
  to: At,
  expected: Expected,
  owner: Ownership,
): Promise<Written> {
  const { writer, fsync, onWritten } = options
  const { fd, assertSame } = from.local
  const handle = await writer.create(to, owner.fileMode)
  try {
    const source = { fd, side: 'prod', shown: from.shown } as const
    const size = await pumped(
      options,
      source,
      { fd: handle.fd, shown: to.shown },
      from.shown,
      expected,
    ).catch(async (error: unknown) => {
      // Wrong because it changed meanwhile: not prod's last word.
      if (error instanceof KeyError) await assertSame(null)
      throw error
    })
    await assertSame(size)
    onWritten(Number(size))
    return { size, mtime: await finish(writer, handle, to, owner, from.mtime, fsync) }
  } finally {
    await handle.close()
  }
}

/** Mode, time, and the owner last: who has given a file away may not change it any more. Then whether it outlives a loss of power. */
async function finish(
  writer: BytesWriter,
  handle: FileHandle,
  to: At,
  owner: Ownership,
  mtime: number | null,
  fsync: boolean,
): Promise<number> {
  const made = await writer.fstat(handle, to.shown)
  if (Number(made.mode & 0o7777n) !== owner.fileMode) await writer.fchmod(handle, to.shown, owner.fileMode)
  const time = mtime ?? Math.floor(Number(made.mtimeMs) / 1000)
  await writer.futimes(handle, to.shown, time)
  if (made.uid !== owner.uid || made.gid !== owner.gid) await give(writer, handle, to, owner, made.uid)
  if (fsync) await writer.sync(handle, to.shown)
  return time
}

async function give(
  writer: BytesWriter,
  handle: FileHandle,
  to: At,
  owner: Ownership,
  uid: bigint,
): Promise<void> {
  try {
    await writer.fchown(handle, to.shown, Number(owner.uid), Number(owner.gid))
  } catch (error) {
    assertOwned(error, to.shown, uid, owner)
  }
}

/**
 * After a file could not be given away: the hub only reads these files, and deletes by what it may do in the directory. Throws KeyError
 * STORAGE_OWNER where it could not even read; what else it was given.
 */
export function assertOwned(
  error: unknown,
  shown: string,
  uid: bigint,
  owner: Pick<Ownership, 'uid' | 'fileMode'>,
): void {
  if (!isErrno(error, 'EPERM')) throw error
  if (uid !== owner.uid && (owner.fileMode & 0o044) === 0) throw ownerError(shown, owner.uid, error)
}

/** What a file system says that does not share blocks. */
export const CANNOT_CLONE = ['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY', 'EBADF'] as const

/** False: this file system does not share blocks; nothing was made. */
async function cloneTo(
  { writer, transfers, sharing }: CopyOptions,
  from: OpenFile,
  to: At,
  owner: Ownership,
): Promise<boolean> {
  if (!sharing.reflink || from.local === null || transfers.capped) return false
  const pair = `${from.local.stat.dev}>${owner.device}`
  if (sharing.unshared.has(pair)) return false
  try {
    await writer.clone({ path: from.local.path, shown: from.shown }, to)
    return true
  } catch (error) {
    // It makes the file before it finds out.
    await writer.unlink(to).catch(() => {})
    if (!isErrno(error, ...CANNOT_CLONE)) throw error
    sharing.unshared.add(pair)
    return false
  }
}

/** A clone's bytes are judged where they are now. */
async function judgeClone(
  options: CopyOptions,
  from: OpenFile,
  to: At,
  expected: Expected,
  owner: Ownership,
): Promise<Written> {
  const { writer, reader, fsync } = options
  const handle = await reader.openFile(to, { follow: false })
  try {
    const size = await judge(options, handle, to.shown, expected, from.shown)
    return { size, mtime: await finish(writer, handle, to, owner, from.mtime, fsync) }
  } finally {
    await handle.close()
  }
}

/**
 * Another name of prod's own file, where nobody could write prod's bytes through it as we see it: nobody's permission bits say so, on the
 * same file system. Never given an owner, mode or time: these are prod's. False: not done.
 */
async function linkTo(options: CopyOptions, from: OpenFile, to: At, expected: Expected): Promise<boolean> {
  const { writer, reader, sharing } = options
  if (!sharing.hardlink || from.local === null) return false
  const { stat, realPath } = from.local
  if ((stat.mode & 0o222n) !== 0n) return false
  try {
    await writer.link(realPath, to)
  } catch (error) {
    if (isErrno(error, 'EXDEV', 'EPERM', 'EMLINK', 'ENOENT', 'EOPNOTSUPP', 'ENOTSUP')) return false
    throw error
  }
  const handle = await reader.openFile(to, { follow: false })
  try {
    const made = await reader.fstat(handle, to.shown)
    // The path may have led elsewhere than the handle that was looked at.
    if (made.dev !== stat.dev || made.ino !== stat.ino) {
      await writer.unlink(to)
      return false
    }
    await judge(options, handle, to.shown, expected, from.shown)
    return true
  } finally {
    await handle.close()
  }
}
