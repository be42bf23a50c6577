import type { Timestamp } from '../model/time.ts'
import type { Sql, Tx } from './database.ts'
import { holds } from './database-errors.ts'
import { IS_WITHIN } from './open-transaction.ts'

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

/** How statements name events: by id, or by the place (1, 2, ...) among those that `takeEvents` takes in the same transaction. */
export type EventsBy = 'id' | 'place'

/** SQL of the event that the integer expression `named` names. By place it fails outside of the transaction. */
export function eventSql(named: string, by: EventsBy): string {
  return by === 'id' ? named : `(current_setting('${TAKEN}')::bigint[])[${named}]::int`
}

/** The transaction's own setting that holds the events taken. */
const TAKEN = 'koji_staging_sync.events'

/**
 * Takes fresh events for statements that are sent along with it, and name them by place since their ids are not known yet. With
 * them what goes with every applying: the checkpoint of the key (`formatKey`'s text), which remembers that the last of them stands for
 * that prod event; and the debt to the touched tags (`owe`). Once in a transaction.
 */
export async function takeEvents(
  tx: Tx,
  about: {
    readonly count: number
    readonly checkpoint: { readonly key: string; readonly prodEvent: number; readonly whole: boolean } | null
    /** staging's ids */
    readonly tagIds: readonly number[]
  },
): Promise<void> {
  const { count, checkpoint, tagIds } = about
  await tx.query(
    'events.take',
    TAKE,
    [
      count,
      checkpoint?.key ?? null,
      checkpoint?.prodEvent ?? null,
      checkpoint?.whole ?? null,
      [...new Set(tagIds)].sort((a, b) => a - b),
    ],
    { early: true },
  )
}

const TAKE = `
with taken as (insert into events (time) select clock_timestamp() from generate_series(1, $1::int) returning id),
ids as (select array_agg(id::bigint order by id) as e from taken),
noted as (
  insert into staging_sync.event_map (key, prod_event, staging_event, whole)
  select $2::text, $3::bigint, e[$1::int], $4::boolean from ids where $2::text is not null
  on conflict (key, staging_event) do nothing
),
owed as (
  insert into staging_sync.debt (last_event, tag_ids, interleaved)
  select e[$1::int], $5::int[], e[$1::int] - e[1] + 1 <> $1::int from ids where cardinality($5::int[]) > 0
)
select set_config('${TAKEN}', e::text, true), ${holds(IS_WITHIN)} from ids`

/** One fresh staging event per distinct prod event, in the same order. Take them late: others' repos wait for none. */
export async function allocateEvents(tx: Tx, prodEvents: Iterable<number>): Promise<Map<number, number>> {
  const prod = [...new Set(prodEvents)].sort((a, b) => a - b)
  const staging = await allocate(tx, prod.length)
  return new Map(prod.map((event, index) => [event, staging[index] as number]))
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
