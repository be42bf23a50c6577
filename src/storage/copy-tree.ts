import { SafetyError } from '../errors.ts'
import type { BytesWriter } from './copy-calls.ts'
import { unfinishedIn } from './copy-present.ts'
import { type Directory, temporaryName } from './directory.ts'
import { orNull } from './errno.ts'
import { removeTree } from './tree-removal.ts'

const EVERYTHING = Number.POSITIVE_INFINITY

/** A build's directory in staging, with those below it: opened by their handles, one in the other, no link followed. */
export class TargetTree {
  readonly top: Directory
  readonly #open = new Map<string, Promise<Directory>>()
  readonly #looks = new Map<string, Promise<Directory | null>>()
  /** `device:inode` of prod's directories: never to be written in, however they came to be here */
  readonly #guarded: ReadonlySet<string>

  constructor(top: Directory, guarded: ReadonlySet<string>) {
    this.top = top
    this.#guarded = guarded
  }

  /** A directory below the top, made where it lacks. Throws KeyError STORAGE_CLASH at a link, SafetyError STORAGE_INSIDE_PROD. */
  directory(names: readonly string[]): Promise<Directory> {
    const key = names.join('/')
    let open = this.#open.get(key)
    if (open === undefined) {
      open = this.#enter(names)
      this.#open.set(key, open)
      open.catch(() => this.#open.delete(key))
    }
    return open
  }

  /** The same, null where it lacks. */
  look(names: readonly string[]): Promise<Directory | null> {
    if (names.length === 0) return this.directory(names)
    const key = names.join('/')
    const known = this.#open.get(key) ?? this.#looks.get(key)
    if (known !== undefined) return known
    const look = this.#find(key, names)
    this.#looks.set(key, look)
    return look
  }

  /** Makes the names in all directories outlive a loss of power. */
  async sync(): Promise<void> {
    for (const directory of this.#open.values()) await (await directory).sync()
  }

  /** Closes all that was opened, not the top. */
  async close(): Promise<void> {
    for (const [key, open] of this.#open) {
      if (key !== '') await open.then((directory) => directory.close()).catch(() => {})
    }
    this.#open.clear()
  }

  async #find(key: string, names: readonly string[]): Promise<Directory | null> {
    const parent = await this.look(names.slice(0, -1))
    const found = parent === null ? null : await parent.child(names.at(-1) as string)
    if (found === null) return null
    await this.#guard(found)
    const other = this.#open.get(key)
    if (other === undefined) {
      this.#open.set(key, Promise.resolve(found))
      return found
    }
    await found.close()
    return other
  }

  async #enter(names: readonly string[]): Promise<Directory> {
    const name = names.at(-1)
    if (name === undefined) return this.#guard(this.top)
    const parent = await this.directory(names.slice(0, -1))
    const there = await parent.child(name)
    if (there !== null) return this.#guard(there)
    await parent.makeBy(this.top, name)
    const made = await parent.child(name)
    if (made === null) throw new Error(`${parent.at(name).shown} was made and is gone`)
    return this.#guard(made)
  }

  /** Gives it back, or closes it and throws. */
  async #guard(directory: Directory): Promise<Directory> {
    try {
      const { dev, ino } = await directory.stat()
      if (!this.#guarded.has(`${dev}:${ino}`)) return directory
      const text = `${directory.path} is a directory of prod's tree; nothing may be written in it`
      throw new SafetyError('STORAGE_INSIDE_PROD', text, { detail: { path: directory.path } })
    } catch (error) {
      if (directory !== this.top) await directory.close()
      throw error
    }
  }
}

/** Takes away what crashed attempts at `name` left. One that is still at work elsewhere loses its directory whole, and fails. */
export async function sweepUnfinished(files: BytesWriter, parent: Directory, name: string): Promise<void> {
  const prefix = temporaryName(name).slice(0, -8)
  for (const stray of await files.list(parent.at('.'), EVERYTHING)) {
    if (!stray.startsWith(prefix)) continue
    const found = await orNull(files.lstat(parent.at(stray)))
    if (found?.isDirectory() !== true) continue
    // Under another name first: from now on nobody can rename it to the final one.
    const doomed = stray.endsWith('.gone') ? stray : `${stray}.gone`
    if (
      doomed !== stray &&
      (await orNull(files.rename(parent.at(stray), parent.at(doomed)).then(() => true))) === null
    )
      continue
    await removeTree(files, parent, doomed)
  }
}

/** Takes away what attempts at this build left that were cut off. One that is still at work fails at its next rename. */
export async function sweepTop(files: BytesWriter, build: Directory): Promise<void> {
  for (const name of await unfinishedIn(files, build)) {
    const found = await orNull(files.lstat(build.at(name)))
    if (found?.isDirectory() === true) await removeTree(files, build, name)
    else await orNull(files.unlink(build.at(name)))
  }
}
