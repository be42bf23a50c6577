import { SyncError } from '../errors.ts'
import { getEvent, getLastEvent } from '../hub/calls-lookup.ts'
import { HubFault } from '../hub/fault.ts'
import type { Call } from '../hub/hub.ts'
import type { Event } from '../model/tag-records.ts'
import type { Timestamp } from '../model/time.ts'

/** Reads one call of prod's hub. */
export type ReadOne = <T>(call: Call<T>) => Promise<T>

/** How many ids in a row may be missing: each is a transaction that was rolled back, or is still open. */
const MAX_GAP = 50

/** GenericError: what the hub says where there is no such event (kojihub.py getEvent, getLastEvent). */
const NO_ROWS = 1000

/** An event of prod by its id; null: there is none (rolled back, or never was). */
export function readEvent(read: ReadOne, id: number): Promise<Event | null> {
  return orNull(read(getEvent(id)))
}

/** The last event before a time; null: there is none. */
export function readEventBefore(read: ReadOne, time: Timestamp): Promise<Event | null> {
  return orNull(read(getLastEvent(time)))
}

/** The event with this id or, in a gap, the last one below it. Throws SyncError CATCHUP_SINCE. */
export async function readEventAtOrBelow(read: ReadOne, id: number): Promise<Event> {
  const ids = Array.from({ length: MAX_GAP }, (_, below) => id - below).filter((each) => each > 0)
  const events = await Promise.all(ids.map((each) => readEvent(read, each)))
  const found = events.find((event) => event !== null)
  if (found === undefined) {
    throw new SyncError('CATCHUP_SINCE', `prod has no event ${id} nor any of the ${MAX_GAP} below it`)
  }
  return found
}

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof HubFault && error.faultCode === NO_ROWS) return null
    throw error
  }
}
