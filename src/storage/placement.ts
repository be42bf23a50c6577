import type { BuildFile } from '../model/build-files.ts'
import type { BuildPlace } from '../model/paths.ts'

/** Where and how a build's files stand in staging. */
export type PlacementMode = 'volume' | 'farm' | 'copy' | 'in-place'

/** What a placement must know of a build: names as prod's hub gave them, unchecked. */
export interface PlacedBuild {
  /** Prod's id: a draft's release holds it. */
  readonly buildId: number
  readonly name: string
  readonly version: string
  readonly release: string
  /** Name of the build's volume in prod. */
  readonly prodVolume: string
  /** Name of the volume that its row in staging will have. */
  readonly stagingVolume: string
  /** No rpms, no archives with files: prod need not have a directory. */
  readonly withoutFiles: boolean
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
 * Throws KeyError STORAGE_SOURCE_MISSING (prod has no such directory yet: retried, then parked), KeyError STORAGE_NAME_UNSAFE,
 * KeyError STORAGE_CLASH (something of staging's stands there), KeyError STORAGE_OWNER (may not give files away), AgainError
 * STORAGE_RACE (somebody works in the same place), OutageError('storage') for a sick disk or mount.
 */
export interface Placement {
  readonly mode: PlacementMode
  /** Throws OutageError('storage') when a tree is sick as a whole, whatever a single build's directory is. */
  probe(): Promise<void>
  /** True when every path is as `place` would leave it; reads only. */
  isPlaced(build: PlacedBuild): Promise<boolean>
  place(build: PlacedBuild): Promise<void>
  /** Which of these files are not there, or torn, where Koji would open them; of a build that is placed. Reads only. */
  inspect(build: PlacedBuild, files: readonly BuildFile[]): Promise<readonly FileFault[]>
  /**
   * True when files of staging's own stand at a place of its tree: a directory, or a link that `place` cannot have made. Reads
   * only. A volume that is itself a link is looked through.
   */
  standsAlready(at: BuildPlace): Promise<boolean>
  /**
   * Takes away what `place` made, and only that; what staging added or replaced stays and is named in the result.
   *
   * A build that moved (another volume, a draft that was promoted) is placed anew first, then its rows are written, then what it
   * was is removed with `successor`: what belongs to that stays, and a draft's old name leads to the new one, as in Koji.
   */
  remove(build: PlacedBuild, successor?: PlacedBuild): Promise<{ readonly left: readonly string[] }>
}
