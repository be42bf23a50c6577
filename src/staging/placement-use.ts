import { PLACEMENT_MODES, type PlacementUse } from '../model/placement-use.ts'
import type { Sql } from './database.ts'

/**
 * Builds by placement and state of their record, and what Koji's rows say of the size of their files where those are staging's own.
 * Reads every record: for once in a while.
 */
export async function readPlacementUse(sql: Sql): Promise<PlacementUse[]> {
  const counts = await sql.query<{ mode: string; state: keyof PlacementUse['builds']; count: number }>(
    'placement.use',
    'select mode, state, count(*) as count from staging_sync.placement group by mode, state',
  )
  const own = counts.filter(({ mode }) => OWN_FILES.includes(mode))
  const sizes =
    own.length === 0 ? [] : await sql.query<{ mode: string; bytes: number }>('placement.bytes', BYTES)
  const modes = [...new Set<string>([...PLACEMENT_MODES, ...counts.map(({ mode }) => mode)])]
  return modes.map((mode) => {
    const of = (state: keyof PlacementUse['builds']): number =>
      counts.find((one) => one.mode === mode && one.state === state)?.count ?? 0
    return {
      mode,
      builds: { intent: of('intent'), placed: of('placed'), removing: of('removing') },
      bytes: sizes.find((one) => one.mode === mode)?.bytes ?? 0,
    }
  })
}

/** Placements that bring bytes. */
const OWN_FILES: readonly string[] = ['copy', 'in-place']

/** An id that is not on record is shared by both sides where staging was copied from prod. */
const BYTES = `
select p.mode, sum(coalesce(r.bytes, 0) + coalesce(a.bytes, 0))::float8 as bytes
  from staging_sync.placement p
  left join staging_sync.owned o on o.kind = 'build' and o.prod_id = p.prod_build_id
  cross join lateral (select coalesce(o.staging_id, p.prod_build_id) as id) b
  left join lateral (select sum(size) as bytes from rpminfo where build_id = b.id) r on true
  left join lateral (select sum(size) as bytes from archiveinfo where build_id = b.id) a on true
 where p.mode = any (array['copy', 'in-place']) and p.state = 'placed' group by p.mode`
