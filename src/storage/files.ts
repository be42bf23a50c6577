import { type BigIntStats, constants, type Dirent, type StatsFs } from 'node:fs'
import {
  access,
  chmod,
  type FileHandle,
  lchown,
  lstat,
  mkdir,
  open,
  opendir,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rmdir,
  stat,
  statfs,
  symlink,
  unlink,
} from 'node:fs/promises'
import type { Step } from '../step.ts'
import { errnoOf, FileError, type Side } from './errno.ts'

export interface FilesOptions {
  readonly side: Side
  readonly step: Step
  readonly made?: Made
}

/** Owner, group and permission bits of what is made in staging's tree; null: as the directory above. */
export interface Made {
  readonly uid: number | null
  readonly gid: number | null
  readonly directoryMode: number | null
}

const AS_ABOVE: Made = { uid: null, gid: null, directoryMode: null }

/** A path to act on, and how to name it where that path goes through a handle. */
export interface At {
  readonly path: string
  readonly shown: string
}

/** What a name in a directory stands for; a link is never followed. */
export type EntryKind = 'file' | 'directory' | 'other'

/** Calls that look at a tree and change nothing: all that prod's tree ever gets. Each passes the step seam. */
export class TreeReader {
  readonly #side: Side
  readonly #step: Step
  constructor(options: FilesOptions) {
    this.#side = options.side
    this.#step = options.step
  }

  lstat(at: At | string): Promise<BigIntStats> {
    return this.call('lstat', at, (path) => lstat(path, { bigint: true }))
  }

  /** Follows links. */
  stat(at: At | string): Promise<BigIntStats> {
    return this.call('stat', at, (path) => stat(path, { bigint: true }))
  }

  readlink(at: At | string): Promise<string> {
    return this.call('readlink', at, (path) => readlink(path))
  }

  realpath(at: At | string): Promise<string> {
    return this.call('realpath', at, (path) => realpath(path))
  }

  /** Whole text of a small file (of /proc). */
  read(at: At | string): Promise<string> {
    return this.call('read', at, (path) => readFile(path, 'utf8'))
  }

  statfs(at: At | string): Promise<StatsFs> {
    return this.call('statfs', at, (path) => statfs(path))
  }

  /** Throws where the modes (R_OK, W_OK, X_OK) are not ours. */
  access(at: At | string, mode: number): Promise<void> {
    return this.call('access', at, (path) => access(path, mode))
  }

  /** Names in a directory, the first `limit` of them. */
  list(at: At | string, limit: number): Promise<string[]> {
    return this.call('list', at, async (path) => {
      if (limit === Number.POSITIVE_INFINITY) return readdir(path)
      const names: string[] = []
      for await (const entry of await opendir(path)) {
        names.push(entry.name)
        if (names.length >= limit) break
      }
      return names
    })
  }

  /** The same with what each is, as the directory tells it: `null` where it does not. */
  entries(at: At | string, limit: number): Promise<{ name: string; kind: EntryKind | null }[]> {
    return this.call('list', at, async (path) => {
      const found: { name: string; kind: EntryKind | null }[] = []
      for await (const entry of await opendir(path, { bufferSize: 256 })) {
        found.push({ name: entry.name, kind: kindOf(entry) })
        if (found.length >= limit) break
      }
      return found
    })
  }

  /** A handle on a directory; its last name must be no link. The caller closes it. */
  openDirectory(at: At | string): Promise<FileHandle> {
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
    return this.call('open', at, (path) => open(path, flags))
  }

  protected async call<T>(verb: string, at: At | string, work: (path: string) => Promise<T>): Promise<T> {
    const { path, shown } = typeof at === 'string' ? { path: at, shown: at } : at
    try {
      const gate = this.#step(`file.${verb}`, { side: this.#side, path: shown })
      if (gate !== undefined) await gate
      return await work(path)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === null) throw error
      throw new FileError(this.#side, verb, shown, errno, error)
    }
  }
}

/** The same and the calls that change something: for staging's tree only. */
export class TreeWriter extends TreeReader {
  readonly #made: Made

  constructor(options: FilesOptions) {
    super(options)
    this.#made = options.made ?? AS_ABOVE
  }

  /** Owner, group and permission bits that a directory in this one gets; a file has owner and group of them. */
  madeIn(above: BigIntStats): { readonly uid: bigint; readonly gid: bigint; readonly mode: bigint } {
    const { uid, gid, directoryMode } = this.#made
    return {
      uid: uid === null ? above.uid : BigInt(uid),
      gid: gid === null ? above.gid : BigInt(gid),
      mode: directoryMode === null ? above.mode & 0o7777n : BigInt(directoryMode),
    }
  }

  mkdir(at: At, mode: number): Promise<void> {
    return this.call('mkdir', at, async (path) => void (await mkdir(path, { mode })))
  }

  symlink(text: string, at: At): Promise<void> {
    return this.call('symlink', at, (path) => symlink(text, path))
  }

  /** Changes a link's or directory's own owner. */
  lchown(at: At, uid: number, gid: number): Promise<void> {
    return this.call('lchown', at, (path) => lchown(path, uid, gid))
  }

  chmod(at: At, mode: number): Promise<void> {
    return this.call('chmod', at, (path) => chmod(path, mode))
  }

  rename(from: At, to: At): Promise<void> {
    return this.call('rename', to, (path) => rename(from.path, path))
  }

  unlink(at: At): Promise<void> {
    return this.call('unlink', at, (path) => unlink(path))
  }

  /** Takes away an empty directory. */
  rmdir(at: At): Promise<void> {
    return this.call('rmdir', at, (path) => rmdir(path))
  }

  /** Makes what was done in a directory outlive a loss of power. */
  sync(handle: FileHandle, shown: string): Promise<void> {
    return this.call('sync', shown, () => handle.sync())
  }
}

function kindOf(entry: Dirent): EntryKind | null {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'directory'
  const known = entry.isSymbolicLink() || entry.isFIFO() || entry.isSocket() || entry.isBlockDevice()
  return known || entry.isCharacterDevice() ? 'other' : null
}
