import type { Key } from '../model/key.ts'
import type { Tx } from '../staging/database.ts'

/** A difference between prod and staging that no event tells of. */
export interface Difference {
  /** prod's id of the thing */
  readonly id: number
  /** what prod says of it: another answer is another difference */
  readonly what: string
  readonly key: Key
}

/**
 * The keys of differences that were not marked before. They are remembered while they last, so that one that policy holds, or
 * whose key is parked, is marked once; `equal` are the ids that show none (any more).
 */
export async function newDifferences(
  tx: Tx,
  source: string,
  differences: readonly Difference[],
  equal: readonly number[],
): Promise<Key[]> {
  if (equal.length > 0) {
    await tx.query(
      'catchup.forget-equal',
      'delete from staging_sync.catchup_seen where source = $1 and id = any($2::bigint[])',
      [source, equal],
    )
  }
  const sorted = [...differences].sort((a, b) => a.id - b.id)
  const fresh = new Set(
    await remember(
      tx,
      source,
      sorted.map(({ id }) => id),
      sorted.map(({ what }) => what),
    ),
  )
  return sorted.filter(({ id }) => fresh.has(id)).map(({ key }) => key)
}

/** Remembers ids of a source (sorted by the caller). Returns those that were not known. */
export async function remember(
  tx: Tx,
  source: string,
  ids: readonly number[],
  what?: readonly string[],
): Promise<number[]> {
  if (ids.length === 0) return []
  const rows = await tx.query<{ id: number }>(
    'catchup.remember',
    `insert into staging_sync.catchup_seen (source, id, what)
     select $1, id, what from unnest($2::bigint[], $3::text[]) as r(id, what)
     on conflict do nothing returning id`,
    [source, ids, what ?? ids.map(() => '')],
  )
  return rows.map(({ id }) => id)
}
