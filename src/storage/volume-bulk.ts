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
  realpathSync,
  renameSync,
  rmdirSync,
  type Stats,
  symlinkSync,
} from 'node:fs'
import { type BuildPlace, buildDir, DEFAULT_VOLUME, versionPath } from '../model/paths.ts'
import type { Step } from '../step.ts'
import { hiddenName } from './directory.ts'
import { errnoOf } from './errno.ts'
import type { LinkTexts } from './links.ts'
import type { PlacedBuild } from './placement.ts'
import { prodPlace, stagingPlace } from './spots.ts'

const OPEN = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

/** Builds between two turns of the event loop. */
const AT_A_TIME = 50

export interface VolumeBulkOptions {
  readonly prodTopdir: string
  /** real path of staging's tree */
  readonly root: string
  readonly texts: LinkTexts
  /** links must belong to the owner of what they lead to */
  readonly ownersMatter: boolean
  readonly step: Step
}

/**
 * Placement `volume` for hundreds of thousands of builds, where nearly all are alike: prod has a plain directory, staging has nothing or
 * the wanted links, and all belongs to one owner. Those need a dozen calls of the kernel each, made at once and in turn, since one that goes
 * through a thread costs ten times as much. A directory is written to by its handle, whose path the kernel says (so no link leads
 * to it), and is not one of prod's. Whatever is not that plain is given back, to be placed with all care.
 */
export class VolumeBulk {
  readonly #options: VolumeBulkOptions
  readonly #prodTop: string
  /** by name and version of prod; null: not plain */
  readonly #prodVersions = new Map<string, Stats | null>()

  constructor(options: VolumeBulkOptions) {
    this.#options = options
    this.#prodTop = realpathSync(options.prodTopdir)
  }

  /** Returns those that were not plain, in order. */
  async place(builds: readonly PlacedBuild[]): Promise<PlacedBuild[]> {
    const others: PlacedBuild[] = []
    for (const [at, build] of builds.entries()) {
      if (at % AT_A_TIME === 0) await new Promise(setImmediate)
      await this.#options.step('volume.bulk', { buildId: build.buildId })
      if (!this.#isPlaced(build)) others.push(build)
    }
    this.#prodVersions.clear()
    return others
  }

  #isPlaced(build: PlacedBuild): boolean {
    try {
      const from = prodPlace(build)
      const place = stagingPlace('volume', build)
      const prod = this.#prodVersion(from)
      if (prod === null) return false
      const source = lstatSync(buildDir(this.#prodTop, from))
      if (!source.isDirectory()) return false
      const { texts } = this.#options
      // The volume's own first, so that no link dangles.
      return (
        this.#link(place, texts.intoProd(from), source.uid, prod) &&
        this.#link({ ...place, volume: DEFAULT_VOLUME }, texts.convenience(place), source.uid, prod)
      )
    } catch {
      // Told by the careful way, which comes upon the same.
      return false
    }
  }

  #prodVersion(place: BuildPlace): Stats | null {
    const path = [this.#prodTop, ...versionPath(place)].join('/')
    let found = this.#prodVersions.get(path)
    if (found === undefined) {
      found = realpathSync.native(path) === path ? lstatSync(path) : null
      this.#prodVersions.set(path, found)
    }
    return found
  }

  #link(place: BuildPlace, text: string, uid: number, prod: Stats): boolean {
    const fd = this.#openVersion(place)
    if (fd === null) return false
    try {
      const own = fstatSync(fd)
      if (own.dev === prod.dev && own.ino === prod.ino) return false
      const at = `/proc/self/fd/${fd}/${place.release}`
      const there = linkAt(at)
      if (there === undefined) symlinkSync(text, at)
      else if (there !== text) return false
      if (!this.#options.ownersMatter) return true
      const made = lstatSync(at)
      if (made.uid !== uid) lchownSync(at, uid, made.gid)
      return true
    } finally {
      closeSync(fd)
    }
  }

  /** Made where it is missing, as the directory above is; null: not plain. */
  #openVersion(place: BuildPlace): number | null {
    const names = versionPath(place)
    const path = [this.#options.root, ...names].join('/')
    const fd = openOrUndefined(path) ?? this.#makeVersion(names)
    if (fd === null || readlinkSync(`/proc/self/fd/${fd}`) === path) return fd
    closeSync(fd)
    return null
  }

  /** The name's directory and the version's; what is above them stands, since a first build was placed with all care. */
  #makeVersion(names: readonly string[]): number | null {
    const above = [this.#options.root, ...names.slice(0, -2)].join('/')
    let fd = openOrUndefined(above)
    let path = above
    for (const name of names.slice(-2)) {
      if (fd === undefined) return null
      const next: number | undefined = childOf(fd, path, name)
      fd = next
      path = `${path}/${name}`
    }
    return fd ?? null
  }
}

/** Closes `fd`; undefined: not plain. */
function childOf(fd: number, path: string, name: string): number | undefined {
  try {
    if (readlinkSync(`/proc/self/fd/${fd}`) !== path) return undefined
    const directory = `/proc/self/fd/${fd}`
    const at = `${directory}/${name}`
    const stands = lstatSync(at, { throwIfNoEntry: false }) !== undefined
    return stands || makeLike(directory, name, fstatSync(fd)) ? openOrUndefined(at) : undefined
  } finally {
    closeSync(fd)
  }
}

/** Looked for first: an exception costs ten times as much as a call of the kernel, and most are missing. */
function openOrUndefined(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false }) === undefined ? undefined : openSync(path, OPEN)
}

function linkAt(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false }) === undefined ? undefined : readlinkSync(path)
}

/** Under another name first, as `Directory.make` does. False, and nothing is left: it would not be as the one above. */
function makeLike(directory: string, name: string, like: Stats): boolean {
  const wanted = like.mode & 0o7777
  const at = `${directory}/${hiddenName(name, 'new')}`
  mkdirSync(at, wanted & 0o777)
  try {
    const born = lstatSync(at)
    // The owner last: who has given a directory away may not change it any more.
    if ((born.mode & 0o7777) !== wanted) chmodSync(at, wanted)
    if (born.uid !== like.uid || born.gid !== like.gid) lchownSync(at, like.uid, like.gid)
    const made = lstatSync(at)
    if (made.uid === like.uid && made.gid === like.gid && (made.mode & 0o7777) === wanted) {
      renameSync(at, `${directory}/${name}`)
      return true
    }
  } catch (error) {
    if (errnoOf(error) === null) throw error
  }
  rmdirSync(at)
  return false
}
