import { AgainError, KeyError, OutageError } from '../errors.ts'
import type { Step } from '../step.ts'
import { BytesReader, BytesWriter } from './copy-calls.ts'
import type { BytesSource } from './copy-source.ts'
import { isErrno, meaningOf } from './errno.ts'
import type { Made } from './files.ts'
import { assertWanted } from './stop.ts'

const ATTEMPTS = 5
/** What the disk may say of one directory only: its permissions, a bad block. */
const PERHAPS_ONE = ['EACCES', 'EPERM', 'EIO']
const PROBE = '.kss-probe'

export interface CopyGroundOptions {
  readonly stagingTopdir: string
  readonly source: BytesSource
  /** Bytes of free space below which nothing is copied any more. */
  readonly reserveBytes: number
  /** not given: all as the directory above */
  readonly made?: Made
  readonly step: Step
}

/** Staging's tree as files are copied into it: its root, its room, and what its errors mean. */
export class CopyGround {
  readonly writer: BytesWriter
  readonly reader: BytesReader
  readonly #options: CopyGroundOptions
  /** bytes that placings under way have still to write */
  #promised = 0

  constructor(options: CopyGroundOptions) {
    this.#options = options
    const { made, step } = options
    this.writer = new BytesWriter({ side: 'staging', step, ...(made === undefined ? {} : { made }) })
    this.reader = new BytesReader({ side: 'staging', step: options.step })
  }

  /** Throws OutageError('storage') for what is sick as a whole. That there is no room is no sickness. */
  async probe(): Promise<void> {
    await this.#options.source.probe().catch((error) => {
      throw meaningOf(error)
    })
    try {
      const root = await this.root()
      const path = `${root}/${PROBE}`
      await this.writer.mkdir({ path, shown: path }, 0o700)
      await this.writer.rmdir({ path, shown: path })
    } catch (error) {
      const meaning = named(meaningOf(error))
      // Another daemon probes at the same moment: then it can be written to.
      const isFull = meaning instanceof OutageError && meaning.part === 'space'
      if (!(meaning instanceof AgainError) && !isFull) throw meaning
    }
  }

  /** Throws OutageError('space') STORAGE_NO_SPACE while the reserve is touched. */
  async probeRoom(): Promise<void> {
    try {
      await this.withRoom(await this.root(), 0, async () => {})
    } catch (error) {
      throw named(meaningOf(error))
    }
  }

  /** Real path of staging's tree. Throws OutageError STORAGE_DISK: an empty mount point must not be filled. */
  async root(): Promise<string> {
    const { stagingTopdir } = this.#options
    try {
      const root = await this.writer.realpath(stagingTopdir)
      if ((await this.writer.stat(`${root}/packages`)).isDirectory()) return root
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
    }
    const text = `staging's tree is not mounted at ${stagingTopdir}: it has no directory packages`
    throw new OutageError('storage', 'STORAGE_DISK', text, { detail: { path: stagingTopdir } })
  }

  /**
   * Runs `work`, which writes so many bytes below the root, where the reserve stays free; it tells `onTaken` of those that it has written
   * since, or need not any more. Throws OutageError('space') STORAGE_NO_SPACE.
   */
  async withRoom<T>(
    root: string,
    bytes: number,
    work: (onTaken: (bytes: number) => void) => Promise<T>,
  ): Promise<T> {
    const { reserveBytes } = this.#options
    const { bavail, bsize } = await this.writer.statfs(root)
    const freeBytes = bavail * bsize
    if (freeBytes - this.#promised - bytes < reserveBytes) {
      const text = `${root} has ${freeBytes} bytes free, ${bytes + this.#promised} are to be written and ${reserveBytes} kept free`
      const detail = { path: root, freeBytes, neededBytes: bytes, reserveBytes }
      throw new OutageError('space', 'STORAGE_NO_SPACE', `staging's tree is full: ${text}`, { detail })
    }
    let left = bytes
    this.#promised += left
    const onTaken = (taken: number): void => {
      const less = Math.min(taken, left)
      left -= less
      this.#promised -= less
    }
    try {
      return await work(onTaken)
    } finally {
      this.#promised -= left
    }
  }

  /** As placement `volume` does: a lost race is tried again, one sick directory is its build's own error. */
  async explained<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      assertWanted(signal)
      try {
        return await work()
      } catch (error) {
        const meaning = named(meaningOf(error))
        if (meaning instanceof OutageError && PERHAPS_ONE.includes(String(meaning.detail.errno))) {
          await this.probe()
          throw new KeyError('STORAGE_BUILD_SICK', `only this build's directory: ${meaning.message}`, {
            detail: meaning.detail,
            cause: error,
          })
        }
        if (attempt >= ATTEMPTS || !(meaning instanceof AgainError)) throw meaning
      }
    }
  }
}

/** What staging's disk says when it takes no bytes has codes of its own. */
const CODES: Readonly<Record<string, string>> = {
  ENOSPC: 'STORAGE_NO_SPACE',
  EDQUOT: 'STORAGE_NO_SPACE',
  EROFS: 'STORAGE_READ_ONLY',
}

function named(meaning: unknown): unknown {
  if (!(meaning instanceof OutageError) || meaning.detail.side !== 'staging') return meaning
  const code = CODES[String(meaning.detail.errno)]
  if (code === undefined) return meaning
  const part = code === 'STORAGE_NO_SPACE' ? 'space' : 'storage'
  return new OutageError(part, code, meaning.message, { detail: meaning.detail, cause: meaning.cause })
}
