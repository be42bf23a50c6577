import { AgainError, KeyError, OutageError } from '../errors.ts'
import { type BuildPlace, buildDir, checkedPlace, DEFAULT_VOLUME, versionPath } from '../model/paths.ts'
import type { Step } from '../step.ts'
import { isErrno, meaningOf, orNull } from './errno.ts'
import { TreeReader, TreeWriter } from './files.ts'
import { inspectFiles } from './inspect.ts'
import { LinkTexts, putLink, takeBackLink } from './links.ts'
import type { FileFault, PlacedBuild, PlacedSpot, Placement } from './placement.ts'
import { findSource, type Source } from './prod-source.ts'
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
  readonly step: Step
}

const ATTEMPTS = 5

/** What the disk may say of one directory only: its permissions, a bad block. */
const PERHAPS_ONE = ['EACCES', 'EPERM', 'EIO']

/** A directory that comes and goes at once, to see whether staging's tree can be written to. */
const PROBE = '.kss-probe'

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
  readonly #prod: TreeReader
  readonly #staging: TreeWriter
  readonly #turns = new Turns()

  constructor(options: VolumePlacementOptions) {
    this.#options = options
    this.#texts = new LinkTexts(options.linkTarget)
    this.#prod = new TreeReader({ side: 'prod', step: options.step })
    this.#staging = new TreeWriter({ side: 'staging', step: options.step })
  }

  isPlaced(build: PlacedBuild): Promise<boolean> {
    return this.#explained(async () => {
      const wanted = await this.#wanted(build)
      if (wanted === 'missing') return false
      return (
        wanted === 'nothing' || (await isAsWanted(this.#staging, await this.#root(), this.#texts, wanted))
      )
    })
  }

  place(build: PlacedBuild): Promise<void> {
    return this.#explained(async () => {
      const wanted = await this.#wanted(build)
      if (wanted === 'missing') {
        const path = buildDir(this.#options.prodTopdir, prodPlace(build))
        throw new KeyError('STORAGE_SOURCE_MISSING', `prod's tree has no directory ${path}`, {
          detail: { path, buildId: build.buildId },
        })
      }
      if (wanted === 'nothing') return
      const root = await this.#root()
      // Finds a clash before the first write.
      const plan = await assertFree(this.#staging, root, this.#texts, wanted)
      if (!isDone(plan)) await this.#write(root, wanted)
    })
  }

  /** Looked at in the mount: where the link leads may have another name on this host. */
  inspect(build: PlacedBuild): Promise<readonly FileFault[]> {
    return this.#explained(async () => {
      const { prodTopdir } = this.#options
      const source = await findSource(this.#prod, prodTopdir, prodPlace(build))
      if (source === null) return build.files.length === 0 ? [] : [{ path: '', fault: 'missing' }]
      return inspectFiles(this.#prod, buildDir(prodTopdir, source.place), build.files)
    })
  }

  /** The one link leads to all that prod has. */
  async tidy(): Promise<void> {}

  remove(build: PlacedSpot, successor?: PlacedSpot): Promise<{ readonly left: readonly string[] }> {
    return this.#explained(async () =>
      removePlaced({
        files: this.#staging,
        root: await this.#root(),
        texts: this.#texts,
        place: stagingPlace(build),
        buildId: build.buildId,
        successor: successor === undefined ? null : stagingPlace(successor),
        fsync: this.#options.fsync ?? true,
      }),
    )
  }

  standsAlready(at: BuildPlace): Promise<boolean> {
    return this.#explained(async () => {
      const place = checkedPlace(at)
      const path = buildDir(await this.#root(), place)
      const found = await orNull(this.#staging.lstat(path))
      if (found === null || !found.isSymbolicLink()) return found !== null
      return !this.#texts.isIntoProd(place, await this.#staging.readlink(path))
    })
  }

  /** Throws OutageError('storage') when either tree is sick as a whole; writes nothing lasting. */
  async probe(): Promise<void> {
    try {
      await this.#prod.stat(`${this.#options.prodTopdir}/packages`)
      const path = `${await this.#root()}/${PROBE}`
      const probe = { path, shown: path }
      await this.#staging.mkdir(probe, 0o700)
      await this.#staging.rmdir(probe)
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
  async #explained<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
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

  async #write(root: string, wanted: Wanted): Promise<void> {
    const work = new Work(this.#staging, root, await this.#prodIds(wanted.source.place), this.#turns)
    try {
      // Both are judged again with the handles open: what was free may be taken by now.
      const base = await work.directory(versionPath({ ...wanted.place, volume: DEFAULT_VOLUME }))
      const version = await work.directory(versionPath(wanted.place))
      const volume = await work.directory(['vol', wanted.place.volume])
      const { toplink, link, convenience } = await assertFree(this.#staging, root, this.#texts, wanted, {
        volume,
        version,
        base,
      })
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
        if (!(await putLink(this.#staging, directory, name, { text, uid }, before)))
          throw raced(directory.at(name).shown)
        work.onFailure(() => takeBackLink(this.#staging, directory, name, text, before))
        if (this.#options.fsync ?? true) await directory.sync()
      }
      // By path, as everybody else will come: what we hold open may have been moved away.
      if (!(await isAsWanted(this.#staging, root, this.#texts, wanted)))
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
    const place = stagingPlace(build)
    const source = await findSource(this.#prod, this.#options.prodTopdir, prodPlace(build))
    if (source === null) return build.withoutFiles ? 'nothing' : 'missing'
    return this.#toBe(place, source)
  }

  async #toBe(place: BuildPlace, source: Source): Promise<Wanted> {
    const top = await this.#staging.stat(await this.#root())
    return {
      place,
      source,
      text: this.#texts.intoProd(source.place),
      convenience: this.#texts.convenience(place),
      uid: this.#options.linkOwner === 'any' ? null : source.uid,
      topUid: top.uid,
    }
  }

  /** Real path of staging's tree. Throws OutageError STORAGE_DISK: an empty mount point must not be filled. */
  async #root(): Promise<string> {
    const { stagingTopdir } = this.#options
    try {
      const root = await this.#staging.realpath(stagingTopdir)
      if ((await this.#staging.stat(`${root}/packages`)).isDirectory()) return root
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
    }
    const text = `staging's tree is not mounted at ${stagingTopdir}: it has no directory packages`
    throw new OutageError('storage', 'STORAGE_DISK', text, { detail: { path: stagingTopdir } })
  }

  /** Every directory of prod on the way to the build, and on the way to where its default volume has it. */
  async #prodIds(place: BuildPlace): Promise<ReadonlySet<string>> {
    const ids = new Set<string>()
    for (const volume of new Set([place.volume, DEFAULT_VOLUME])) {
      let path = this.#options.prodTopdir
      for (const name of ['', ...versionPath({ ...place, volume })]) {
        path = name === '' ? path : `${path}/${name}`
        const found = await orNull(this.#prod.stat(path))
        if (found === null) break
        ids.add(`${found.dev}:${found.ino}`)
      }
    }
    return ids
  }
}

function prodPlace(build: PlacedSpot): BuildPlace {
  return checkedPlace({ ...build, volume: build.prodVolume })
}

function stagingPlace(build: PlacedSpot): BuildPlace {
  if (build.stagingVolume !== DEFAULT_VOLUME) return checkedPlace({ ...build, volume: build.stagingVolume })
  const text = `build ${build.buildId}: placement volume needs a staging volume other than DEFAULT; see prod.volumes`
  throw new KeyError('STORAGE_VOLUME_DEFAULT', text)
}

function raced(path: string): AgainError {
  return new AgainError('STORAGE_RACE', `somebody else works at ${path}`, { detail: { path } })
}
