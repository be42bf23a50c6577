import { lchownSync, lstatSync, readlinkSync, realpathSync, type Stats, symlinkSync } from 'node:fs'
import { type BuildPlace, buildDir, DEFAULT_VOLUME, volumePath } from '../model/paths.ts'
import { Births, BulkDirectory } from './bulk-directory.ts'
import { LinkTexts } from './links.ts'
import type { PlacedBuild } from './placement.ts'
import { prodPlace, stagingPlace } from './spots.ts'

/** What a thread can be told. */
export interface VolumeBulkOptions {
  readonly prodTopdir: string
  /** real path of staging's tree */
  readonly root: string
  readonly linkTarget: string
  /** links must belong to the owner of what they lead to */
  readonly ownersMatter: boolean
}

/** What of a build is looked at. */
export type BulkBuild = Pick<
  PlacedBuild,
  'buildId' | 'name' | 'version' | 'release' | 'prodVolume' | 'stagingVolume'
>

/**
 * Placement `volume` for hundreds of thousands of builds, where nearly all are alike: prod has a plain directory, staging has nothing or
 * the wanted links, and all belongs to one owner. Those need a dozen calls of the kernel each, made at once and in turn. A directory is
 * opened by its name in the one above (so no link leads to it), is written to by its handle, and is not one of prod's.
 * Whatever is not that plain is given back, to be placed with all care.
 */
export class VolumeBulk {
  readonly #options: VolumeBulkOptions
  readonly #prodTop: string
  readonly #texts: LinkTexts

  constructor(options: VolumeBulkOptions) {
    this.#options = options
    this.#prodTop = realpathSync(options.prodTopdir)
    this.#texts = new LinkTexts(options.linkTarget)
  }

