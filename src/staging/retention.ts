import type { Sql } from './database.ts'

/** Where a walk over the event map stands, by staging's event and key. */
export interface MapPlace {
  readonly event: number
  readonly key: string
}

export const MAP_BEGIN: MapPlace = { event: -1, key: '' }

/**
 * The last of staging's events above the floor that is older than so many days; null: none is. By bisection over the ids, since
 * Koji has no index by time: as exact as times grow with ids.
 */
export async function eventOlderThan(sql: Sql, days: number): Promise<number | null> {
  const [row] = await sql.query<{ low: number | null; high: number | null; bound: number }>(
    'retention.range',
    `select coalesce((select value::bigint from staging_sync.setting where key = 'id_floor'), 0) as low,
            (select max(id) from events) as high,
            extract(epoch from clock_timestamp())::double precision - $1::double precision * 86400 as bound`,
    [days],
  )
  if (row === undefined || row.low === null || row.high === null) return null
  let { low, high } = row
  let found: number | null = null
  while (low <= high) {
    const middle = Math.floor((low + high) / 2)
    const [at] = await sql.query<{ id: number; time: number }>(
      'retention.event',
      `select id, extract(epoch from time at time zone 'UTC')::double precision as time from events
        where id >= $1 order by id limit 1`,
      [middle],
    )
    if (at === undefined || at.time >= row.bound) high = middle - 1
    else {
      found = at.id
      low = at.id + 1
    }
  }
  return found
}

/**
 * Forgets checkpoints up to one of staging's events, in one batch of the walk: of each key the newest `keep` of them stay, and the
 * one with the newest prod event, by which removals are proved. `place`: where to go on; null: it was the last batch.
 */
export async function pruneEventMap(
  sql: Sql,
  options: { readonly upTo: number; readonly keep: number; readonly after: MapPlace; readonly limit: number },
): Promise<{ readonly gone: number; readonly place: MapPlace | null }> {
  const { upTo, keep, after, limit } = options
  const [row] = await sql.query<{ gone: number; seen: number; event: number | null; key: string | null }>(
    'retention.event-map',
    `with page as materialized (
       select key, staging_event, prod_event from staging_sync.event_map
        where (staging_event, key) > ($3::bigint, $4) and staging_event <= $1
        order by staging_event, key limit $5),
     gone as (
       delete from staging_sync.event_map m using page p
        where m.key = p.key and m.staging_event = p.staging_event
          and p.prod_event < (select max(prod_event) from staging_sync.event_map x where x.key = p.key)
          and (select count(*) from (
                 select 1 from staging_sync.event_map n
                  where n.key = p.key and n.whole and n.staging_event > p.staging_event and n.staging_event <= $1
                  limit $2::bigint) newer) >= $2::bigint
       returning 1)
     select (select count(*) from gone) as gone, (select count(*) from page) as seen, last.staging_event as event, last.key
       from (select 1) one left join lateral
         (select staging_event, key from page order by staging_event desc, key desc limit 1) last on true`,
    [upTo, keep, after.event, after.key, limit],
  )
  const { gone = 0, seen = 0, event = null, key = null } = row ?? {}
  return { gone, place: seen < limit || event === null || key === null ? null : { event, key } }
}

/** Forgets clashes that were resolved so many days ago, at most `limit`. Returns how many. */
export async function pruneClashes(
  sql: Sql,
  options: { readonly days: number; readonly limit: number },
): Promise<number> {
  const rows = await sql.query(
    'retention.clashes',
    `delete from staging_sync.clash where id in (
       select id from staging_sync.clash
        where state = 'resolved' and last_seen < clock_timestamp() - make_interval(secs => $1::double precision * 86400)
          and resolved_at < clock_timestamp() - make_interval(secs => $1::double precision * 86400)
        order by last_seen limit $2 for update skip locked)
     returning 1`,
    [options.days, options.limit],
  )
  return rows.length
}
