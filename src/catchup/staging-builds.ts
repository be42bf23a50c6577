import type { Key } from '../model/key.ts'
import { BUILD_STATE, type BuildState } from '../model/records.ts'
import type { Sql } from '../staging/database.ts'
import type { Difference } from './differences.ts'

/** A build that prod no longer has, as a list or a row of history tells. */
export interface GoneBuild {
  readonly id: number
  readonly state: BuildState
}

/**
 * Of builds that are not COMPLETE in prod: those that staging has from prod and that are not the same there. Prod's ids,
 * by our record or by the seed's ceiling.
 */
export async function compareStates(
  sql: Sql,
  builds: readonly GoneBuild[],
  seedEvent: number | null,
): Promise<{ differences: Difference[]; equal: number[] }> {
  const states = new Map(builds.map(({ id, state }) => [id, state]))
  const ids = [...states.keys()]
  if (ids.length === 0) return { differences: [], equal: [] }
  const rows = await sql.query<{ id: number; state: BuildState }>(
    'catchup.states',
    `select r.id, b.state
       from unnest($1::bigint[]) as r(id)
       left join staging_sync.owned o on o.kind = 'build' and o.prod_id = r.id
       join build b on b.id = coalesce(o.staging_id, r.id)
      where o.staging_id is not null
         or (b.create_event <= $2::int and not exists
              (select 1 from staging_sync.owned s where s.kind = 'build' and s.staging_id = b.id))`,
    [ids, seedEvent],
  )
  const differences: Difference[] = []
  const equal: number[] = []
  for (const row of rows) {
    const prod = states.get(row.id) as BuildState
    if (isSame(prod, row.state)) equal.push(row.id)
    else differences.push({ id: row.id, what: `state ${prod}`, key: buildKey(row.id) })
  }
  return { differences, equal }
}

/** Deletion keeps a build's rows, a reset leaves none of them: to staging FAILED, CANCELED and BUILDING are one. */
function isSame(prod: BuildState, staging: BuildState): boolean {
  if (prod === BUILD_STATE.deleted || prod === BUILD_STATE.complete) return staging === prod
  return staging !== BUILD_STATE.complete && staging !== BUILD_STATE.deleted
}

export function buildKey(buildId: number): Key {
  return { kind: 'build', buildId }
}
