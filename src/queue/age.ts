import type { Key } from '../model/key.ts'
import type { Sql } from '../staging/database.ts'
import { keyText } from './marking.ts'

/**
 * What was just marked is as old as what told of it (milliseconds since 1970 by the database's clock), so that its lag counts the time that
 * it took to know which keys these are. In the transaction of the marks, whose rows it holds already. What is being worked on is told
 * of the next round.
 */
export async function keepAge(tx: Sql, keys: readonly Key[], sinceMs: number): Promise<void> {
  await tx.query(
    'queue.keep-age',
    `update staging_sync.queue
        set marked_at = case when remarked_at is null then least(marked_at, to_timestamp($2::float8 / 1000)) else marked_at end,
            remarked_at = least(remarked_at, case when remarked_at is not null then to_timestamp($2::float8 / 1000) end)
      where key = any ($1::text[])`,
    [keys.map(keyText), sinceMs],
  )
}
