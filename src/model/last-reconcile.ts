import type { DriftKind, DriftState } from './drift.ts'

/** What the last comparison of everything found, whoever made it: kept in staging's database. */
export interface LastReconcile {
  /** when it ended, milliseconds since 1970 by the database's clock */
  readonly atMs: number
  /** what was compared; null: by a version that did not keep it */
  readonly found: {
    readonly tags: number
    readonly builds: number
    /** differences by state */
    readonly differences: Readonly<Record<DriftState, number>>
    /** of those that nobody knew of (`drift`), by kind; kinds without any are left out */
    readonly missed: Readonly<Partial<Record<DriftKind, number>>>
  } | null
}
