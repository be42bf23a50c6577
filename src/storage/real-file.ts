import type { BigIntStats } from 'node:fs'
import { AgainError } from '../errors.ts'
import type { BytesReader, BytesWriter } from './copy-calls.ts'
import { type Directory, ownerError } from './directory.ts'
import { isErrno } from './errno.ts'

const CHUNK_BYTES = 1024 * 1024
const MODE = 0o644
const GROUP_WRITE = 0o020n

/**
 * Copies a file of prod, seen as `like` a moment ago, to a free name of a directory; with the owner of that directory, and prod's time.
 * What it throws leaves the name unfinished. Throws AgainError STORAGE_RACE when prod's file is another one, or changes meanwhile.
 */
export async function copyReal(
  prod: BytesReader,
  from: { readonly path: string; readonly like: BigIntStats },
  staging: BytesWriter,
  to: { readonly directory: Directory; readonly name: string; readonly fsync: boolean },
): Promise<void> {
  const source = await prod.openFile(from.path, { follow: false }).catch((error: unknown) => {
    throw isErrno(error, 'ENOENT', 'ELOOP', 'ENOTDIR', 'ENXIO') ? changed(from.path) : error
  })
  try {
    assertSame(from.path, from.like, await prod.fstat(source, from.path))
    const at = to.directory.at(to.name)
    const target = await staging.create(at, MODE)
    try {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Number(from.like.size) + 1))
      for (let position = 0; ; ) {
        const count = await prod.pread(source, from.path, buffer, position)
        if (count === 0) break
        await staging.pwrite(target, at.shown, buffer.subarray(0, count), position)
        position += count
      }
      assertSame(from.path, from.like, await prod.fstat(source, from.path))
      const made = await staging.fstat(target, at.shown)
      if (made.size !== from.like.size) throw changed(from.path)
      const parent = staging.madeIn(await to.directory.stat())
      // The owner last: who has given a file away may not change it any more.
      if ((made.mode & 0o7777n) !== BigInt(MODE)) await staging.fchmod(target, at.shown, MODE)
      await staging.futimes(target, at.shown, Number(from.like.mtimeNs / 1_000_000_000n))
      if (made.uid !== parent.uid || made.gid !== parent.gid) {
        try {
          await staging.fchown(target, at.shown, Number(parent.uid), Number(parent.gid))
        } catch (error) {
          if (!isErrno(error, 'EPERM')) throw error
          if (made.uid !== parent.uid && (parent.mode & GROUP_WRITE) === 0n)
            throw ownerError(at.shown, parent.uid, error)
        }
      }
      if (to.fsync) await staging.sync(target, at.shown)
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** True when two files begin with the same bytes, as far as the headers of a signature reach. */
export async function beginAlike(
  left: { readonly files: BytesReader; readonly path: string },
  right: { readonly files: BytesReader; readonly path: string },
): Promise<boolean> {
  const [a, b] = [await begin(left), await begin(right)]
  return a !== null && b !== null && a.equals(b)
}

async function begin({
  files,
  path,
}: {
  readonly files: BytesReader
  readonly path: string
}): Promise<Buffer | null> {
  try {
    const handle = await files.openFile(path, { follow: false })
    try {
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
      let filled = 0
      while (filled < buffer.length) {
        const count = await files.pread(handle, path, buffer.subarray(filled), filled)
        if (count === 0) break
        filled += count
      }
      return buffer.subarray(0, filled)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ELOOP', 'ENOTDIR', 'ENXIO', 'EISDIR')) return null
    throw error
  }
}

function assertSame(path: string, before: BigIntStats, now: BigIntStats): void {
  const same =
    now.isFile() &&
    now.dev === before.dev &&
    now.ino === before.ino &&
    now.size === before.size &&
    now.mtimeNs === before.mtimeNs
  if (!same) throw changed(path)
}

function changed(path: string): AgainError {
  return new AgainError('STORAGE_RACE', `${path} changed while it was read`, { detail: { path } })
}
