import { createHash, randomBytes } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { KeyError } from '../errors.ts'
import { FileError, isErrno, orNull } from './errno.ts'
import type { At, TreeWriter } from './files.ts'

const GROUP_WRITE = 0o020n

/** What a directory is to be like. */
type Surroundings = ReturnType<TreeWriter['madeIn']>

/**
 * An open directory of staging's tree. Everything goes through the handle (`/proc/self/fd/N/name`), so a component
 * that somebody swaps for a link after we looked is never followed: what was proved of the handle stays true.
 * What is left of the race: the directory itself may be moved or removed meanwhile. Then our calls fail with ENOENT, or the
 * last look by path, at the end of placing, does not find what was placed.
 */
export class Directory {
  /** Real path, without any link in it. */
  readonly path: string
  readonly #files: TreeWriter
  readonly #handle: FileHandle
  #stat: Promise<BigIntStats> | undefined

  private constructor(path: string, handle: FileHandle, files: TreeWriter) {
    this.path = path
    this.#handle = handle
    this.#files = files
  }

  /**
   * Opens the directory at `root` + `names`. Null: it, or a directory above it, is not there. Throws KeyError STORAGE_CLASH when
   * a component below `root` is a link or no directory. `root` must be a real path.
   */
  static async open(files: TreeWriter, root: string, names: readonly string[]): Promise<Directory | null> {
    const directory = await Directory.openIfThere(files, root, names)
    // Missing, or behind a link that leads nowhere.
    if (directory === null) await assertDirectories(files, root, names)
    return directory
  }

