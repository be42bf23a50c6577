import { setTimeout as delay } from 'node:timers/promises'
import { readEvent } from '../catchup/prod-events.ts'
import type { Deps } from '../converge/deps.ts'
import { SyncError } from '../errors.ts'
import { getLastEvent } from '../hub/calls-lookup.ts'
import type { Call, ReadOptions } from '../hub/hub.ts'
import type { EventAnswer, EventOptions } from '../model/operations.ts'
import { closuresAt, findTagByName, type Reproduced, reproduce, tagsInScope } from '../reconcile/reproduce.ts'
import type { Windows } from '../reconcile/windows.ts'
import type { World } from './world.ts'

/** Checkpoints on each side of the event that are looked at when it is not reproducible itself. */
const NEAR = 25
/** A transaction of staging that may still add to the answer is waited for so often, and so long. */
const TRIES = 25
const WAIT_MS = 200

/**
 * Which event of staging shows what prod showed at one of its own. Reads only.
 *
 * Throws SyncError EVENT_UNKNOWN for an event that prod does not have, EVENT_TAG_UNKNOWN, EVENT_UNSETTLED while an older transaction
 * of staging is open.
 */
export async function runEvent(
  world: World,
  { event, tag }: EventOptions,
  signal: AbortSignal,
): Promise<EventAnswer> {
  const { deps } = await world.engine()
  const options: ReadOptions = { priority: 'live', signal }
  const readOne = async <T>(call: Call<T>): Promise<T> => (await deps.hub.read([call], options))[0]
  const last = await readOne(getLastEvent())
  if (event > last.id || (await readEvent(readOne, event)) === null) {
    throw new SyncError('EVENT_UNKNOWN', `prod has no event ${event}; its last is ${last.id}`)
  }
  const tagId = tag === null ? null : await findTagByName(deps, tag, options)
  const first = (await at(deps, [event], tagId, options)).get(event) as Reproduced
  const found = eventIn(first.windows, event, deps.owner.seedEvent)
  if (found !== null) {
    await settled(deps, found)
    return { prodEvent: event, stagingEvent: found, reasons: [], nearest: here(event, found) }
  }
  const near = await readNear(deps, event)
  const others = near.length === 0 ? new Map<number, Reproduced>() : await at(deps, near, tagId, options)
  const pick = (wanted: (prodEvent: number) => boolean, sign: 1 | -1) => {
    const sorted = near.filter(wanted).sort((a, b) => sign * (a - b))
    for (const prodEvent of sorted) {
      const stagingEvent = eventIn(others.get(prodEvent)?.windows ?? [], prodEvent, deps.owner.seedEvent)
      if (stagingEvent !== null) return { prodEvent, stagingEvent }
    }
    return null
  }
  return {
    prodEvent: event,
    stagingEvent: null,
    reasons: first.reasons,
    nearest: { below: pick((other) => other < event, -1), above: pick((other) => other > event, 1) },
  }
}

async function at(
  deps: Deps,
  events: readonly number[],
  tagId: number | null,
  options: ReadOptions,
): Promise<Map<number, Reproduced>> {
  if (tagId === null) {
    const tags = new Set(await tagsInScope(deps, options))
    return reproduce(deps, events, () => tags, null, options)
  }
  const closures = await closuresAt(deps, tagId, events, options)
  return reproduce(deps, events, (event) => closures.get(event) ?? new Set(), tagId, options)
}

/** Up to the seed's last event both sides have the same events; later it is the first at which all was so. */
function eventIn(windows: Windows, prodEvent: number, seedEvent: number | null): number | null {
  const seeded = seedEvent !== null && prodEvent <= seedEvent
  if (seeded && windows.some(({ from, to }) => from <= prodEvent && prodEvent < to)) return prodEvent
  const [first] = windows
  if (first === undefined) return null
  return first.from > 0 ? first.from : (seedEvent ?? null)
}

/** Prod's events of the checkpoints on both sides. */
async function readNear({ database }: Pick<Deps, 'database'>, event: number): Promise<number[]> {
  const rows = await database.query<{ id: number }>(
    'event.near',
    `(select distinct prod_event as id from staging_sync.event_map where whole and prod_event < $1::bigint order by 1 desc limit ${NEAR})
     union all
     (select distinct prod_event from staging_sync.event_map where whole and prod_event > $1::bigint order by 1 limit ${NEAR})`,
    [event],
  )
  return rows.map(({ id }) => id)
}

/** A transaction that was open when the event was taken may have a lower one, and show it when it commits. */
async function settled({ database }: Pick<Deps, 'database'>, stagingEvent: number): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const [row] = await database.query<{ open: boolean }>(
      'event.unsettled',
      `select exists (
         select 1 from pg_stat_activity a, events e
          where e.id = $1::bigint and a.datname = current_database() and a.backend_xid is not null
            and a.pid <> pg_backend_pid() and a.xact_start <= e.time) as open`,
      [stagingEvent],
    )
    if (row?.open !== true) return
    if (attempt === TRIES) {
      const text = `a transaction of staging that is older than its event ${stagingEvent} is still open, and may add to it: try again later`
      throw new SyncError('EVENT_UNSETTLED', text)
    }
    await delay(WAIT_MS)
  }
}

function here(prodEvent: number, stagingEvent: number): EventAnswer['nearest'] {
  return { below: { prodEvent, stagingEvent }, above: { prodEvent, stagingEvent } }
}
