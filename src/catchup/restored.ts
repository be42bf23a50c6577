import { SyncError } from '../errors.ts'
import { getLastEvent } from '../hub/calls-lookup.ts'
import type { Event } from '../model/tag-records.ts'
import { getCursor, HISTORY_CURSOR, setCursor } from '../staging/cursor.ts'
import type { Database, Tx } from '../staging/database.ts'
import { numberSetting, readSettings, writeSetting } from '../staging/settings.ts'
import { BUILDS_CURSOR } from './builds.ts'
import { type ReadOne, readEvent } from './prod-events.ts'

/**
 * After prod was restored from a backup: goes back to the last event that it still has of those that we read, and forgets all
 * that was remembered of later ones, since prod gives their ids out again. What staging shows of later ones stays until reconcile
 * finds it. One transaction.
 *
 * `since`: where to go back to, for a person who knows. Returns where that is. Throws SyncError CATCHUP_NOT_RESTORED when
 * prod still has what we read last, CATCHUP_SINCE where a person must say.
 */
export async function goBack(database: Database, read: ReadOne, since: number | null): Promise<Event> {
  const cursor = await getCursor(database, HISTORY_CURSOR)
  if (cursor === null || cursor.event === null) {
    throw new SyncError('CATCHUP_NO_CURSOR', 'nobody has said from where to follow prod: run init first')
  }
  const still = await readEvent(read, cursor.event)
  if (still !== null && (cursor.time === null || still.time === cursor.time)) {
    const text = `prod still has event ${cursor.event}, up to which staging follows: it was not restored from before that`
    throw new SyncError('CATCHUP_NOT_RESTORED', text)
  }
  const now = await read(getLastEvent())
  const shared = since === null ? await findShared(database, read) : await readEvent(read, since)
  if (shared === null || shared.id > now.id) {
    const text =
      since === null
        ? `prod has none of the events that were noted here: say the last one before the loss, --since EVENT (prod's last is ${now.id})`
        : `prod has no event ${since} (its last is ${now.id})`
    throw new SyncError('CATCHUP_SINCE', text)
  }
  await database.transaction('catchup.go-back', (tx) => forgetAfter(tx, shared), {
    lockTimeoutMs: 5_000,
    statementTimeoutMs: 120_000,
    patienceMs: Number.POSITIVE_INFINITY,
  })
  return shared
}

/** The last event, of those that catch-up noted, that prod has with the same time; before it, both are the same. */
async function findShared(database: Database, read: ReadOne): Promise<Event | null> {
  const noted = await database.query<Event>(
    'catchup.noted-events',
    `select distinct event as id, to_char(time, 'YYYY-MM-DD HH24:MI:SS.US') as time
       from staging_sync.catchup_watermark order by 1`,
  )
  const isThere = async ({ id, time }: Event): Promise<boolean> => (await readEvent(read, id))?.time === time
  let low = 0
  let high = noted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (await isThere(noted[middle] as Event)) low = middle + 1
    else high = middle
  }
  const found = noted[low - 1]
  if (found !== undefined) return found
  const seed = numberSetting(await readSettings(database), 'seed_event')
  return seed === null ? null : readEvent(read, seed)
}

async function forgetAfter(tx: Tx, { id, time }: Event): Promise<void> {
  const forget = (name: string, text: string): Promise<unknown[]> =>
    tx.query(`catchup.forget.${name}`, text, [id])
  await forget('handled', 'delete from staging_sync.handled where greatest(create_event, revoke_event) > $1')
  // Newer revokes in prod have lower events by now: measured by these they would prove nothing.
  await forget('event-map', 'delete from staging_sync.event_map where prod_event > $1')
  await forget(
    'ids',
    `delete from staging_sync.catchup_seen s where s.source <> 'staging-event' and s.id >
       coalesce((select max(w.top) from staging_sync.catchup_watermark w where w.source = s.source and w.event <= $1), 0)`,
  )
  await forget('watermarks', 'delete from staging_sync.catchup_watermark where event > $1')
  await forget('sentinel', 'delete from staging_sync.catchup_sentinel where $1::bigint is not null')
  const settings = await readSettings(tx)
  const copied = numberSetting(settings, 'copied_event') ?? numberSetting(settings, 'seed_event')
  if (copied !== null && copied > id) await writeSetting(tx, 'copied_event', id)
  for (const cursor of [HISTORY_CURSOR, BUILDS_CURSOR]) await setCursor(tx, cursor, { event: id, time })
}
