import { KeyError } from '../errors.ts'
import { type BuildPlace, buildDir, checkedPlace, readKojiLink, versionPath } from '../model/paths.ts'
import type { Step } from '../step.ts'
import type { Sharing } from './copy-file.ts'
import { CopyGround } from './copy-ground.ts'
import type { Transfers } from './copy-limits.ts'
import { assertBeside, isBeside } from './copy-links.ts'
import { MANIFEST, type Manifest, readManifest, writeManifest } from './copy-manifest.ts'
import { Subdirectories } from './copy-metadata.ts'
import { isStanding, tidyFiles } from './copy-present.ts'
import { removeCopy } from './copy-removal.ts'
import { allBytes, lackingBytes } from './copy-room.ts'
import type { BytesSource } from './copy-source.ts'
import { type Take, wantedFiles } from './copy-wanted.ts'
import { ourManifest, type Writing, writeBuild } from './copy-write.ts'
import type { Copier } from './crew.ts'
import { Directory } from './directory.ts'
import { orNull } from './errno.ts'
import type { Made } from './files.ts'
import { leadsToFormer } from './former.ts'
import { inspectFiles } from './inspect.ts'
import { LinkTexts } from './links.ts'
import type { FileFault, PlacedBuild, PlacedSpot, Placement } from './placement.ts'
import { Turns } from './work.ts'

export interface CopyPlacementOptions {
  readonly source: BytesSource
  readonly stagingTopdir: string
  /** prod's tree as links of other placements say it; null: there are none */
  readonly linkTarget: string | null
  readonly take: Take
  readonly transfers: Transfers
  /** Who reads, judges and copies bytes of a mount: threads, unless each call has to pass the step seam. */
  readonly copier: Copier
  readonly sharing: Omit<Sharing, 'unshared'>
  /** true: files and rows outlive a loss of power alike */
  readonly fsync: boolean
  /** free space that copying leaves */
  readonly reserveBytes: number
  readonly fileMode: number
  /** owner, group and mode of what is made; not given: as the directory above */
  readonly made?: Made
  /** told of bytes of prod that were written, not shared */
  readonly onWritten?: (mode: 'copy' | 'in-place', bytes: number) => void
  readonly step: Step
}

/** No link begins so. */
const NOWHERE = 'nowhere'

/**
 * Placement `copy`: prod's bytes on a volume of staging's own, judged by what prod's hub says of them before they are seen.
 *
 *     vol/<volume>/packages/<N>/<V>/<R>/...              the build, with `.koji-staging-sync.json`: which of its files we brought
 *     packages/<N>/<V>/<R>                               Koji's link to it
 *     vol/<volume>/packages/<N>/<V>/.kss-<hash>-<random> a build while it is copied
 *
 * A new build is one rename. What it gets later comes file by file. Owner, group and permissions of directories, and owner and group of
 * files, are those of the directory above; the version's directory is made like the volume's.
 */
export class CopyPlacement implements Placement {
  readonly mode: 'copy' | 'in-place' = 'copy'
  protected readonly options: CopyPlacementOptions
  protected readonly ground: CopyGround
  readonly #texts: LinkTexts
  readonly #writing: Writing

