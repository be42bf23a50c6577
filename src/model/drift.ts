import type { Key } from './key.ts'

/** What about a thing differs. The label of `kojisync_missed_total`, so few and fixed. */
export const DRIFT_KINDS = [
  'name',
  'tag',
  'extra',
  'inheritance',
  'external-repos',
  'groups',
  'package',
  'listing',
  'target',
  'external-repo',
  'build',
  'state',
  'owner',
  'volume',
  'time',
  'row',
  'rpms',
  'signatures',
  'archives',
  'checksums',
  'components',
  'files',
] as const

export type DriftKind = (typeof DRIFT_KINDS)[number]

/**
 * `drift`: nobody knew of it. `queued`: its key was marked already. `parked`: its key was tried, and failed. `held`: a clash, or
 * the gate for removals, keeps it as it is.
 */
export type DriftState = 'drift' | 'queued' | 'parked' | 'held'

/** One thing that prod and staging show differently; what policy left to staging is none. */
export interface Drift {
  /** what makes it equal */
  readonly key: Key
  readonly kind: DriftKind
  /** of what, as people call it: a name, an NVR */
  readonly subject: string
  /** name of the tag that it is in, by prod; null: of none */
  readonly tag: string | null
  /** what each side shows of it, by names where it can be; null: it has none */
  readonly prod: unknown
  readonly staging: unknown
  readonly state: DriftState
}
