import type { PlannedFiles } from '../model/seed.ts'
import type { Session } from './session.ts'

/** Of a seeded database: how its complete builds' files stand, or are to be brought by the daemon, by placement. */
export async function readPlannedFiles(session: Session): Promise<PlannedFiles> {
  const modes = await session.query<PlannedFiles['modes'][number]>('seed.planned-files', PLANNED)
  const [row] = await session.query<{ without: number }>(
    'seed.planned-without',
    `select count(*)::int as without from build b
      where b.state = 1 and not exists (select 1 from staging_sync.placement p where p.prod_build_id = b.id)`,
  )
  return { modes, withoutFiles: row?.without ?? 0 }
}

/** Only `copy` and `in-place` have bytes of their own. Sizes of rpms and archives as the rows have them; what has no row is not counted. */
const PLANNED = `
  select p.mode, count(*)::int as builds, (count(*) filter (where p.state = 'intent'))::int as "toBring",
         coalesce(sum(coalesce(r.bytes, 0) + coalesce(a.bytes, 0)) filter (where p.state = 'intent'), 0)::float8 as "bytesToBring"
    from staging_sync.placement p
    left join (select build_id, sum(size) as bytes from rpminfo group by 1) r on r.build_id = p.prod_build_id and p.mode in ('copy', 'in-place')
    left join (select build_id, sum(size) as bytes from archiveinfo group by 1) a on a.build_id = p.prod_build_id and p.mode in ('copy', 'in-place')
   group by 1 order by 1`
