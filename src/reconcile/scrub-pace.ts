/** What a pass is planned from. */
export interface Pass {
  /** how many there are */
  readonly builds: number
  /** those that it has looked at */
  readonly done: number
  /** since it began, by the database's clock */
  readonly elapsedSeconds: number
}

export interface Pace {
  readonly perSecond: number
  /** false: at the highest rate that is allowed it will be over later than it should */
  readonly inTime: boolean
}

const DAY_SECONDS = 86_400
/** A pass is planned to end so early, in parts of its time, that a restart or an outage does not make it late. */
const MARGIN = 0.05

/** How fast the rest of a pass is to go, so that every build is reached within `days`; never faster than `maxPerSecond`. Pure. */
export function paceOf(pass: Pass, limits: { readonly days: number; readonly maxPerSecond: number }): Pace {
  // Builds that came meanwhile are at the end: there is always one left to look for.
  const left = Math.max(1, pass.builds - pass.done)
  const seconds = limits.days * DAY_SECONDS
  const planned = Math.max(1, seconds * (1 - MARGIN) - pass.elapsedSeconds)
  const perSecond = Math.min(left / planned, limits.maxPerSecond)
  return { perSecond, inTime: left / perSecond <= Math.max(1, seconds - pass.elapsedSeconds) }
}