  /** Ids of those that were not plain. What is above a package's directory must stand: a first build was placed with all care. */
  place(builds: readonly BulkBuild[]): number[] {
    const others: number[] = []
    const tops = new Tops(this.#options.root)
    try {
      for (const group of groupsOf(builds)) {
        const work = new PackageWork(this.#prodTop, this.#options, this.#texts, tops)
        for (const build of group) if (!work.isPlaced(build)) others.push(build.buildId)
        work.close()
      }
    } finally {
      tops.close()
    }
    return others
  }
}

/** The open directories `packages` of staging's volumes. */
class Tops {
  readonly #root: string
  readonly #births = new Births()
  readonly #open = new Map<string, BulkDirectory | null>()

  constructor(root: string) {
    this.#root = root
  }

  /** Null: not plain. */
  of(volume: string): BulkDirectory | null {
    let found = this.#open.get(volume)
    if (found === undefined) {
      found = BulkDirectory.open([this.#root, ...volumePath(volume), 'packages'].join('/'), this.#births)
      this.#open.set(volume, found)
    }
    return found
  }

  close(): void {
    for (const top of this.#open.values()) top?.close()
  }
}

/** Builds of one package on one volume, by version: whose directories are the same is next to one another. */
function groupsOf(builds: readonly BulkBuild[]): Iterable<BulkBuild[]> {
  const groups = new Map<string, BulkBuild[]>()
  for (const build of builds) {
    const key = [build.prodVolume, build.stagingVolume, build.name].join('\0')
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [build])
    else group.push(build)
  }
  for (const group of groups.values())
    group.sort((a, b) => (a.version < b.version ? -1 : a.version > b.version ? 1 : 0))
  return groups.values()
}

/** A directory of prod's; its ids tell whether one of staging's is the same. */
interface ProdDirectory {
  readonly path: string
  readonly stat: Stats
}

/** The open directories of one package, and of the version that was last. */
class PackageWork {
  readonly #prodTop: string
  readonly #options: VolumeBulkOptions
  readonly #texts: LinkTexts
  readonly #tops: Tops
  #name: { readonly prod: ProdDirectory; readonly own: BulkDirectory; readonly base: BulkDirectory } | null =
    null
  #volume: string | undefined
  #version: {
    readonly version: string
    readonly prod: ProdDirectory
    readonly own: BulkDirectory
    readonly base: BulkDirectory
  } | null = null

  constructor(prodTop: string, options: VolumeBulkOptions, texts: LinkTexts, tops: Tops) {
    this.#prodTop = prodTop
    this.#options = options
    this.#texts = texts
    this.#tops = tops
  }

  isPlaced(build: BulkBuild): boolean {
    try {
      const from = prodPlace(build)
      const place = { ...from, volume: this.#volumeOf(build) }
      const source = lstatSync(buildDir(this.#prodTop, from))
      if (!source.isDirectory()) return false
      const uid = this.#options.ownersMatter ? source.uid : null
      if (this.#stands(from, place, uid)) return true
      const directories = this.#open(from, place)
      if (directories === null) return false
      // The volume's own first, so that no link dangles.
      return (
        isLinked(directories.own, place.release, this.#texts.intoProd(from), uid) &&
        isLinked(directories.base, place.release, this.#texts.convenience(place), uid)
      )
    } catch {
      // Told by the careful way, which comes upon the same.
      return false
    }
  }

  /** The same for all of the group. */
  #volumeOf(build: BulkBuild): string {
    this.#volume ??= stagingPlace('volume', build).volume
    return this.#volume
  }

  close(): void {
    this.#closeVersion()
    this.#name?.own.close()
    this.#name?.base.close()
    this.#name = null
  }

  /** Both links are there, as nearly all are when it is not the first seed: seen without opening what they are in. */
  #stands(from: BuildPlace, place: BuildPlace, uid: number | null): boolean {
    this.#name ??= this.#openName(from, place)
    if (this.#name === null || this.#name.own.isNew || this.#name.base.isNew) return false
    const { own, base } = this.#name
    return (
      leadsTo(own, place, this.#texts.intoProd(from), uid) &&
      leadsTo(base, place, this.#texts.convenience(place), uid)
    )
  }

  #open(from: BuildPlace, place: BuildPlace) {
    if (this.#version?.version === place.version) return this.#version
    this.#closeVersion()
    if (this.#name === null) return null
    const path = `${this.#name.prod.path}/${from.version}`
    const prod = { path, stat: lstatSync(path) }
    if (!prod.stat.isDirectory()) return null
    const both = pair(this.#name.own, this.#name.base, place.version, prod.stat)
    this.#version = both === null ? null : { version: place.version, prod, ...both }
    return this.#version
  }

  #openName(from: BuildPlace, place: BuildPlace) {
    const path = [this.#prodTop, ...volumePath(from.volume), 'packages', from.name].join('/')
    if (realpathSync.native(path) !== path) return null
    const prod = { path, stat: lstatSync(path) }
    const [own, base] = [this.#tops.of(place.volume), this.#tops.of(DEFAULT_VOLUME)]
    if (own === null || base === null) return null
    const both = pair(own, base, place.name, prod.stat)
    return both === null ? null : { prod, ...both }
  }

  #closeVersion(): void {
    this.#version?.own.close()
    this.#version?.base.close()
    this.#version = null
  }
}

/** The directory of that name on the volume and on the default one; null, and nothing is open: not plain, or prod's own. */
function pair(own: BulkDirectory, base: BulkDirectory, name: string, prod: Stats) {
  const first = own.child(name)
  if (first === null) return null
  let second: BulkDirectory | null = null
  try {
    second = base.child(name)
    if (
      second !== null &&
      ![first, second].some(({ stat }) => stat.dev === prod.dev && stat.ino === prod.ino)
    )
      return { own: first, base: second }
  } catch (error) {
    first.close()
    throw error
  }
  first.close()
  second?.close()
  return null
}

function leadsTo(above: BulkDirectory, place: BuildPlace, text: string, uid: number | null): boolean {
  const version = above.at(place.version)
  const at = `${version}/${place.release}`
  const there = lstatSync(at, { throwIfNoEntry: false })
  if (there === undefined || !there.isSymbolicLink()) return false
  if ((uid !== null && there.uid !== uid) || readlinkSync(at) !== text) return false
  return lstatSync(version).isDirectory()
}

/** `lchown`'s for one that stays as it is. */
const SAME_GROUP = 0xffff_ffff

function isLinked(directory: BulkDirectory, name: string, text: string, uid: number | null): boolean {
  const at = directory.at(name)
  const there = directory.isNew ? undefined : lstatSync(at, { throwIfNoEntry: false })
  if (there === undefined) symlinkSync(text, at)
  else if (!there.isSymbolicLink() || readlinkSync(at) !== text) return false
  if (uid !== null && uid !== (there?.uid ?? directory.ownerOfNew(name))) lchownSync(at, uid, SAME_GROUP)
  return true
}
