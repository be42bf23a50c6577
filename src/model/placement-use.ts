/** How a build's files stand in staging; the names of `storage/placement.ts`. */
export const PLACEMENT_MODES = ['volume', 'farm', 'copy', 'in-place'] as const
export const PLACEMENT_STATES = ['intent', 'placed', 'removing'] as const

/** What one placement holds. */
export interface PlacementUse {
  readonly mode: string
  /** builds by state of their record */
  readonly builds: Readonly<Record<(typeof PLACEMENT_STATES)[number], number>>
  /** what Koji's rows say of the files of its builds; in staging's own tree only with `copy` and `in-place` */
  readonly bytes: number
}