  constructor(options: CopyPlacementOptions) {
    this.options = options
    this.ground = new CopyGround(options)
    this.#texts = new LinkTexts(options.linkTarget ?? NOWHERE)
    this.#writing = {
      copy: {
        writer: this.ground.writer,
        reader: this.ground.reader,
        transfers: options.transfers,
        copier: options.copier,
        sharing: { ...options.sharing, unshared: new Set() },
        fsync: options.fsync,
        onWritten: (bytes) => options.onWritten?.(this.mode, bytes),
        onTaken: () => {},
        signal: undefined,
      },
      take: options.take,
      fileMode: options.fileMode,
      texts: this.#texts,
      turns: new Turns(),
      adopts: () => this.adopts,
    }
  }

  probe(): Promise<void> {
    return this.ground.probe()
  }

  probeRoom(): Promise<void> {
    return this.ground.probeRoom()
  }

  place(build: PlacedBuild, signal?: AbortSignal): Promise<void> {
    return this.ground.explained(async () => {
      const place = stagingPlace(build)
      const wanted = wantedFiles(build.files, this.options.take)
      const root = await this.ground.root()
      const bytes = await this.options.source.build(prodPlace(build))
      if (bytes === null) {
        if (build.withoutFiles) return
        const path = buildDir(this.options.source.shown, prodPlace(build))
        const detail = { path, buildId: build.buildId }
        throw new KeyError('STORAGE_SOURCE_MISSING', `prod has no directory ${path}`, { detail })
      }
      try {
        const stands = await this.#look(root, place, build)
        if (stands === 'right') return
        await this.#assertFree(root, place, build, stands)
        const subdirectories = new Subdirectories(bytes)
        const needed =
          stands === 'nothing'
            ? allBytes(wanted)
            : await lackingBytes(this.ground.writer, root, place, wanted, subdirectories)
        await this.ground.withRoom(root, needed, (onTaken) => {
          const copy = { ...this.#writing.copy, onTaken, signal }
          return writeBuild({ ...this.#writing, copy }, root, place, build, { bytes, subdirectories })
        })
      } finally {
        await bytes.close()
      }
    }, signal)
  }

  isPlaced(build: PlacedBuild): Promise<boolean> {
    return this.ground.explained(async () => {
      const place = stagingPlace(build)
      prodPlace(build)
      const root = await this.ground.root()
      if ((await this.#look(root, place, build)) === 'right') return true
      return build.withoutFiles && (await this.options.source.build(prodPlace(build))) === null
    })
  }

  tidy(build: PlacedBuild): Promise<void> {
    return this.ground.explained(() =>
      this.#within(build, async (directory, manifest) => {
        const wanted = wantedFiles(build.files, this.options.take)
        const files = await tidyFiles(this.ground.writer, directory, manifest, wanted)
        if (files !== null)
          await writeManifest(this.ground.writer, directory, { ...manifest, files }, this.options.fsync)
      }),
    )
  }

  inspect(build: PlacedBuild): Promise<readonly FileFault[]> {
    return this.ground.explained(async () => {
      const path = buildDir(await this.ground.root(), stagingPlace(build))
      const wanted = wantedFiles(build.files, this.options.take)
      if ((await orNull(this.ground.writer.stat(path))) === null)
        return build.withoutFiles ? [] : [{ path: '', fault: 'missing' }]
      const files = wanted.map(({ path: names, expected, subdirectory }) => ({
        path: names,
        size: expected.size,
        subdirectory,
      }))
      return inspectFiles(this.ground.writer, path, files)
    })
  }

  standsAlready(at: BuildPlace): Promise<boolean> {
    return this.ground.explained(async () => {
      const place = checkedPlace(at)
      const path = buildDir(await this.ground.root(), place)
      const found = await orNull(this.ground.writer.lstat(path))
      if (found === null) return false
      if (found.isSymbolicLink()) return readKojiLink(place, await this.ground.writer.readlink(path)) === null
      return (await orNull(this.ground.writer.lstat(`${path}/${MANIFEST}`))) === null
    })
  }

  remove(spot: PlacedSpot, successor?: PlacedSpot): Promise<{ readonly left: readonly string[] }> {
    return this.ground.explained(async () =>
      removeCopy({
        files: this.ground.writer,
        reader: this.ground.reader,
        root: await this.ground.root(),
        texts: this.#texts,
        place: stagingPlace(spot),
        buildId: spot.buildId,
        successor: successor === undefined ? null : stagingPlace(successor),
        fsync: this.options.fsync,
      }),
    )
  }

  /** What stands under the build's name without our word on it: only a snapshot's is to be taken over. */
  protected get adopts(): boolean {
    return false
  }

  async #look(root: string, place: BuildPlace, build: PlacedBuild): Promise<'right' | 'nothing' | 'other'> {
    const { writer } = this.ground
    let directory: Directory | null
    try {
      directory = await Directory.open(writer, root, [...versionPath(place), place.release])
    } catch (error) {
      if (error instanceof KeyError) return 'other'
      throw error
    }
    if (directory === null) return 'nothing'
    try {
      const manifest = await readManifest(writer, directory)
      if (manifest === null || manifest.buildId !== build.buildId) return 'other'
      const wanted = wantedFiles(build.files, this.options.take)
      const isRight =
        (await isStanding(writer, directory, manifest, wanted)) &&
        (await isBeside(writer, root, { ...build, place }))
      return isRight ? 'right' : 'other'
    } finally {
      await directory.close()
    }
  }

  /** What is in the way is found before the first write. Throws KeyError STORAGE_CLASH. */
  async #assertFree(
    root: string,
    place: BuildPlace,
    build: PlacedBuild,
    stands: 'nothing' | 'other',
  ): Promise<void> {
    const { writer } = this.ground
    await assertBeside(writer, root, this.#texts, { ...build, place })
    if (stands === 'nothing' || (await leadsToFormer(writer, root, { ...build, place }))) return
    const standing = await Directory.open(writer, root, [...versionPath(place), place.release])
    if (standing === null) return
    await ourManifest(this.#writing, standing, build.buildId).finally(() => standing.close())
  }

  async #within(
    build: PlacedBuild,
    work: (directory: Directory, manifest: Manifest) => Promise<void>,
  ): Promise<void> {
    const place = stagingPlace(build)
    const names = [...versionPath(place), place.release]
    const directory = await Directory.open(this.ground.writer, await this.ground.root(), names)
    if (directory === null) return
    try {
      const manifest = await readManifest(this.ground.writer, directory)
      if (manifest !== null && manifest.buildId === build.buildId) await work(directory, manifest)
    } finally {
      await directory.close()
    }
  }
}

function prodPlace(build: PlacedSpot): BuildPlace {
  return checkedPlace({ ...build, volume: build.prodVolume })
}

function stagingPlace(build: PlacedSpot): BuildPlace {
  return checkedPlace({ ...build, volume: build.stagingVolume })
}
