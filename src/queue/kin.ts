import type { Sql } from '../staging/database.ts'
import { CLAIM_COLUMNS, type ClaimRow } from './claim-row.ts'
import { QUICK_COMMIT } from './claiming.ts'

/** Keys that can be converged together: those of these kinds whose text begins so. */
export interface Kin {
  readonly kinds: readonly string[]
  /** of the text after the kind: `/12/`; all have it */
  readonly within: string
}

/** Of what is due, so much is looked through: kin are marked together, and stand near each other. */
const LOOKED_THROUGH = 20_000

/**
 * Claims due keys that are kin, the oldest first, at most `limit`; by an array, see CLAIM. $1 kinds, $2 within, $3 limit, $4 where the live range begins, $5
 * where the one of sweeps does, $6 lease in ms, $7 holder.
 */
const CLAIM_KIN = `
with clock as materialized (select clock_timestamp() as now, (${QUICK_COMMIT}) as quick),
due as materialized (
  ${[0, 1]
    .map(
      (priority) => `(select q.key, q.kind, q.due_at from staging_sync.queue q
    where q.priority = ${priority} and q.due_at >= $${4 + priority}::timestamptz and q.due_at <= (select now from clock)
    order by q.due_at limit ${LOOKED_THROUGH})`,
    )
    .join('\n  union all ')}
),
picked as materialized (
  select q.key from due d join staging_sync.queue q on q.key = d.key
   where d.kind = any($1::text[]) and starts_with(d.key, d.kind || $2)
     and (q.lease_until is null or q.lease_until <= (select now from clock))
   order by d.due_at limit $3 for update of q skip locked),
claimed as (
  update staging_sync.queue q set
    token = nextval('staging_sync.queue_token'),
    lease_until = (select now from clock) + $6::float8 * interval '1 ms',
    claimed_by = $7, remarked_at = null
  where q.key = any (array(select key from picked))
  returning ${CLAIM_COLUMNS}
)
select * from claimed order by key collate "C"`

export interface KinRequest {
  readonly limit: number
  readonly liveFrom: string
  readonly sweepFrom: string
  readonly leaseMs: number
  readonly holder: string
}

export function claimKin(sql: Sql, kin: Kin, request: KinRequest): Promise<ClaimRow[]> {
  const { limit, liveFrom, sweepFrom, leaseMs, holder } = request
  return sql.query<ClaimRow>(
    'queue.claim-kin',
    CLAIM_KIN,
    [kin.kinds, kin.within, limit, liveFrom, sweepFrom, leaseMs, holder],
    { prepare: false },
  )
}
