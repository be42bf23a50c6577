import type { Drift } from './drift.ts'
import type { OpenKeys } from './open-keys.ts'

export interface ScrubOptions {
  /** go through every build once, as fast as prod's hub is allowed to be asked, and end; false: go on at the planned rate */
  readonly once: boolean
  /** names and patterns of staging's tags: their builds once, and end; none: every build */
  readonly tags: readonly string[]
}

/** What a scrub tells: differences and how far it is as it goes, and at last the sum. */
export type ScrubNews =
  | { readonly kind: 'difference'; readonly drift: Drift }
  | { readonly kind: 'progress'; readonly done: number; readonly total: number }
  | { readonly kind: 'end'; readonly report: ScrubReport }

export interface ScrubReport extends OpenKeys {
  /** builds that were looked at */
  readonly builds: number
  /** of those: could not be read or judged; their keys were marked, and show why */
  readonly failed: number
  /** differences by state */
  readonly differences: Readonly<Record<Drift['state'], number>>
}

/** The rolling pass, as `status` shows it. Times are ISO 8601. */
export interface ScrubStatus {
  /** somebody goes on with it now */
  readonly running: boolean
  readonly pass: number
  readonly started: string
  /** how many builds there are, and those that it has looked at */
  readonly builds: number
  readonly done: number
  /** differences that nobody knew of, by kind */
  readonly missed: Readonly<Record<string, number>>
  /** at which the rest is to be done */
  readonly perSecond: number
  /** false: the highest rate that is allowed is too low for `scrub.days` */
  readonly inTime: boolean
  /** of the pass before; null: there was none */
  readonly lastStarted: string | null
  readonly lastEnded: string | null
  readonly lastBuilds: number | null
  readonly lastMissed: Readonly<Record<string, number>> | null
}