  /** The same; null also where a link on the way leads nowhere. */
  static async openIfThere(
    files: TreeWriter,
    root: string,
    names: readonly string[],
  ): Promise<Directory | null> {
    const path = [root, ...names].join('/')
    const handle = await openOrNull(files, path, root, names)
    if (handle === null) return null
    const directory = new Directory(path, handle, files)
    // The handle's own path, from the kernel: equal only when no component was a link.
    const real = await directory.#closing(() =>
      files.readlink({ path: `/proc/self/fd/${handle.fd}`, shown: path }),
    )
    if (real === path) return directory
    await handle.close()
    if (real === `${path} (deleted)`) return null
    await assertDirectories(files, root, names)
    throw vanished(path)
  }

  at(name: string): At {
    return { path: `/proc/self/fd/${this.#handle.fd}/${name}`, shown: `${this.path}/${name}` }
  }

  /** Device and inode, owner and mode of the directory itself, as they were at the first look. */
  stat(): Promise<BigIntStats> {
    const at = { path: `/proc/self/fd/${this.#handle.fd}`, shown: this.path }
    this.#stat ??= this.#files.stat(at)
    return this.#stat
  }

  /** Opens a directory in it. Null: not there. Throws KeyError STORAGE_CLASH when it is a link or no directory. */
  async child(name: string): Promise<Directory | null> {
    try {
      const handle = await orNull(this.#files.openDirectory(this.at(name)))
      return handle === null ? null : new Directory(`${this.path}/${name}`, handle, this.#files)
    } catch (error) {
      if (!isErrno(error, 'ENOTDIR', 'ELOOP')) throw error
      throw await clashAt(this.#files, this.at(name))
    }
  }

  /**
   * Makes a directory with the owner and mode of this one (or the configured ones), so that staging's hub can work in it. It gets them under another
   * name first: a crash leaves no directory that the hub cannot write. That name is always the same, so the next try clears it
   * without listing what may be a directory of 20,000 packages. False: somebody else has made it.
   */
  async make(name: string): Promise<boolean> {
    const temporary = this.at(unfinishedName(name))
    try {
      await this.#makeAt(temporary)
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
      await this.clearUnfinished(name)
      await this.#makeAt(temporary)
    }
    return this.#moveIn(temporary, name)
  }

  /** The same, unfinished in another directory of this file system, whose few names somebody looks through. */
  async makeBy(above: Directory, name: string): Promise<boolean> {
    const temporary = above.at(temporaryName(name))
    await this.#makeAt(temporary)
    return this.#moveIn(temporary, name)
  }

  async #moveIn(temporary: At, name: string): Promise<boolean> {
    try {
      await this.#files.rename(temporary, this.at(name))
      return true
    } catch (error) {
      await this.#files.rmdir(temporary).catch(() => {})
      if (isErrno(error, 'ENOTEMPTY', 'EEXIST')) return false
      throw error
    }
  }

  /** The same at once under its name, for a directory that nobody sees yet; opened. */
  async makeHidden(name: string): Promise<Directory> {
    await this.#makeAt(this.at(name))
    const made = await this.child(name)
    if (made !== null) return made
    throw vanished(`${this.path}/${name}`)
  }

  async #makeAt(at: At): Promise<void> {
    const wanted = this.#files.madeIn(await this.stat())
    await this.#files.mkdir(at, Number(wanted.mode & 0o777n))
    try {
      const made = await this.#files.lstat(at)
      // The mode first: who has given a directory away may not change it any more.
      const born = modeOf(made) === wanted.mode ? made : await this.#setMode(at, made, wanted)
      if (born.uid !== wanted.uid || born.gid !== wanted.gid) await this.#give(at, born, wanted)
    } catch (error) {
      await this.#files.rmdir(at).catch(() => {})
      throw error
    }
  }

  /**
   * The setgid bit is dropped, without a word, where the directory belongs to a group that we are not in (inode(7)): such a one is of
   * our own group for as long. Gives back what then stands.
   */
  async #setMode(at: At, made: BigIntStats, wanted: Surroundings): Promise<BigIntStats> {
    await this.#files.chmod(at, Number(wanted.mode))
    const now = await this.#files.lstat(at)
    if (modeOf(now) === wanted.mode) return now
    await this.#files.lchown(at, Number(made.uid), process.getegid?.() ?? Number(made.gid))
    await this.#files.chmod(at, Number(wanted.mode))
    return this.#files.lstat(at)
  }

  /**
   * Staging's hub must be able to work in it: as its owner, or by the group bits, which may be those of an ACL. Who may give nothing away
   * can still give the group, being in it. Throws KeyError STORAGE_OWNER where neither will do.
   */
  async #give(at: At, made: BigIntStats, wanted: Surroundings): Promise<void> {
    try {
      await this.#files.lchown(at, Number(wanted.uid), Number(wanted.gid))
    } catch (error) {
      if (!isErrno(error, 'EPERM')) throw error
      if (made.uid !== wanted.uid && (wanted.mode & GROUP_WRITE) === 0n)
        throw ownerError(at.shown, wanted.uid, error)
      await this.#files.lchown(at, Number(made.uid), Number(wanted.gid)).catch((denied: unknown) => {
        if (!isErrno(denied, 'EPERM')) throw denied
      })
    }
  }

  /** Takes away what a crash left of an earlier `make(name)`. */
  async clearUnfinished(name: string): Promise<void> {
    await orNull(this.#files.rmdir(this.at(unfinishedName(name))))
  }

  /** Takes away what a crash left of earlier links to be at `name`. For directories with few names. */
  async sweep(name: string): Promise<void> {
    const prefix = temporaryPrefix(name)
    const names = await this.#files.list(this.at('.'), Number.POSITIVE_INFINITY)
    for (const stray of names.filter((other) => other.startsWith(prefix))) {
      const at = this.at(stray)
      if ((await orNull(this.#files.lstat(at)))?.isSymbolicLink() === true)
        await orNull(this.#files.unlink(at))
    }
  }

  sync(): Promise<void> {
    return this.#files.sync(this.#handle, this.path)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }

  async #closing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      await this.#handle.close()
      throw error
    }
  }
}

function modeOf({ mode }: BigIntStats): bigint {
  return mode & 0o7777n
}

/** A name that nobody else uses, short enough for any `name`, and known again by `sweep`. */
export function temporaryName(name: string): string {
  return `${temporaryPrefix(name)}${randomBytes(4).toString('hex')}`
}

/** What any of the names here begin with. No name of Koji's does. */
export function isTemporaryName(name: string): boolean {
  return name.startsWith('.kss-')
}

/** A hidden name beside `name`, always the same for one use, so that the next try finds what a crash left. */
export function hiddenName(name: string, use: string): string {
  return `${temporaryPrefix(name)}${use}`
}

function unfinishedName(name: string): string {
  return `${temporaryPrefix(name)}new`
}

function temporaryPrefix(name: string): string {
  return `.kss-${createHash('sha256').update(name).digest('hex').slice(0, 16)}-`
}

/** What stays unlike its surroundings because we may not give files away. */
export function ownerError(path: string, uid: bigint, cause: unknown): KeyError {
  const text = `${path} must belong to user id ${uid}, and this process may not give files away; run it as that user or with CAP_CHOWN`
  return new KeyError('STORAGE_OWNER', text, { detail: { path, uid: Number(uid) }, cause })
}

async function openOrNull(
  files: TreeWriter,
  path: string,
  root: string,
  names: readonly string[],
): Promise<FileHandle | null> {
  try {
    return await orNull(files.openDirectory(path))
  } catch (error) {
    if (!isErrno(error, 'ENOTDIR', 'ELOOP')) throw error
    await assertDirectories(files, root, names)
    throw vanished(path)
  }
}

/** Throws KeyError STORAGE_CLASH naming the first component that is there and is no real directory. */
async function assertDirectories(files: TreeWriter, root: string, names: readonly string[]): Promise<void> {
  let path = root
  for (const name of names) {
    path = `${path}/${name}`
    const found = await orNull(files.lstat(path))
    if (found === null) return
    if (!found.isDirectory()) throw await clashAt(files, { path, shown: path })
  }
}

/** It was a link a moment ago and is none now: look again. */
function vanished(path: string): FileError {
  return new FileError('staging', 'open', path, 'ENOENT', undefined)
}

async function clashAt(files: TreeWriter, at: At): Promise<KeyError> {
  const text = await files.readlink(at).catch(() => null)
  const what = text === null ? 'no directory' : `a link to ${JSON.stringify(text)}`
  return new KeyError('STORAGE_CLASH', `${at.shown} is ${what}; only a real directory is followed there`, {
    detail: { path: at.shown, link: text },
  })
}
