import type { Timestamp } from '../model/time.ts'
import type { Tx } from './database.ts'
import { allocate } from './events.ts'

/** An event of prod's. */
export interface ProdEvent {
  readonly id: number
  readonly time: Timestamp
}

/** `ensureProdEvent` for many at once: staging's events by prod's. */
export async function ensureProdEvents(tx: Tx, events: readonly ProdEvent[]): Promise<Map<number, number>> {
  const distinct = [...new Map(events.map((event) => [event.id, event])).values()].sort((a, b) => a.id - b.id)
  const values = [distinct.map(({ id }) => id), distinct.map(({ time }) => time)]
  const inserted = await tx.query<{ id: number }>(
    'events.prod-insert-all',
    `insert into events (id, time)
     select r.id, r.time::timestamp at time zone 'UTC' from unnest($1::bigint[], $2::text[]) as r(id, time)
      where r.id < (select value::bigint from staging_sync.setting where key = 'id_floor') order by r.id
     on conflict (id) do nothing returning id`,
    values,
  )
  const found = new Map(inserted.map(({ id }) => [id, id]))
  if (found.size === distinct.length) return found
  const same = await tx.query<{ id: number }>(
    'events.prod-same-all',
    `select r.id from unnest($1::bigint[], $2::text[]) as r(id, time)
       join events e on e.id = r.id and e.time = r.time::timestamp at time zone 'UTC'`,
    values,
  )
  for (const { id } of same) found.set(id, id)
  const rest = distinct.filter(({ id }) => !found.has(id))
  const fresh = await allocate(tx, rest.length)
  rest.forEach(({ id }, i) => {
    found.set(id, fresh[i] as number)
  })
  return found
}
