import { CopyPlacement } from './copy-placement.ts'

/**
 * Placement `in-place`: staging's tree is a writable snapshot of prod's, on the same volumes. What it has is judged once, byte for byte, and
 * kept; what it lacks, being older than the build, is fetched; what has other bytes is prod's of another day, and replaced. From then
 * on a build is as with `copy`: `.koji-staging-sync.json` says what was judged.
 */
export class InPlacePlacement extends CopyPlacement {
  override readonly mode = 'in-place'

  /** Every directory of a snapshot is prod's, until its bytes say otherwise. */
  override async standsAlready(): Promise<boolean> {
    return false
  }

  protected override get adopts(): boolean {
    return true
  }
}
