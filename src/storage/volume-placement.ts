import { AgainError, KeyError } from '../errors.ts'
import { type BuildPlace, buildDir, checkedPlace, DEFAULT_VOLUME, versionPath } from '../model/paths.ts'
import type { Step } from '../step.ts'
import { orNull } from './errno.ts'
import type { Made } from './files.ts'
import { Ground } from './ground.ts'
import { inspectFiles } from './inspect.ts'
import { LinkTexts, putLink, takeBackLink } from './links.ts'
import type { FileFault, PlacedBuild, PlacedSpot, Placement } from './placement.ts'
import { findSource, type Source } from './prod-source.ts'
import { prodPlace, stagingPlace } from './spots.ts'
import { SteppedVolumePlacer, ThreadVolumePlacer, type VolumePlacer } from './volume-crew.ts'
import { assertFree, isAsWanted, isDone, type Wanted } from './volume-plan.ts'
import { removePlaced } from './volume-removal.ts'
import { Turns, Work } from './work.ts'

export interface VolumePlacementOptions {
  /** prod's tree as we see it */
  readonly prodTopdir: string
  /** prod's tree as staging's hub, web server, builders and composers see it: what links say */
  readonly linkTarget: string
  readonly stagingTopdir: string
  /** `target` (default): links belong to the owner of what they lead to, as httpd's SymLinksIfOwnerMatch demands */
  readonly linkOwner?: 'target' | 'any'
  /** true (default): links outlive a loss of power as the rows do */
  readonly fsync?: boolean
  /** owner, group and mode of what is made; not given: as the directory above */
  readonly made?: Made
  /** `placeMany` works in so many threads, past the step seam; 0 (default): in this one */
  readonly threads?: number
  readonly step: Step
}

/**
 * Placement `volume`: nothing is copied. The build lies on a volume of its own in staging, whose directories are real
 * down to the version; the release alone is a link into prod's mount. Staging's hub may unlink that link (`recycle_build`,
 * `_delete_build_symlinks`), and with it nothing of prod.
 *
 *     vol/<volume>/toplink                 -> ../..
 *     vol/<volume>/packages/<N>/<V>/<R>    -> <link_target>/packages/<N>/<V>/<R>     or <link_target>/vol/<prod's>/packages/...
 *     packages/<N>/<V>/<R>                 -> ../../../vol/<volume>/packages/<N>/<V>/<R>
 *
 * Order: the volume's link before the convenience link, so that no link dangles; removal the other way round. What stands in the
 * way is found before the first write. A crash leaves at most whole links, empty directories and names of `.kss-`: the next `place` or
 * `remove` of the build clears these.
 */
export class VolumePlacement implements Placement {
  readonly mode = 'volume'
  readonly #options: VolumePlacementOptions
  readonly #texts: LinkTexts
  readonly #ground: Ground
  readonly #turns = new Turns()
  #bulk: { readonly root: string; readonly placer: VolumePlacer } | undefined

  constructor(options: VolumePlacementOptions) {
    this.#options = options
    this.#texts = new LinkTexts(options.linkTarget)
    this.#ground = new Ground(options)
  }

  isPlaced(build: PlacedBuild): Promise<boolean> {
    return this.#ground.explained(async () => {
      const wanted = await this.#wanted(build)
      if (wanted === 'missing') return false
      return (
        wanted === 'nothing' ||
        (await isAsWanted(this.#ground.staging, await this.#ground.root(), this.#texts, wanted))
      )
    })
  }

  place(build: PlacedBuild, signal?: AbortSignal): Promise<void> {
    return this.#ground.explained(async () => {
      const wanted = await this.#wanted(build)
      if (wanted === 'missing') {
        const path = buildDir(this.#options.prodTopdir, prodPlace(build))
        throw new KeyError('STORAGE_SOURCE_MISSING', `prod's tree has no directory ${path}`, {
          detail: { path, buildId: build.buildId },
        })
      }
      if (wanted === 'nothing') return
      const root = await this.#ground.root()
      // Finds a clash before the first write.
      const plan = await assertFree(this.#ground.staging, root, this.#texts, wanted)
      if (!isDone(plan)) await this.#write(root, wanted)
    }, signal)
  }

  /**
   * Places those of many builds that are plain, returns the others, for `place`. Links are not made durable one by one. For when nobody else
   * places (a seed).
   */
  async placeMany(builds: readonly PlacedBuild[]): Promise<readonly PlacedBuild[]> {
    const { made } = this.#options
    // What is not as the directory above needs the careful way.
    if (made !== undefined && Object.values(made).some((value) => value !== null)) return builds
    const first = new Map(builds.map((build) => [build.stagingVolume, build]))
    for (const build of first.values()) await this.place(build).catch(() => {})
    const others = new Set(await this.#placer(await this.#ground.root()).place(builds))
    return builds.filter(({ buildId }) => others.has(buildId))
  }

  #placer(root: string): VolumePlacer {
    const { prodTopdir, linkTarget, linkOwner, threads = 0, step } = this.#options
    if (this.#bulk?.root !== root) {
      const options = { prodTopdir, root, linkTarget, ownersMatter: linkOwner !== 'any' }
      const placer =
        threads > 0 ? new ThreadVolumePlacer(options, threads) : new SteppedVolumePlacer(options, step)
      this.#bulk = { root, placer }
    }
    return this.#bulk.placer
  }

