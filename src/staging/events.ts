import type { Timestamp } from '../model/time.ts'
import type { Sql, Tx } from './database.ts'

/** A prod event and the staging event that stands for it within one key. */
export interface EventPair {
  readonly prodEvent: number
  readonly stagingEvent: number
  /** false: something that prod's history names up to that event was left out; absent: true */
  readonly whole?: boolean
}

/**
 * Takes fresh events, ascending, with the database's time of now. The same as Koji's get_event() (docs/schema.sql), all in
 * one statement.
 */
export async function allocate(tx: Tx, count: number): Promise<number[]> {
  if (count === 0) return []
  const rows = await tx.query<{ id: number }>(
    'events.allocate',
    'insert into events (time) select clock_timestamp() from generate_series(1, $1::int) returning id',
    [count],
  )
  return rows.map(({ id }) => id).sort((a, b) => a - b)
}

/** How statements name events: by id, or by the place (1, 2, ...) among those that `allocateAhead` takes in the same transaction. */
export type EventsBy = 'id' | 'place'

/** `allocate` for statements that are sent along with it, and name the events by place since their ids are not known yet. */
export async function allocateAhead(tx: Tx, count: number): Promise<void> {
  await tx.query(
    'events.allocate-ahead',
    `with taken as (insert into events (time) select clock_timestamp() from generate_series(1, $1::int) returning id)
     select set_config('${TAKEN}', array_agg(id order by id)::text, true) from taken`,
    [count],
  )
}

/** SQL of the event that the integer expression `named` names. */
export function eventSql(named: string, by: EventsBy): string {
  return by === 'id' ? named : `(${TAKEN_EVENTS})[${named}]::int`
}

/** The transaction's own setting that holds the events taken ahead. */
const TAKEN = 'koji_staging_sync.events'

/** SQL of the events taken ahead, ascending: an array of bigint. */
export const TAKEN_EVENTS = `current_setting('${TAKEN}')::bigint[]`

/** One fresh staging event per distinct prod event, in the same order. Take them late: others' repos wait for none. */
export async function allocateEvents(tx: Tx, prodEvents: Iterable<number>): Promise<Map<number, number>> {
  const prod = [...new Set(prodEvents)].sort((a, b) => a - b)
  const staging = await allocate(tx, prod.length)
  return new Map(prod.map((event, index) => [event, staging[index] as number]))
}

/**
 * Remembers which staging event stands for which prod event of a key (`formatKey`'s text). `by` place: `stagingEvent` is one of
 * those taken ahead.
 */
export async function recordEventMap(
  tx: Tx,
  key: string,
  pairs: readonly EventPair[],
  by: EventsBy = 'id',
): Promise<void> {
  if (pairs.length === 0) return
  await tx.query(
    `events.map.${by}`,
    `insert into staging_sync.event_map (key, prod_event, staging_event, whole)
     select $1, prod_event, ${eventSql('staging_event', by)}, whole
       from unnest($2::bigint[], $3::bigint[], $4::boolean[]) as r(prod_event, staging_event, whole)
     on conflict (key, staging_event) do nothing`,
    [
      key,
      pairs.map(({ prodEvent }) => prodEvent),
      pairs.map(({ stagingEvent }) => stagingEvent),
      pairs.map(({ whole }) => whole ?? true),
    ],
  )
}

/** The newest prod event that was ever applied for a key; null: none. */
export async function lastMapped(sql: Sql, key: string): Promise<number | null> {
  const [row] = await sql.query<{ event: number | null }>(
    'events.last-mapped',
    'select max(prod_event) as event from staging_sync.event_map where key = $1',
    [key],
  )
  return row?.event ?? null
}

/** The checkpoints of a key: pairs that left nothing out, newest first, at most `limit`. */
export function readEventMap(sql: Sql, key: string, limit = 1000): Promise<EventPair[]> {
  return sql.query<EventPair>(
    'events.read-map',
    `select prod_event as "prodEvent", staging_event as "stagingEvent" from staging_sync.event_map
      where key = $1 and whole order by staging_event desc limit $2`,
    [key, limit],
  )
}

/**
 * The event for `build.create_event`, which is not versioned: prod's id with prod's time, where that id lies below
 * the floor and is free (or is just this event already); else a fresh event. Without a floor (before `init`) always
 * a fresh one.
 */
export async function ensureProdEvent(tx: Tx, prodEvent: number, time: Timestamp): Promise<number> {
  const inserted = await tx.query(
    'events.prod-insert',
    `insert into events (id, time)
     select $1::bigint, $2::text::timestamp at time zone 'UTC' where $1::bigint <
       (select value::bigint from staging_sync.setting where key = 'id_floor')
     on conflict (id) do nothing returning id`,
    [prodEvent, time],
  )
  if (inserted.length > 0) return prodEvent
  const same = await tx.query(
    'events.prod-same',
    `select 1 from events where id = $1::bigint and time = $2::text::timestamp at time zone 'UTC'`,
    [prodEvent, time],
  )
  if (same.length > 0) return prodEvent
  const [fresh] = await allocate(tx, 1)
  return fresh as number
}

/** The highest event that is visible; 0 when there is none. */
export async function lastEvent(sql: Sql): Promise<number> {
  const [row] = await sql.query<{ id: number }>(
    'events.last',
    'select coalesce(max(id), 0) as id from events',
  )
  return row?.id ?? 0
}
