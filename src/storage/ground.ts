import { AgainError, KeyError, OutageError } from '../errors.ts'
import { type BuildPlace, DEFAULT_VOLUME, versionPath } from '../model/paths.ts'
import type { Step } from '../step.ts'
import { BytesReader, BytesWriter } from './copy-calls.ts'
import { isErrno, meaningOf, orNull } from './errno.ts'
import type { Made } from './files.ts'
import { assertWanted } from './stop.ts'

export interface GroundOptions {
  /** prod's tree as we see it */
  readonly prodTopdir: string
  readonly stagingTopdir: string
  /** not given: all as the directory above */
  readonly made?: Made
  readonly step: Step
}

const ATTEMPTS = 5

/** What the disk may say of one directory only: its permissions, a bad block. */
const PERHAPS_ONE = ['EACCES', 'EPERM', 'EIO']

/** A directory that comes and goes at once, to see whether staging's tree can be written to. */
const PROBE = '.kss-probe'

/** Both trees as a placement that reads prod's mount stands on them, and what their errors mean. */
export class Ground {
  readonly prod: BytesReader
  readonly staging: BytesWriter
  /** for bytes of staging's own */
  readonly stagingReader: BytesReader
  readonly #prodTopdir: string
  readonly #stagingTopdir: string

  constructor({ prodTopdir, stagingTopdir, made, step }: GroundOptions) {
    this.prod = new BytesReader({ side: 'prod', step })
    this.staging = new BytesWriter({ side: 'staging', step, ...(made === undefined ? {} : { made }) })
    this.stagingReader = new BytesReader({ side: 'staging', step })
    this.#prodTopdir = prodTopdir
    this.#stagingTopdir = stagingTopdir
  }

  /** Throws OutageError('storage') when either tree is sick as a whole; writes nothing lasting. */
  async probe(): Promise<void> {
    try {
      await this.prod.stat(`${this.#prodTopdir}/packages`)
      const path = `${await this.root()}/${PROBE}`
      const probe = { path, shown: path }
      await this.staging.mkdir(probe, 0o700)
      await this.staging.rmdir(probe)
    } catch (error) {
      const meaning = meaningOf(error)
      // Another daemon probes at the same moment: then it can be written to.
      if (!(meaning instanceof AgainError)) throw meaning
    }
  }

  /**
   * Errors of the file system as what they mean; a lost race is tried again a few times, prod need not be asked for it. What
   * looks like a sick disk but is not, since the tree itself answers, is one build's directory: the key's own error, or it would
   * stop all others for ever.
   */
  async explained<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      assertWanted(signal)
      try {
        return await work()
      } catch (error) {
        const meaning = meaningOf(error)
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

  /** Real path of staging's tree. Throws OutageError STORAGE_DISK: an empty mount point must not be filled. */
  async root(): Promise<string> {
    try {
      const root = await this.staging.realpath(this.#stagingTopdir)
      if ((await this.staging.stat(`${root}/packages`)).isDirectory()) return root
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
    }
    const text = `staging's tree is not mounted at ${this.#stagingTopdir}: it has no directory packages`
    throw new OutageError('storage', 'STORAGE_DISK', text, { detail: { path: this.#stagingTopdir } })
  }

  /** `device:inode` of every directory of prod on the way to the build, and on the way to where its default volume has it. */
  async prodIds(place: BuildPlace): Promise<ReadonlySet<string>> {
    const ids = new Set<string>()
    for (const volume of new Set([place.volume, DEFAULT_VOLUME])) {
      let path = this.#prodTopdir
      for (const name of ['', ...versionPath({ ...place, volume })]) {
        path = name === '' ? path : `${path}/${name}`
        const found = await orNull(this.prod.stat(path))
        if (found === null) break
        ids.add(`${found.dev}:${found.ino}`)
      }
    }
    return ids
  }
}
