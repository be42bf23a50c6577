import { secondsOfTimestamp, type Timestamp, timestampOfSeconds } from '../model/time.ts'
import type { Sql, Tx } from '../staging/database.ts'
import { pruneHandled } from '../staging/handled.ts'
import type { Run } from './run.ts'

/*
 * Prod's transactions take ids and times when they begin and show them when they commit, hours later at worst. So each source
 * is read again from where it stood one overlap before its last reading, in prod's clock.
 */

/** The watermarks of event ids, which only prune; those of other sources bound what is read. */
export const EVENTS = 'events'

/** What is remembered of handled rows outlives the longest overlap that is usual (a week), so that it costs no converging. */
export const RETENTION_MS = 8 * 86_400_000

/** The earlier of two times, less a duration. */
export function before(a: Timestamp, b: Timestamp, durationMs: number): Timestamp {
  return timestampOfSeconds(secondsOfTimestamp(a < b ? a : b) - durationMs / 1000)
}

/** When a source was last read to its end; null: never. */
export async function lastReading(sql: Sql, source: string): Promise<Timestamp | null> {
  const [row] = await sql.query<{ time: string }>(
    'catchup.last-reading',
    `select to_char(time, 'YYYY-MM-DD HH24:MI:SS.US') as time from staging_sync.catchup_watermark
      where source = $1 order by event desc limit 1`,
    [source],
  )
  return row?.time ?? null
}

/**
 * The highest id that a source had shown by a time: of the last reading before the first that is later than it, so that
 * a clock that stepped can only make it lower. Before the first reading: that one's. Null: the source was never read.
 */
export async function topAt(sql: Sql, source: string, time: Timestamp): Promise<number | null> {
  const [row] = await sql.query<{ top: number | null }>(
    'catchup.top-at',
    `with later as (select min(event) as event from staging_sync.catchup_watermark
                     where source = $1 and time > $2::text::timestamp)
     select coalesce(
       (select w.top from staging_sync.catchup_watermark w, later
         where w.source = $1 and (later.event is null or w.event < later.event) order by w.event desc limit 1),
       (select w.top from staging_sync.catchup_watermark w where w.source = $1 order by w.event limit 1)) as top`,
    [source, time],
  )
  return row?.top ?? null
}

/** Notes how far a source was read, in the transaction of the last mark that this covers. */
export async function noteTop(tx: Tx, run: Run, source: string, top: number): Promise<void> {
  await tx.query(
    'catchup.note-top',
    `insert into staging_sync.catchup_watermark as w (source, event, time, top)
     values ($1, $2, $3::text::timestamp, $4)
     on conflict (source, event) do update set top = least(w.top, excluded.top)`,
    [source, run.now.id, run.now.time, top],
  )
}

/** Forgets what no overlap reaches any more. */
export async function prune(run: Run, sources: readonly string[], overlapMs: number): Promise<void> {
  const { database, now } = run
  const bound = before(now.time, now.time, Math.max(RETENTION_MS, 2 * overlapMs))
  await database.transaction('catchup.prune', async (tx) => {
    await noteTop(tx, run, EVENTS, now.id)
    const events = await horizon(tx, EVENTS, bound)
    if (events === null) return
    await pruneHandled(tx, events.top)
    for (const source of sources) {
      const top = (await horizon(tx, source, bound))?.top
      if (top === undefined) continue
      await tx.query(
        'catchup.prune-seen',
        'delete from staging_sync.catchup_seen where source = $1 and id <= $2',
        [source, top],
      )
    }
    // Each source is read in each run, so theirs are as old.
    await tx.query(
      'catchup.prune-watermarks',
      'delete from staging_sync.catchup_watermark where event < $1',
      [events.event],
    )
  })
}

/**
 * The last reading before the first one that is not older than the bound; null: none is. By the order of events, so that one
 * time that was wrong (a clock that stepped) keeps more and forgets nothing.
 */
async function horizon(
  tx: Tx,
  source: string,
  bound: Timestamp,
): Promise<{ event: number; top: number } | null> {
  const [row] = await tx.query<{ event: number; top: number }>(
    'catchup.horizon',
    `select event, top from staging_sync.catchup_watermark
      where source = $1 and event <
        (select min(event) from staging_sync.catchup_watermark where source = $1 and time >= $2::text::timestamp)
      order by event desc limit 1`,
    [source, bound],
  )
  return row ?? null
}
