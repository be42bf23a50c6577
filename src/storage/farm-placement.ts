import { KeyError } from '../errors.ts'
import {
  type BuildPlace,
  buildDir,
  checkedPlace,
  convenienceLink,
  DEFAULT_VOLUME,
  versionPath,
} from '../model/paths.ts'
import type { Step } from '../step.ts'
import { Directory } from './directory.ts'
import { orNull } from './errno.ts'
import { isEqual } from './farm-diff.ts'
import { inspectFarm } from './farm-inspect.ts'
import { type FarmFound, FarmLook, type FarmWanted, isFramed } from './farm-look.ts'
import { removeFarm, removeWithin } from './farm-removal.ts'
import { FarmTexts, judgeFarm, readFarm } from './farm-standing.ts'
import { placeMore, placeWhole, raced } from './farm-write.ts'
import type { Made } from './files.ts'
import { Ground } from './ground.ts'
import { LinkTexts, putLink, standingAt, takeBackLink } from './links.ts'
import type { FileFault, PlacedBuild, PlacedSpot, Placement } from './placement.ts'
import { findSource } from './prod-source.ts'
import { prodPlace, stagingPlace } from './spots.ts'
import type { Free } from './volume-plan.ts'
import { Turns, Work } from './work.ts'

export interface FarmPlacementOptions {
  /** prod's tree as we see it */
  readonly prodTopdir: string
  /** prod's tree as staging's hub, web server, builders and composers see it: what links say */
  readonly linkTarget: string
  readonly stagingTopdir: string
  /** `target` (default): links belong to the owner of what they lead to, as httpd's SymLinksIfOwnerMatch demands */
  readonly linkOwner?: 'target' | 'any'
  /** true (default): what is placed outlives a loss of power as the rows do */
  readonly fsync?: boolean
  /** owner, group and mode of what is made; not given: as the directory above */
  readonly made?: Made
  readonly step: Step
}

/**
 * Placement `farm`: real directories on a staging volume of its own, rpms and archives as absolute links into prod's mount,
 * cached headers and signed copies as files, the logs' directory as one link. Staging's hub can sign such a build, write signed copies,
 * delete, reset, move and recycle it; it unlinks, renames and replaces names in its own directories only.
 *
 *     vol/<volume>/toplink                                        -> ../..
 *     vol/<volume>/packages/<N>/<V>/<R>/<arch>/<nvra>.rpm         -> <link_target>/packages/<N>/<V>/<R>/<arch>/<nvra>.rpm
 *     vol/<volume>/packages/<N>/<V>/<R>/data/logs                 -> <link_target>/packages/<N>/<V>/<R>/data/logs
 *     vol/<volume>/packages/<N>/<V>/<R>/data/{sigcache,signed}/…     files
 *     packages/<N>/<V>/<R>                                        -> ../../../vol/<volume>/packages/<N>/<V>/<R>
 *
 * What it consists of is read from prod's directory, so it has what no row names (`metadata.json`, sub-directories of archives, signed
 * copies, as prod has them now). A signed copy that prod prunes stays.
 */
export class FarmPlacement implements Placement {
  readonly mode = 'farm'
  readonly #options: FarmPlacementOptions
  readonly #texts: LinkTexts
  readonly #farmTexts: FarmTexts
  readonly #ground: Ground
  readonly #look: FarmLook
  readonly #turns = new Turns()
  readonly #anyOwner: boolean
  readonly #fsync: boolean

