import { SafetyError } from '../errors.ts'
import { Directory } from './directory.ts'
import type { TreeWriter } from './files.ts'

/** Lets builds of one process make directories one after the other; they often want the same ones. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn
  }
}

/** One attempt to change staging's tree: what it opened, and how to take back what it did. */
export class Work {
  readonly #files: TreeWriter
  readonly #root: string
  /** `device:inode` of directories of prod's tree: never to be written in, however they came to be here. */
  readonly #prod: ReadonlySet<string>
  readonly #turns: Turns
  readonly #opened: Directory[] = []
  /** those in which more is made, by their names */
  readonly #known = new Map<string, Directory>()
  readonly #undo: (() => Promise<unknown>)[] = []

  /** `root` is the real path of staging's tree. */
  constructor(files: TreeWriter, root: string, prod: ReadonlySet<string>, turns: Turns) {
    this.#turns = turns
    this.#files = files
    this.#root = root
    this.#prod = prod
  }

  /**
   * Opens a directory below the root, makes what is missing of it. Throws KeyError STORAGE_CLASH at a link on the way, SafetyError
   * STORAGE_INSIDE_PROD where prod's tree is mounted within staging's.
   */
  async directory(names: readonly string[]): Promise<Directory> {
    const known = this.#known.get(names.join('/'))
    if (known !== undefined) return known
    // What stands is opened at once; below the last one that does, one in the other: a link that leads nowhere is found there.
    const there = await Directory.openIfThere(this.#files, this.#root, names)
    if (there !== null) return this.#keep(there, names)
    const name = names.at(-1)
    // The root itself is never made: a missing one is a disk that is not mounted.
    if (name === undefined) throw new Error('unreachable: the root was looked at before')
    const parent = await this.directory(names.slice(0, -1))
    const made = await this.#turns.take(async () => {
      const other = await parent.child(name)
      await other?.close()
      return other === null && (await parent.make(name))
    })
    if (made) this.#undo.push(() => this.#files.rmdir(parent.at(name)))
    const child = await parent.child(name)
    if (child !== null) return this.#keep(child, names)
    // Gone again: somebody else took it away, being empty.
    this.#known.delete(names.slice(0, -1).join('/'))
    return this.directory(names)
  }

  /** To be run, last one first, when the attempt fails. */
  onFailure(undo: () => Promise<unknown>): void {
    this.#undo.push(undo)
  }

  /** Takes back what was done. What cannot be is left: the next attempt finds it. */
  async takeBack(): Promise<void> {
    for (const undo of this.#undo.reverse()) await undo().catch(() => {})
  }

  async close(): Promise<void> {
    for (const directory of this.#opened) await directory.close()
  }

  async #keep(directory: Directory, names: readonly string[]): Promise<Directory> {
    this.#opened.push(directory)
    const { dev, ino } = await directory.stat()
    if (!this.#prod.has(`${dev}:${ino}`)) {
      this.#known.set(names.join('/'), directory)
      return directory
    }
    const text = `${directory.path} is a directory of prod's tree; staging's tree must not hold prod's, nor be it`
    throw new SafetyError('STORAGE_INSIDE_PROD', text, { detail: { path: directory.path } })
  }
}
