import type { ScrubReport } from '../model/scrub.ts'
import { failureLines, openText } from './open-keys.ts'

/** The last line, for people. */
export function scrubText(report: ScrubReport): string {
  const { builds, failed, differences } = report
  const { drift, queued, parked, held } = differences
  const total = drift + queued + parked + held
  const found = `${total} differences (${drift} new, ${queued} known already, ${parked} parked, ${held} held)`
  const ends = openText(report, 'of the keys ')
  const unread = failed > 0 ? `; ${failed} could not be read or judged` : ''
  return `${total === 0 ? 'no difference' : found} in ${builds} builds${ends}${unread}\n${failureLines(report)}`
}