  constructor(options: FarmPlacementOptions) {
    this.#options = options
    this.#texts = new LinkTexts(options.linkTarget)
    this.#farmTexts = new FarmTexts(options.linkTarget)
    this.#ground = new Ground(options)
    this.#anyOwner = options.linkOwner === 'any'
    this.#fsync = options.fsync ?? true
    this.#look = new FarmLook(this.#ground, {
      prodTopdir: options.prodTopdir,
      linkTarget: options.linkTarget,
      anyOwner: this.#anyOwner,
    })
  }

  probe(): Promise<void> {
    return this.#ground.probe()
  }

  isPlaced(build: PlacedBuild): Promise<boolean> {
    return this.#ground.explained(async () => {
      const wanted = await this.#look.wanted(build)
      if (wanted === null) return build.withoutFiles
      try {
        const found = await this.#look.at(await this.#ground.root(), wanted, build)
        return found.uid !== null && isEqual(found.diff, found.tree) && isFramed(found)
      } catch (error) {
        if (error instanceof KeyError && error.code === 'STORAGE_CLASH') return false
        throw error
      }
    })
  }

  place(build: PlacedBuild, signal?: AbortSignal): Promise<void> {
    return this.#ground.explained(async () => {
      const wanted = await this.#look.wanted(build)
      if (wanted === null) {
        if (build.withoutFiles) return
        const path = buildDir(this.#options.prodTopdir, prodPlace(build))
        throw new KeyError('STORAGE_SOURCE_MISSING', `prod's tree has no directory ${path}`, {
          detail: { path, buildId: build.buildId },
        })
      }
      const root = await this.#ground.root()
      // Finds a clash before the first write.
      const found = await this.#look.at(root, wanted, build)
      const [clash] = found.diff.clashes
      if (clash !== undefined) {
        const path = `${buildDir(root, wanted.place)}/${clash}`
        throw new KeyError('STORAGE_CLASH', `${path} is staging's own, and prod's file belongs there`, {
          detail: { path },
        })
      }
      const { lacking } = found.diff
      if (found.uid !== null && lacking.length + found.tree.leftovers.length === 0 && isFramed(found)) return
      await this.#write(root, wanted, found, build)
    }, signal)
  }

  tidy(build: PlacedBuild): Promise<void> {
    return this.#ground.explained(async () => {
      const wanted = await this.#look.wanted(build)
      if (wanted === null) return
      const { staging } = this.#ground
      const root = await this.#ground.root()
      const { place } = wanted
      const directory = await Directory.open(staging, root, [...versionPath(place), place.release])
      if (directory === null) return
      try {
        const tree = await readFarm(staging, directory)
        const diff = await this.#look.diff(wanted, tree, build, directory.path)
        if (!judgeFarm(tree, this.#farmTexts, place).isFarm) return
        for (const path of diff.stale) await removeWithin(staging, directory, path)
      } finally {
        await directory.close()
      }
    })
  }

  /** As staging's hosts see it: a link into prod is looked up where prod is mounted here. */
  inspect(build: PlacedBuild): Promise<readonly FileFault[]> {
    return this.#ground.explained(async () => {
      const path = buildDir(await this.#ground.root(), stagingPlace(this.mode, build))
      return inspectFarm(this.#ground, this.#farmTexts, this.#options.prodTopdir, path, build.files)
    })
  }

  standsAlready(at: BuildPlace): Promise<boolean> {
    return this.#ground.explained(async () => {
      const place = checkedPlace(at)
      const { staging } = this.#ground
      const path = buildDir(await this.#ground.root(), place)
      const found = await orNull(staging.lstat(path))
      if (found === null) return false
      if (found.isSymbolicLink()) return !this.#texts.isIntoProd(place, await staging.readlink(path))
      if (!found.isDirectory()) return true
      const directory = await Directory.open(staging, await staging.realpath(path), [])
      if (directory === null) return false
      try {
        return judgeFarm(await readFarm(staging, directory), this.#farmTexts, place).links.length === 0
      } finally {
        await directory.close()
      }
    })
  }

  remove(build: PlacedSpot, successor?: PlacedSpot): Promise<{ readonly left: readonly string[] }> {
    return this.#ground.explained(async () => {
      const now = successor ?? build
      return removeFarm({
        files: this.#ground.staging,
        reader: this.#ground.stagingReader,
        root: await this.#ground.root(),
        texts: this.#texts,
        farmTexts: this.#farmTexts,
        place: stagingPlace(this.mode, build),
        buildId: build.buildId,
        successor:
          successor === undefined ? null : checkedPlace({ ...successor, volume: successor.stagingVolume }),
        prodHas: async (path, size) => {
          const { prodTopdir } = this.#options
          const source = await findSource(this.#ground.prod, prodTopdir, prodPlace(now))
          if (source === null) return false
          const file = await orNull(this.#ground.prod.stat(`${buildDir(prodTopdir, source.place)}/${path}`))
          return file?.isFile() === true && file.size === size
        },
        anyOwner: this.#anyOwner,
        fsync: this.#fsync,
      })
    })
  }

  async #write(root: string, wanted: FarmWanted, found: FarmFound, build: PlacedBuild): Promise<void> {
    const { place } = wanted
    const { prod, staging } = this.#ground
    const writing = { prod, staging, from: wanted.from, anyOwner: this.#anyOwner, fsync: this.#fsync }
    const work = new Work(staging, root, await this.#ground.prodIds(wanted.source), this.#turns)
    try {
      const base = await work.directory(versionPath({ ...place, volume: DEFAULT_VOLUME }))
      const version = await work.directory(versionPath(place))
      const volume = await work.directory(['vol', place.volume])
      const top = await staging.stat(root)
      await this.#link(work, volume, 'toplink', '../..', found.toplink, top.uid)
      const names = [...versionPath(place), place.release]
      if (found.uid === null) await placeWhole(writing, work, version, place.release, found.diff.lacking)
      else {
        const directory = await work.directory(names)
        for (const path of found.tree.leftovers) await removeWithin(staging, directory, path)
        await placeMore(writing, work, names, found.diff.lacking)
      }
      // With its owner known, the link's may be another one.
      const placed = await work.directory(names)
      const { uid } = await placed.stat()
      const now = await standingAt(staging, base, place.release)
      const before = await this.#look.convenience(root, place, build, uid, now)
      await this.#link(work, base, place.release, convenienceLink(place), before, uid)
      // By path, as everybody else will come: what we hold open may have been moved away.
      const isThere =
        found.uid === null
          ? await this.#isThere(root, wanted, build, placed)
          : await this.#isWhole(root, wanted, build)
      if (!isThere) throw raced(placed.path)
    } catch (error) {
      await work.takeBack()
      throw error
    } finally {
      await work.close()
    }
  }

  /** What was made whole, and moved there, is there. */
  async #isThere(root: string, { place }: FarmWanted, build: PlacedBuild, made: Directory): Promise<boolean> {
    const { staging } = this.#ground
    const now = await Directory.open(staging, root, [...versionPath(place), place.release])
    if (now === null) return false
    try {
      const [own, there] = [await made.stat(), await now.stat()]
      if (own.dev !== there.dev || own.ino !== there.ino) return false
      return isFramed(await this.#look.frame(root, place, build, own.uid))
    } finally {
      await now.close()
    }
  }

  async #isWhole(root: string, wanted: FarmWanted, build: PlacedBuild): Promise<boolean> {
    const end = await this.#look.at(root, wanted, build)
    return end.uid !== null && end.diff.lacking.length === 0 && isFramed(end)
  }

  async #link(
    work: Work,
    directory: Directory,
    name: string,
    text: string,
    before: Free,
    owner: bigint,
  ): Promise<void> {
    if (before === 'right') return
    const { staging } = this.#ground
    const uid = this.#anyOwner ? null : owner
    await directory.sweep(name)
    if (!(await putLink(staging, directory, name, { text, uid }, before)))
      throw raced(directory.at(name).shown)
    work.onFailure(() => takeBackLink(staging, directory, name, text, before))
    if (this.#fsync) await directory.sync()
  }
}
