import type { Timestamp } from '../model/time.ts'
import type { Sql, Tx } from './database.ts'

/** The cursor of prod's history (`queryHistory`), set by `init` to where staging begins to follow. */
export const HISTORY_CURSOR = 'history'

/** How far a source was read, in prod's ids and prod's clock. */
export interface Cursor {
  readonly event: number | null
  readonly time: Timestamp | null
}

/** Null: this source was never read. */
export async function getCursor(sql: Sql, name: string): Promise<Cursor | null> {
  const [row] = await sql.query<Cursor>(
    'cursor.get',
    `select event, to_char(time, 'YYYY-MM-DD HH24:MI:SS.US') as time from staging_sync.cursor where name = $1`,
    [name],
  )
  return row ?? null
}

/** Moves a cursor, in the transaction of the last mark that it covers. */
export async function setCursor(tx: Tx, name: string, { event, time }: Cursor): Promise<void> {
  await tx.query(
    'cursor.set',
    `insert into staging_sync.cursor as c (name, event, time) values ($1, $2, $3::text::timestamp)
     on conflict (name) do update set event = excluded.event, time = excluded.time
      where (c.event, c.time) is distinct from (excluded.event, excluded.time)`,
    [name, event, time],
  )
}

/**
 * Moves a cursor forwards only: of two who read the same source at once the one that read further is kept. In the
 * transaction of the last mark that it covers.
 */
export async function advanceCursor(tx: Tx, name: string, { event, time }: Cursor): Promise<void> {
  await tx.query(
    'cursor.advance',
    `insert into staging_sync.cursor as c (name, event, time) values ($1, $2, $3::text::timestamp)
     on conflict (name) do update set event = excluded.event, time = excluded.time
      where (coalesce(excluded.event, 0), excluded.time) > (coalesce(c.event, 0), coalesce(c.time, '-infinity'))`,
    [name, event, time],
  )
}

/** All sources that were ever read, by name; `timeMs`: of the newest change that was read, milliseconds since 1970. */
export function listCursors(
  sql: Sql,
): Promise<{ readonly source: string; readonly event: number | null; readonly timeMs: number | null }[]> {
  return sql.query(
    'cursor.list',
    `select name as source, event, (extract(epoch from time) * 1000)::float8 as "timeMs"
       from staging_sync.cursor order by name`,
  )
}