  /** Looked at in the mount: where the link leads may have another name on this host. */
  inspect(build: PlacedBuild): Promise<readonly FileFault[]> {
    return this.#ground.explained(async () => {
      const { prodTopdir } = this.#options
      const source = await findSource(this.#ground.prod, prodTopdir, prodPlace(build))
      if (source === null) return build.files.length === 0 ? [] : [{ path: '', fault: 'missing' }]
      return inspectFiles(this.#ground.prod, buildDir(prodTopdir, source.place), build.files)
    })
  }

  /** The one link leads to all that prod has. */
  async tidy(): Promise<void> {}

  remove(build: PlacedSpot, successor?: PlacedSpot): Promise<{ readonly left: readonly string[] }> {
    return this.#ground.explained(async () =>
      removePlaced({
        files: this.#ground.staging,
        root: await this.#ground.root(),
        texts: this.#texts,
        place: stagingPlace(this.mode, build),
        buildId: build.buildId,
        // Of any placement: also on the default volume.
        successor:
          successor === undefined ? null : checkedPlace({ ...successor, volume: successor.stagingVolume }),
        fsync: this.#options.fsync ?? true,
      }),
    )
  }

  standsAlready(at: BuildPlace): Promise<boolean> {
    return this.#ground.explained(async () => {
      const place = checkedPlace(at)
      const path = buildDir(await this.#ground.root(), place)
      const found = await orNull(this.#ground.staging.lstat(path))
      if (found === null || !found.isSymbolicLink()) return found !== null
      return !this.#texts.isIntoProd(place, await this.#ground.staging.readlink(path))
    })
  }

  probe(): Promise<void> {
    return this.#ground.probe()
  }

  async #write(root: string, wanted: Wanted): Promise<void> {
    const work = new Work(
      this.#ground.staging,
      root,
      await this.#ground.prodIds(wanted.source.place),
      this.#turns,
    )
    try {
      // Both are judged again with the handles open: what was free may be taken by now.
      const base = await work.directory(versionPath({ ...wanted.place, volume: DEFAULT_VOLUME }))
      const version = await work.directory(versionPath(wanted.place))
      const volume = await work.directory(['vol', wanted.place.volume])
      const { toplink, link, convenience } = await assertFree(
        this.#ground.staging,
        root,
        this.#texts,
        wanted,
        {
          volume,
          version,
          base,
        },
      )
      const uid = wanted.uid
      const links = [
        {
          directory: volume,
          name: 'toplink',
          text: '../..',
          before: toplink,
          uid: uid === null ? null : wanted.topUid,
        },
        { directory: version, name: wanted.place.release, text: wanted.text, before: link, uid },
        { directory: base, name: wanted.place.release, text: wanted.convenience, before: convenience, uid },
      ]
      for (const { directory, name, text, before, uid } of links) {
        if (before === 'right') continue
        await directory.sweep(name)
        if (!(await putLink(this.#ground.staging, directory, name, { text, uid }, before)))
          throw raced(directory.at(name).shown)
        work.onFailure(() => takeBackLink(this.#ground.staging, directory, name, text, before))
        if (this.#options.fsync ?? true) await directory.sync()
      }
      // By path, as everybody else will come: what we hold open may have been moved away.
      if (!(await isAsWanted(this.#ground.staging, root, this.#texts, wanted)))
        throw raced(base.at(wanted.place.release).shown)
    } catch (error) {
      await work.takeBack()
      throw error
    } finally {
      await work.close()
    }
  }

  /** What must stand in staging; `missing`: prod lacks the directory; `nothing`: it lacks it, and so it should. */
  async #wanted(build: PlacedBuild): Promise<Wanted | 'missing' | 'nothing'> {
    const place = stagingPlace(this.mode, build)
    const source = await findSource(this.#ground.prod, this.#options.prodTopdir, prodPlace(build))
    if (source === null) return build.withoutFiles ? 'nothing' : 'missing'
    return this.#toBe(place, source, build)
  }

  async #toBe(place: BuildPlace, source: Source, build: PlacedBuild): Promise<Wanted> {
    const top = await this.#ground.staging.stat(await this.#ground.root())
    return {
      place,
      source,
      text: this.#texts.intoProd(source.place),
      convenience: this.#texts.convenience(place),
      uid: this.#options.linkOwner === 'any' ? null : source.uid,
      topUid: top.uid,
      buildId: build.buildId,
      formerVolumes: build.formerVolumes,
    }
  }
}

function raced(path: string): AgainError {
  return new AgainError('STORAGE_RACE', `somebody else works at ${path}`, { detail: { path } })
}
