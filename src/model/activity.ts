/** What daemons did in one minute. */
export interface ActivityMinute {
  /** the minute's begin, milliseconds since 1970 */
  readonly atMs: number
  /** messages that marked keys */
  readonly arrived: number
  /** keys that were made equal by writing */
  readonly applied: number
  /** live changes whose lag was measured, and their lag in seconds */
  readonly lag: { readonly count: number; readonly sum: number; readonly max: number }
}

/** Something that came or was done, for people. */
export interface RecentThing {
  /** milliseconds since 1970 */
  readonly atMs: number
  readonly what: string
  readonly subject: string
  readonly detail: string
}

/** What was done lately, by whichever daemons. */
export interface Activity {
  /** the last hour, oldest first; minutes without anything are left out */
  readonly minutes: readonly ActivityMinute[]
  /** the newest first */
  readonly things: readonly RecentThing[]
}

export const MINUTE_MS = 60_000
/** How long a minute is shown. */
export const SHOWN_MINUTES = 60

/** Sums over the minutes that began within the last `minutes`. */
export function activityOf(
  minutes: readonly ActivityMinute[],
  nowMs: number,
  last: number,
): Omit<ActivityMinute, 'atMs'> {
  const from = nowMs - last * MINUTE_MS
  let [arrived, applied, count, sum, max] = [0, 0, 0, 0, 0]
  for (const minute of minutes) {
    if (minute.atMs <= from - MINUTE_MS) continue
    arrived += minute.arrived
    applied += minute.applied
    count += minute.lag.count
    sum += minute.lag.sum
    max = Math.max(max, minute.lag.max)
  }
  return { arrived, applied, lag: { count, sum, max } }
}
