import { SyncError } from '../errors.ts'

/**
 * A moment in UTC as `YYYY-MM-DD HH:MM:SS.ffffff`: always 6 digits, never an offset. Two moments are the same
 * exactly if their texts are, and texts sort as moments do (years 0001 to 9999). What Koji's columns can hold.
 */
export type Timestamp = string

const TEXT =
  /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?$/
const FIRST = Date.parse('0001-01-01T00:00:00Z')
const LAST = Date.parse('9999-12-31T23:59:59Z')

/**
 * From a hub's date string (kojixmlrpc.py `dump_datetime`: `isoformat(' ')`): no fraction when the microseconds are
 * 0, the offset is that of the database's time zone; before Koji 1.22 there is none, and it is UTC.
 * Throws TIME_INVALID.
 */
export function timestampOfText(text: string): Timestamp {
  const match = TEXT.exec(text)
  if (match === null) throw invalid(text)
  const [, year, month, day, hour, minute, second, fraction = '', offset] = match
  const wall = `${year}-${month}-${day}T${hour}:${minute}:${second}`
  const wallMs = Date.parse(`${wall}Z`)
  // Date.parse takes 24:00 and rolls some days over: what does not come back as it was is no date.
  if (Number.isNaN(wallMs) || new Date(wallMs).toISOString().slice(0, 19) !== wall) throw invalid(text)
  return format(wallMs - offsetMs(offset), fraction.padEnd(6, '0'), text)
}

/**
 * From seconds since 1970 as the hub's `*_ts` doubles have them. Exact below 2^32 seconds (until 2106-02-07): there a
 * double is fine enough to name each microsecond. Later times, as far as 2^53 microseconds (2255), come out within 1
 * microsecond of what the hub's database has. Throws TIME_INVALID, also beyond that.
 */
export function timestampOfSeconds(seconds: number): Timestamp {
  const micros = Math.round(seconds * 1e6)
  if (!Number.isSafeInteger(micros)) throw invalid(String(seconds))
  const wholeSeconds = Math.floor(micros / 1e6)
  const fraction = String(micros - wholeSeconds * 1e6).padStart(6, '0')
  return format(wholeSeconds * 1000, fraction, String(seconds))
}

/** Seconds since 1970, the double that is nearest to the microsecond: what the hub takes as `completeAfter`. */
export function secondsOfTimestamp(timestamp: Timestamp): number {
  const canonical = timestampOfText(timestamp)
  const wholeSeconds = Date.parse(`${canonical.slice(0, 19).replace(' ', 'T')}Z`) / 1000
  return (wholeSeconds * 1e6 + Number(canonical.slice(20))) / 1e6
}

function offsetMs(offset: string | undefined): number {
  if (offset === undefined || offset === 'Z') return 0
  const digits = offset.slice(1).replaceAll(':', '').padEnd(6, '0')
  const seconds =
    Number(digits.slice(0, 2)) * 3600 + Number(digits.slice(2, 4)) * 60 + Number(digits.slice(4, 6))
  return (offset.startsWith('-') ? -seconds : seconds) * 1000
}

function format(ms: number, fraction: string, from: string): Timestamp {
  if (ms < FIRST || ms > LAST) throw invalid(from)
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}.${fraction}`
}

function invalid(text: string): SyncError {
  return new SyncError('TIME_INVALID', `not a time: ${JSON.stringify(text.slice(0, 80))}`, {
    detail: { text: text.slice(0, 80) },
  })
}
