import type { Drift, DriftState } from '../model/drift.ts'
import { formatKey } from '../model/key.ts'
import type { Sql } from '../staging/database.ts'
import type { Found } from './found.ts'

interface Known {
  readonly key: string
  readonly queued: boolean
  readonly parked: boolean
  readonly held: boolean
  readonly local: boolean
}

/**
 * What is known of differences already: clashes that policy holds (or left to staging), keys that are marked or parked. Without
 * those that policy left to staging.
 */
export async function judge(sql: Sql, found: readonly Found[]): Promise<Drift[]> {
  if (found.length === 0) return []
  const keys = [...new Set(found.map(({ key }) => formatKey(key)))]
  const rows = await sql.query<Known>(
    'reconcile.known',
    `select k.key, q.key is not null as queued, q.parked_at is not null as parked,
            exists (select 1 from staging_sync.clash c where c.key = k.key and c.state = 'held' and c.resolved_at is null) as held,
            exists (select 1 from staging_sync.clash c where c.key = k.key and c.state = 'local-won' and c.resolved_at is null) as local
       from unnest($1::text[]) as k(key) left join staging_sync.queue q on q.key = k.key`,
    [keys],
  )
  const known = new Map(rows.map((row) => [row.key, row]))
  return found.flatMap((one): Drift[] => {
    const state = stateOf(one, known.get(formatKey(one.key)))
    return state === null ? [] : [{ ...one, state }]
  })
}

/** null: it is no difference. */
function stateOf(found: Found, known: Known | undefined): DriftState | null {
  if (found.state === 'local') return null
  if (found.state === 'held') return 'held'
  if (known === undefined) return 'drift'
  if (known.parked) return 'parked'
  if (found.state === 'open' && known.held) return 'held'
  if (found.state === 'open' && known.local) return null
  return known.queued ? 'queued' : 'drift'
}
