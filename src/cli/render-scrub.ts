import type { ScrubReport, ScrubStatus } from '../model/scrub.ts'

/** The last line, for people. */
export function scrubText({ builds, failed, differences, heldKeys, parkedKeys }: ScrubReport): string {
  const { drift, queued, parked, held } = differences
  const total = drift + queued + parked + held
  const found = `${total} differences (${drift} new, ${queued} known already, ${parked} parked, ${held} held)`
  const ends = heldKeys + parkedKeys > 0 ? `; of the keys ${heldKeys} ended held, ${parkedKeys} parked` : ''
  const unread = failed > 0 ? `; ${failed} could not be read or judged` : ''
  return `${total === 0 ? 'no difference' : found} in ${builds} builds${ends}${unread}\n`
}

/** The lines of `status`. */
export function scrubStatusLines(scrub: ScrubStatus | null): string[] {
  if (scrub === null) return ['scrub       never']
  const rate = `${Math.round(scrub.perSecond * 36_000) / 10} builds an hour`
  const slow = scrub.inTime ? '' : ', too slow for scrub.days'
  const plan = scrub.perSecond === 0 ? 'off in `run` (scrub.days = 0)' : `${rate}${slow}`
  const last =
    scrub.lastEnded === null
      ? 'none'
      : `${scrub.lastBuilds} builds, ended ${scrub.lastEnded}, ${missed(scrub.lastMissed)}`
  return [
    'scrub',
    `  pass ${scrub.pass}    ${scrub.done} of ${scrub.builds} builds since ${scrub.started}, ${missed(scrub.missed)}${scrub.running ? '' : '; nobody goes on with it now'}`,
    `  rate      ${plan}`,
    `  before    ${last}`,
  ]
}

function missed(of: Readonly<Record<string, number>> | null): string {
  const entries = Object.entries(of ?? {})
  return entries.length === 0
    ? 'nothing found'
    : `found ${entries.map(([kind, n]) => `${n} ${kind}`).join(', ')}`
}
