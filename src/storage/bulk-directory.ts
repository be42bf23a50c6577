import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  type Stats,
} from 'node:fs'
import { hiddenName } from './directory.ts'
import { errnoOf } from './errno.ts'

const OPEN = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

/**
 * An open directory of staging's tree, as `Directory` is, by calls that are made at once: for very many of them, since a call that goes
 * through a thread costs ten times as much. Closed by its user.
 */
export class BulkDirectory {
  readonly fd: number
  readonly stat: Stats
  /** made by us a moment ago: nothing is in it */
  readonly isNew: boolean
  readonly #births: Births

  private constructor(fd: number, births: Births, isNew: boolean) {
    this.fd = fd
    this.#births = births
    this.isNew = isNew
    this.stat = fstatSync(fd)
  }

  /** Null: it is not there, or a link is on the way. Throws what the file system says otherwise. */
  static open(path: string, births: Births): BulkDirectory | null {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return null
    const fd = openSync(path, OPEN)
    // The handle's own path, from the kernel: equal only when no component was a link.
    if (readlinkSync(`/proc/self/fd/${fd}`) === path) return new BulkDirectory(fd, births, false)
    closeSync(fd)
    return null
  }

  /** Path of what is in it, through the handle. */
  at(name: string): string {
    return `/proc/self/fd/${this.fd}/${name}`
  }

  /** Opens a directory in it, made where it is missing, as this one is. Null: it could not be made so. Throws where it is a link. */
  child(name: string): BulkDirectory | null {
    const at = this.at(name)
    // Looked for first: an exception costs more than a few calls, and most are missing.
    if (!this.isNew && lstatSync(at, { throwIfNoEntry: false }) !== undefined)
      return new BulkDirectory(openSync(at, OPEN), this.#births, false)
    if (this.#births.areRight(this.stat)) {
      mkdirSync(at, this.#mode & 0o777)
      const made = new BulkDirectory(openSync(at, OPEN), this.#births, true)
      if (this.#isLike(made.stat)) return made
      made.close()
      rmdirSync(at)
    }
    return this.#make(name) ? new BulkDirectory(openSync(at, OPEN), this.#births, true) : null
  }

  get #mode(): number {
    return this.stat.mode & 0o7777
  }

  #isLike(made: Stats): boolean {
    return made.uid === this.stat.uid && made.gid === this.stat.gid && (made.mode & 0o7777) === this.#mode
  }

  /** Whose a link is that we have made in it: asked once of a file system, which may have its own mind (NFS). */
  ownerOfNew(name: string): number {
    return this.#births.owner(this.stat, () => lstatSync(this.at(name)).uid)
  }

  close(): void {
    closeSync(this.fd)
  }

  /** Under another name first, as `Directory.make` does: what staging's hub cannot write in is never seen. False, and nothing is left: it would not be as this one. */
  #make(name: string): boolean {
    const hidden = this.at(hiddenName(name, 'new'))
    mkdirSync(hidden, this.#mode & 0o777)
    try {
      const born = lstatSync(hidden)
      if (this.#isLike(born)) this.#births.note(this.stat)
      // The owner last: who has given a directory away may not change it any more.
      if ((born.mode & 0o7777) !== this.#mode) chmodSync(hidden, this.#mode)
      if (born.uid !== this.stat.uid || born.gid !== this.stat.gid)
        lchownSync(hidden, this.stat.uid, this.stat.gid)
      if (this.#isLike(lstatSync(hidden))) {
        renameSync(hidden, this.at(name))
        return true
      }
    } catch (error) {
      if (errnoOf(error) === null) throw error
    }
    rmdirSync(hidden)
    return false
  }
}

/** What is known of how things are born: in which directories one is at once as they are (those like one in which it was), and whose it is. */
export class Births {
  readonly #right = new Set<string>()
  readonly #owners = new Map<number, number>()

  owner({ dev }: Stats, look: () => number): number {
    const known = this.#owners.get(dev) ?? look()
    this.#owners.set(dev, known)
    return known
  }

  areRight(above: Stats): boolean {
    return this.#right.has(keyOf(above))
  }

  note(above: Stats): void {
    this.#right.add(keyOf(above))
  }
}

function keyOf({ dev, uid, gid, mode }: Stats): string {
  return `${dev} ${uid} ${gid} ${mode}`
}
