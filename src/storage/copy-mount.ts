import type { BigIntStats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { AgainError, KeyError } from '../errors.ts'
import { type BuildPlace, buildDir, DEFAULT_VOLUME, isFileName, versionPath } from '../model/paths.ts'
import type { Step } from '../step.ts'
import { BytesReader } from './copy-calls.ts'
import type { BuildBytes, BytesSource, OpenFile, SourceDirectory } from './copy-source.ts'
import { isErrno, orNull } from './errno.ts'
import type { EntryKind } from './files.ts'
import { findSource, isWithin } from './prod-source.ts'

const CHUNK_BYTES = 1024 * 1024
/** Directories of a build's logs go no deeper. */
const MAX_DEPTH = 8

/** Bytes from prod's tree as it is mounted here. */
export class MountSource implements BytesSource {
  readonly #files: BytesReader
  readonly #topdir: string

  get shown(): string {
    return this.#topdir
  }

  constructor(options: { readonly prodTopdir: string; readonly step: Step }) {
    this.#files = new BytesReader({ side: 'prod', step: options.step })
    this.#topdir = options.prodTopdir
  }

  async probe(): Promise<void> {
    await this.#files.stat(`${this.#topdir}/packages`)
  }

  async build(place: BuildPlace): Promise<BuildBytes | null> {
    const source = await findSource(this.#files, this.#topdir, place)
    if (source === null) return null
    const path = buildDir(this.#topdir, source.place)
    const inodes = await this.#inodes(source.place)
    return new MountedBuild(this.#files, path, source.inside, inodes.add(`${source.device}:${source.inode}`))
  }

  /** `device:inode` of every directory on the way to the build, and on the way to where the default volume has it. */
  async #inodes(place: BuildPlace): Promise<Set<string>> {
    const inodes = new Set<string>()
    for (const volume of new Set([place.volume, DEFAULT_VOLUME])) {
      const names = versionPath({ ...place, volume })
      for (let depth = 0; depth <= names.length; depth++) {
        const found = await orNull(this.#files.stat([this.#topdir, ...names.slice(0, depth)].join('/')))
        if (found === null) break
        inodes.add(`${found.dev}:${found.ino}`)
      }
    }
    return inodes
  }
}

class MountedBuild implements BuildBytes {
  readonly shown: string
  readonly inodes: ReadonlySet<string>
  readonly #files: BytesReader
  readonly #inside: readonly string[]

  constructor(files: BytesReader, path: string, inside: readonly string[], inodes: ReadonlySet<string>) {
    this.#files = files
    this.#inside = inside
    this.shown = path
    this.inodes = inodes
  }

  async open(names: readonly string[]): Promise<OpenFile | null> {
    const shown = [this.shown, ...names].join('/')
    const handle = await this.#openOrNull(shown)
    if (handle === null) return null
    try {
      const stat = await this.#files.fstat(handle, shown)
      if (!stat.isFile())
        throw new KeyError('STORAGE_NO_FILE', `${shown} is no plain file`, { detail: { path: shown } })
      // The handle's own path, from the kernel: where all links on the way have led.
      const realPath = await this.#files.readlink({ path: `/proc/self/fd/${handle.fd}`, shown })
      if (!this.#isInside(realPath))
        throw new KeyError(
          'STORAGE_SOURCE_OUTSIDE',
          `${shown} is really ${realPath}, outside of prod's tree`,
          {
            detail: { path: shown, real: realPath },
          },
        )
      return new MountedFile({ files: this.#files, handle, shown, stat, realPath })
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  async directory(names: readonly string[]): Promise<SourceDirectory | null> {
    const shown = [this.shown, ...names].join('/')
    const handle = await this.#openOrNull(shown)
    if (handle === null) return null
    try {
      const stat = await this.#files.fstat(handle, shown)
      const path = `/proc/self/fd/${handle.fd}`
      if (stat.isDirectory() && this.#isInside(await this.#files.readlink({ path, shown })))
        return {
          at: (name) => ({ path: `${path}/${name}`, shown: `${shown}/${name}` }),
          device: stat.dev,
          close: () => handle.close(),
        }
      await handle.close()
      return null
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Links are not followed, and names that are no names left out. */
  async list(names: readonly string[], limit: number): Promise<readonly (readonly string[])[]> {
    const found: (readonly string[])[] = []
    const walk = async (at: readonly string[]): Promise<void> => {
      const path = [this.shown, ...at].join('/')
      for (const { name, kind } of (await orNull(this.#files.entries(path, limit))) ?? []) {
        if (found.length >= limit) return
        if (!isFileName(name)) continue
        const known = kind ?? (await this.#kindOf(`${path}/${name}`))
        if (known === 'file') found.push([...at, name])
        else if (known === 'directory' && at.length < MAX_DEPTH) await walk([...at, name])
      }
    }
    const top = await orNull(this.#files.lstat([this.shown, ...names].join('/')))
    if (top?.isDirectory() === true) await walk(names)
    return found
  }

  async close(): Promise<void> {}

  /** Where the directory does not tell. */
  async #kindOf(path: string): Promise<EntryKind> {
    const stat = await orNull(this.#files.lstat(path))
    if (stat?.isFile() === true) return 'file'
    return stat?.isDirectory() === true ? 'directory' : 'other'
  }

  #isInside(realPath: string): boolean {
    return this.#inside.some((top) => isWithin(realPath, top))
  }

  async #openOrNull(path: string): Promise<FileHandle | null> {
    try {
      return await this.#files.openFile(path, { follow: true })
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return null
      // A socket, or a FIFO's like.
      if (isErrno(error, 'ENXIO', 'ENODEV'))
        throw new KeyError('STORAGE_NO_FILE', `${path} is no plain file`, { detail: { path }, cause: error })
      throw error
    }
  }
}

class MountedFile implements OpenFile {
  readonly shown: string
  readonly size: bigint
  readonly mtime: number
  readonly local: NonNullable<OpenFile['local']>
  readonly #files: BytesReader
  readonly #handle: FileHandle

  constructor(of: {
    files: BytesReader
    handle: FileHandle
    shown: string
    stat: BigIntStats
    realPath: string
  }) {
    this.#files = of.files
    this.#handle = of.handle
    this.shown = of.shown
    this.size = of.stat.size
    this.mtime = Number(of.stat.mtimeMs) / 1000
    const { fd } = of.handle
    this.local = {
      fd,
      path: `/proc/self/fd/${fd}`,
      realPath: of.realPath,
      stat: of.stat,
      assertSame: (bytes) => this.#assertSame(bytes),
    }
  }

  /** Throws AgainError STORAGE_CHANGED when the file is not the same at the end as at the beginning. */
  async *chunks(): AsyncIterable<Buffer> {
    const bytes = Math.min(CHUNK_BYTES, Number(this.size) + 1)
    // The next piece is read while the last one is judged and written.
    const buffers = [Buffer.allocUnsafe(bytes), Buffer.allocUnsafe(bytes)]
    const read = (turn: number, at: number) =>
      this.#files.pread(this.#handle, this.shown, buffers[turn % 2] as Buffer, at)
    let position = 0
    let next = read(0, 0)
    for (let turn = 0; ; turn++) {
      const count = await next
      if (count === 0) break
      position += count
      const isAll = BigInt(position) === this.size && count < bytes
      next = isAll ? Promise.resolve(0) : read(turn + 1, position)
      next.catch(() => {})
      yield (buffers[turn % 2] as Buffer).subarray(0, count)
    }
    await this.#assertSame(BigInt(position))
  }

  async #assertSame(bytes: bigint | null): Promise<void> {
    const after = await this.#files.fstat(this.#handle, this.shown)
    const { stat } = this.local
    const isSame = after.size === stat.size && after.mtimeNs === stat.mtimeNs
    if (isSame && (bytes === null || bytes === stat.size)) return
    throw new AgainError('STORAGE_CHANGED', `${this.shown} changed while it was read`, {
      detail: { path: this.shown },
    })
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
