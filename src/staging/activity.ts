import type { Activity, ActivityMinute, RecentThing } from '../model/activity.ts'
import type { Sql } from './database.ts'

/** What is older is forgotten by whoever writes. */
const KEPT_MINUTES = 65
const MAX_THINGS = 50

/** Keeps what one daemon did: whole minutes replace what was said of them before, things those of before. */
export async function recordActivity(sql: Sql, daemon: string, { minutes, things }: Activity): Promise<void> {
  await sql.query(
    'activity.record',
    `with said as (
       insert into staging_sync.activity_minute (daemon, at_ms, arrived, applied, lag_count, lag_sum, lag_max)
       select $1, * from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::float8[], $7::float8[])
       on conflict (daemon, at_ms) do update set arrived = excluded.arrived, applied = excluded.applied,
         lag_count = excluded.lag_count, lag_sum = excluded.lag_sum, lag_max = excluded.lag_max),
     old as (
       delete from staging_sync.activity_minute
        where at_ms < extract(epoch from clock_timestamp()) * 1000 - ${KEPT_MINUTES} * 60000.0),
     older as (
       delete from staging_sync.activity where daemon <> $1 and seen < clock_timestamp() - interval '${KEPT_MINUTES} minutes')
     insert into staging_sync.activity (daemon, things) values ($1, $8::jsonb)
     on conflict (daemon) do update set things = excluded.things, seen = clock_timestamp()`,
    [
      daemon,
      minutes.map(({ atMs }) => atMs),
      minutes.map(({ arrived }) => arrived),
      minutes.map(({ applied }) => applied),
      minutes.map(({ lag }) => lag.count),
      minutes.map(({ lag }) => lag.sum),
      minutes.map(({ lag }) => lag.max),
      JSON.stringify(things),
    ],
  )
}

/** What all daemons did in the last hour, by the database's clock. */
export async function readActivity(sql: Sql): Promise<Activity> {
  const minutes = await sql.query<{
    at: number
    arrived: number
    applied: number
    count: number
    sum: number
    max: number
  }>(
    'activity.minutes',
    `select at_ms::float8 as at, sum(arrived)::float8 as arrived, sum(applied)::float8 as applied,
            sum(lag_count)::float8 as count, sum(lag_sum) as sum, max(lag_max) as max
       from staging_sync.activity_minute
      where at_ms > (extract(epoch from clock_timestamp()) - 3600) * 1000 group by at_ms order by at_ms`,
  )
  const things = await sql.query<{ thing: string }>(
    'activity.things',
    `select t.thing::text as thing from staging_sync.activity a, jsonb_array_elements(a.things) as t(thing)
      where a.seen > clock_timestamp() - interval '1 hour'
      order by (t.thing->>'atMs')::float8 desc limit ${MAX_THINGS}`,
  )
  return {
    minutes: minutes.map(
      ({ at, arrived, applied, count, sum, max }): ActivityMinute => ({
        atMs: at,
        arrived,
        applied,
        lag: { count, sum, max },
      }),
    ),
    things: things.map(({ thing }) => JSON.parse(thing) as RecentThing),
  }
}
