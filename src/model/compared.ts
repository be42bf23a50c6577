import { activityOf, SHOWN_MINUTES } from './activity.ts'
import { ago, countsText, duration, plural } from './human.ts'
import type { ScrubStatus } from './scrub.ts'
import type { StatusReport } from './status.ts'

/** One of the three ways in which a difference can be noticed, and how far it got. */
export interface Compared {
  readonly by: 'live' | 'reconcile' | 'scrub'
  /** one line, for people */
  readonly text: string
}

/** A whole comparison that is older says little of today. */
const RECONCILE_STALE_MS = 2 * 86_400_000

/** Whether everything that reconcile compares was compared within two days. */
export function isLatelyCompared({ reconcile, atMs }: Pick<StatusReport, 'reconcile' | 'atMs'>): boolean {
  return reconcile !== null && atMs - reconcile.atMs <= RECONCILE_STALE_MS
}

/**
 * What was looked at when: more than this nobody knows. None of them sees all: messages tell of changes, reconcile compares tags, lists
 * and builds, the scrub what each build consists of.
 */
export function comparedOf(status: StatusReport): Compared[] {
  return [
    { by: 'live', text: live(status) },
    { by: 'reconcile', text: reconciled(status) },
    { by: 'scrub', text: scrubbed(status) },
  ]
}

function live({ minutes, atMs }: StatusReport): string {
  const { lag, arrived } = activityOf(minutes, atMs, SHOWN_MINUTES)
  if (lag.count === 0)
    return arrived === 0
      ? 'no change was told of in the last hour'
      : `${plural(arrived, 'message')} in the last hour changed nothing`
  const { count, sum, max } = lag
  return `${plural(count, 'change')} in the last hour, in staging ${duration(sum / count)} after they were told of, at most ${duration(max)}`
}

function reconciled({ reconcile, atMs }: StatusReport): string {
  const what = 'tags, settings, lists, builds and their signing keys'
  if (reconcile === null) return `${what}: never compared`
  const { found } = reconcile
  const when = `${what}: compared ${ago(atMs, reconcile.atMs)}`
  if (found === null) return `${when}; what it found was not kept`
  const differences = Object.values(found.differences).reduce((sum, count) => sum + count, 0)
  const where = `in ${plural(found.tags, 'tag')}, ${plural(found.builds, 'tagging')}`
  if (differences === 0) return `${when}, no difference ${where}`
  return `${when}, ${plural(differences, 'difference')} ${where}; nobody had told of ${countsText(found.missed) || 'none'}`
}

function scrubbed({ scrub, atMs }: StatusReport): string {
  const what = 'checksums, signatures, components and files of each build'
  if (scrub === null) return `${what}: never compared`
  const { pass, done, builds, missed, lastEnded, lastMissed } = scrub
  const now = `${what}: pass ${pass} at ${done} of ${builds}, found ${countsText(missed) || 'nothing'}`
  const before =
    lastEnded === null
      ? 'no pass has ended yet'
      : `the last whole one ended ${ago(atMs, Date.parse(lastEnded))}, found ${countsText(lastMissed ?? {}) || 'nothing'}`
  return `${now}${scrub.running ? '' : ' (nobody goes on with it)'}; ${before}`
}

/** How fast the scrub goes on. */
export function scrubPace({ perSecond, inTime }: ScrubStatus): string {
  if (perSecond === 0) return 'off in `run` (scrub.days = 0)'
  const rate = `${Number((perSecond * 3600).toPrecision(3))} builds an hour`
  return inTime ? rate : `${rate}: too slow for scrub.days`
}
