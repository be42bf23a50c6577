import { SafetyError, SyncError } from '../errors.ts'
import { getLastEvent } from '../hub/calls-lookup.ts'
import type { Event } from '../model/tag-records.ts'
import type { Timestamp } from '../model/time.ts'
import { getCursor, HISTORY_CURSOR } from '../staging/cursor.ts'
import type { Sql } from '../staging/database.ts'
import { BUILDS_CURSOR } from './builds.ts'
import { before } from './overlap.ts'
import { type ReadOne, readEvent, readEventAtOrBelow, readEventBefore } from './prod-events.ts'

/** What a catch-up reads again, in prod's ids and prod's clock. */
export interface Window {
  /** prod's last event, read first: where the cursors go */
  readonly now: Event
  readonly afterEvent: number
  readonly completeAfter: Timestamp
  /** of ids that have no time of their own; null: from where each was read last, less the overlap */
  readonly since: Timestamp | null
}

/**
 * From where to read: what stood one overlap *before the cursor* (transactions that were open then may have been committed
 * after it was set, however long ago that is), or from a given event on.
 *
 * Throws SafetyError PROD_WENT_BACK when prod's history does not hold our cursor any more, SyncError CATCHUP_NO_CURSOR before
 * `init`, CATCHUP_SINCE for an event that prod does not have.
 */
export async function openWindow(
  sql: Sql,
  read: ReadOne,
  options: { readonly overlapMs: number; readonly since: number | Timestamp | undefined },
): Promise<Window> {
  const cursor = await getCursor(sql, HISTORY_CURSOR)
  if (cursor === null || cursor.event === null) {
    throw new SyncError('CATCHUP_NO_CURSOR', 'nobody has said from where to follow prod: run init first')
  }
  const now = await read(getLastEvent())
  const begin = await checkCursor(read, now, cursor.event, cursor.time)
  if (options.since !== undefined) {
    const since = await readSince(read, now, options.since)
    return { now, afterEvent: since.id, completeAfter: since.time, since: since.time }
  }
  const builds = await getCursor(sql, BUILDS_CURSOR)
  const { overlapMs } = options
  const bound = before(begin.time, now.time, overlapMs)
  const event = await readEventBefore(read, bound)
  return {
    now,
    afterEvent: Math.min(begin.id, event?.id ?? 0),
    completeAfter: before(builds?.time ?? begin.time, now.time, overlapMs),
    since: null,
  }
}

const WAY_OUT =
  'If it was restored: `koji-staging-sync catch-up --prod-restored` goes back to the last event that it still has, then `reconcile --dry-run` shows what differs'

/** The event of our cursor, which prod must still have, with the same time: else it was restored, or is another prod. */
async function checkCursor(
  read: ReadOne,
  now: Event,
  cursor: number,
  time: Timestamp | null,
): Promise<Event> {
  const wentBack = (what: string): SafetyError =>
    new SafetyError(
      'PROD_WENT_BACK',
      `${what}: prod was restored from a backup, or this is another hub; nothing is written until a person has looked. ${WAY_OUT}`,
      { detail: { last: now.id, cursor, cursorTime: time } },
    )
  if (now.id < cursor)
    throw wentBack(`prod's last event is ${now.id}, staging already follows up to ${cursor}`)
  const event = await readEvent(read, cursor)
  if (event === null) {
    throw wentBack(`prod (last event ${now.id}) has no event ${cursor} any more, up to which staging follows`)
  }
  if (time !== null && event.time !== time) {
    throw wentBack(
      `prod's event ${cursor}, up to which staging follows, was of ${time} and is of ${event.time}`,
    )
  }
  return event
}

/** Where to begin: the event itself (in a gap the time of the one below), or the last one before a time. */
async function readSince(read: ReadOne, now: Event, since: number | Timestamp): Promise<Event> {
  if (typeof since === 'string') {
    if (since > now.time) {
      throw new SyncError(
        'CATCHUP_SINCE',
        `prod's last event is of ${now.time} UTC, nothing is later than ${since}`,
      )
    }
    return { id: (await readEventBefore(read, since))?.id ?? 0, time: since }
  }
  if (!Number.isSafeInteger(since) || since < 1 || since > now.id) {
    throw new SyncError('CATCHUP_SINCE', `prod has events 1 to ${now.id}, not ${since}`)
  }
  return { id: since, time: (await readEventAtOrBelow(read, since)).time }
}
