import type { BuildFile } from '../model/build-files.ts'
import type { BuildPlace } from '../model/paths.ts'

/**
 * Where and how a build's files stand in staging. Two modes never share a staging volume: a build whose mode changes moves, as one
 * does whose volume changes in prod.
 */
export type PlacementMode = 'volume' | 'farm' | 'copy' | 'in-place'

/** A build's place on both sides: names as prod's hub gave them, unchecked. */
export interface PlacedSpot {
  /** Prod's id: a draft's release holds it. */
  readonly buildId: number
  readonly name: string
  readonly version: string
  readonly release: string
  /** Name of the build's volume in prod. */
  readonly prodVolume: string
  /** Name of the volume that its row in staging will have. */
  readonly stagingVolume: string
}

/** What a placement must know of a build. */
export interface PlacedBuild extends PlacedSpot {
  /** No rpms, no archives with files: prod need not have a directory. */
  readonly withoutFiles: boolean
  /** What its rows name, as prod shows them now. `volume` reads them in `inspect` only. */
  readonly files: readonly BuildFile[]
  /** Keys that prod has ever signed with: of these only, what the rows no longer name goes. */
  readonly sigkeys: readonly string[]
  /** Staging's volumes where it may stand as yet: the link on the default volume may lead there. */
  readonly formerVolumes: readonly string[]
}

/** A file of a build that is not as its row says. */
export interface FileFault {
  /** below the build's directory; empty: that itself */
  readonly path: string
  readonly fault: 'missing' | 'other size' | 'no file'
}

/**
 * Puts the files of builds into staging's tree, and takes them out again.
 *
 * MUST: `place` returns only when every path that Koji would open resolves; before that nothing of it is visible under
 * a final name, and on any error nothing is left. Placing twice is placing once. Nothing is deleted, renamed or opened for
 * writing through a path that resolves into prod's tree.
 *
 * What a build gets later (an rpm, a signature) has `place` called again before its rows are written: the whole build is told each
 * time, what stands is kept, what lacks is added file by file, each by rename. What staging itself added beside (signatures of its own,
 * signed copies) stays, and does not make a build unplaced. What the rows no longer name is `tidy`'s, after the rows.
 *
 * Throws KeyError STORAGE_SOURCE_MISSING (prod has no such directory yet: retried, then parked), KeyError STORAGE_NAME_UNSAFE,
 * KeyError STORAGE_CLASH (something of staging's stands there), KeyError STORAGE_OWNER (may not give files away), AgainError
 * STORAGE_RACE (somebody works in the same place), OutageError('storage') for a sick disk or mount, OutageError('space') for a full one.
 */
export interface Placement {
  readonly mode: PlacementMode
  /** Throws OutageError('storage') when a tree is sick as a whole, whatever a single build's directory is. */
  probe(): Promise<void>
  /** Throws OutageError('space') while there is no room for more of its files; for one whose files take room. */
  probeRoom?(): Promise<void>
  /** True when every path is as `place` and `tidy` would leave it; reads only. */
  isPlaced(build: PlacedBuild): Promise<boolean>
  /** Throws StopError when `signal` says so while files are copied, and takes back what it made of them. */
  place(build: PlacedBuild, signal?: AbortSignal): Promise<void>
  /** Where a placement can do many at once: places those that are plain, returns the others, which `place` is for. */
  placeMany?(builds: readonly PlacedBuild[]): Promise<readonly PlacedBuild[]>
  /**
   * After the rows: takes away what an earlier `place` brought and the build no longer has (an rpm, an archive). A placement that
   * has no files of its own has nothing to do here. Safe to repeat, and not to come to.
   */
  tidy(build: PlacedBuild): Promise<void>
  /** Which of its files are not there, or torn, where Koji would open them; of a build that is placed. Reads only. */
  inspect(build: PlacedBuild): Promise<readonly FileFault[]>
  /**
   * True when files of staging's own stand at a place of its tree: a directory, or a link that `place` cannot have made. Reads
   * only. A volume that is itself a link is looked through.
   */
  standsAlready(at: BuildPlace): Promise<boolean>
  /**
   * Takes away what `place` made, and only that; what staging added or replaced stays and is named in the result. Signatures and
   * signed copies are the build's whoever made them: they go with it, as their rows do, or with it to where it moved.
   *
   * A build that moved (another volume, another mode, a draft that was promoted) is placed anew first, then its rows are written, then
   * what it was is removed with `successor`: what belongs to that stays, and a draft's old name leads to the new one, as in Koji.
   */
  remove(build: PlacedSpot, successor?: PlacedSpot): Promise<{ readonly left: readonly string[] }>
}
