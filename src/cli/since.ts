import { SyncError } from '../errors.ts'
import { type Timestamp, timestampOfText } from '../model/time.ts'

/**
 * `--since`: an event of prod, or a time (UTC unless it says otherwise): `2026-01-31`, `2026-01-31 04:05`, `2026-01-31T04:05:06Z`.
 * Throws SyncError TIME_INVALID.
 */
export function parseSince(text: string): number | Timestamp {
  if (/^[0-9]{1,15}$/.test(text)) return Number(text)
  const match = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d(?:\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?$/.exec(text)
  if (match === null) {
    const what = JSON.stringify(text.slice(0, 40))
    throw new SyncError('TIME_INVALID', `neither an event nor a time like 2026-01-31T04:05: ${what}`)
  }
  const [, day, minute = '00:00', second = ':00', zone = ''] = match
  return timestampOfText(`${day} ${minute}${second}${zone}`)
}
