/** Staging's tree as this host sees it. */
export interface TreeState {
  readonly freeBytes: number
  /** what copying leaves free; null: no rule copies */
  readonly reserveBytes: number | null
  /** copies wait for room */
  readonly full: boolean
  /** of the snapshot of placement `in-place`; null: there is none, or nothing tells */
  readonly snapshotAgeSeconds: number | null
}
