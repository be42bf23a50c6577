import type { ScrubReport } from '../model/scrub.ts'

/** The last line, for people. */
export function scrubText({ builds, failed, differences, heldKeys, parkedKeys }: ScrubReport): string {
  const { drift, queued, parked, held } = differences
  const total = drift + queued + parked + held
  const found = `${total} differences (${drift} new, ${queued} known already, ${parked} parked, ${held} held)`
  const ends = heldKeys + parkedKeys > 0 ? `; of the keys ${heldKeys} ended held, ${parkedKeys} parked` : ''
  const unread = failed > 0 ? `; ${failed} could not be read or judged` : ''
  return `${total === 0 ? 'no difference' : found} in ${builds} builds${ends}${unread}\n`
}
