import { SafetyError } from '../errors.ts'
import type { Catalog } from './catalog.ts'
import type { Tx } from './database.ts'

/**
 * Staging's ids for new rows of prod: prod's own where it lies below the floor and is free, else from the table's
 * sequence, which `init` put above the floor. Of the same id twice, both get the same.
 *
 * Throws SafetyError ID_BELOW_FLOOR when the sequence gives ids of prod's range (somebody reset it, or no `init`).
 */
export async function chooseIds(
  tx: Tx,
  catalog: Catalog,
  table: string,
  prodIds: readonly number[],
): Promise<Map<number, number>> {
  const wanted = [...new Set(prodIds)].sort((a, b) => a - b)
  if (wanted.length === 0) return new Map()
  const { sequence } = catalog.idSequence(table)
  const rows = await tx.query<{ prod_id: number; kept: boolean; id: number; floor: number | null }>(
    `ids.choose.${table}`,
    `with floor as (select value::bigint as id from staging_sync.setting where key = 'id_floor'),
          wanted as (select r.id as prod_id,
                            r.id > 0 and r.id < (select id from floor)
                            and not exists (select 1 from "${table}" t where t.id = r.id) as kept
                       from unnest($1::bigint[]) as r(id))
     select prod_id, kept, case when kept then prod_id else nextval('${sequence}') end as id,
            (select id from floor) as floor
       from wanted order by prod_id`,
    [wanted],
    { prepare: false },
  )
  const below = rows.find((row) => !row.kept && (row.floor === null || row.id <= row.floor))
  if (below !== undefined) {
    throw new SafetyError(
      'ID_BELOW_FLOOR',
      `staging's sequence ${sequence} gives ids of prod's range (${below.id}, the floor is ${below.floor ?? 'not set'}): run init`,
      { detail: { sequence, id: below.id, floor: below.floor } },
    )
  }
  return new Map(rows.map((row) => [row.prod_id, row.id]))
}
