import type { DecisionPolicy } from '../../staging/decisions.ts'
import { deleteWithReferences } from '../delete-rows.ts'
import { CARRIED_BUILDS, LOCAL_BUILDS } from './builds.ts'
import type { Ground } from './ground.ts'
import type { CarryReport } from './report.ts'
import type { Side } from './sides.ts'

/** BUILD_STATES of koji/__init__.py */
const COMPLETE = 1

interface Both {
  readonly old: number
  readonly new: number
  readonly nvr: string
  readonly state: number
  readonly isSame: boolean
  readonly decided: DecisionPolicy | null
}

/**
 * Builds of staging's own whose name, version and release the dump has, too, and what cannot come over. Of a clash (other content) the
 * policy `prod-wins` has prod's build take the place, with staging's taggings; else staging's build keeps it, as it does in a
 * staging that is followed up, and the daemon meets the clash again. Returns keys to mark.
 */
export async function settleBuilds(
  ground: Ground,
  side: Side,
  policy: DecisionPolicy,
  report: CarryReport,
): Promise<string[]> {
  const marks: string[] = []
  const clashes = await ground.to.query<Both>('carry.build-clashes', CLASHES)
  for (const clash of clashes) {
    const what = `build ${clash.nvr}`
    if (clash.isSame) continue
    if (clash.state !== COMPLETE) {
      report.leave(what, 'it was not finished in staging, and prod has one of that name now')
    } else if ((clash.decided ?? policy) === 'prod-wins') {
      report.leave(what, "prod has one of that name with other content, and prod's counts (conflicts.build)")
    } else {
      await evict(ground, clash)
      report.leave(
        `prod's build ${clash.nvr}`,
        `staging has one of that name with other content, which stays (${clash.decided ?? policy})`,
      )
      marks.push(`build/${clash.new}`)
    }
  }
  await leaveImpossible(ground, side, report)
  return marks
}

/** Prod's row makes way; the daemon brings it back should the policy say so. */
async function evict(ground: Ground, clash: Both): Promise<void> {
  await deleteWithReferences(ground.to, 'build', `id = ${clash.new}`)
  await ground.to.query('carry.unmap', 'delete from m_build where old = $1', [clash.old])
  await ground.to.query(
    'carry.unplace',
    `update staging_sync.placement set state = 'removing', changed_at = clock_timestamp() where prod_build_id = $1`,
    [clash.new],
  )
}

/** Takes out of what comes over what the new database cannot hold. */
async function leaveImpossible(ground: Ground, side: Side, report: CarryReport): Promise<void> {
  const draft = ground.has('build', 'draft')
    ? `o.draft and (o.id < ${side.idFloor} or exists (select 1 from build n where n.id = o.id))`
    : 'false'
  // What they are called is asked again, of their taggings.
  await ground.pullAs(null, 'c_left_build', LEFT_COLUMNS, '')
  const out = await ground.to.query<{ id: number; nvr: string; why: string }>(
    'carry.impossible',
    `select o.id, ${NVR} as nvr,
            case when ${draft} then 'it is a draft, and its id, which its release holds, is taken'
                 else 'the dump has its rpm ' || x.rpm || ' in another build' end as why
       from c_build o join c_package p on p.id = o.pkg_id
       left join lateral (
         select r.name || '-' || r.version || '-' || r.release || '.' || r.arch as rpm from c_rpminfo r
           join rpminfo n on n.name = r.name and n.version = r.version and n.release = r.release and n.arch = r.arch
            and n.external_repo_id = 0
          where r.build_id = o.id limit 1) x on true
      where o.id in (${CARRIED_BUILDS}) and (${draft} or x.rpm is not null) order by 2`,
  )
  for (const { id, nvr, why } of out) {
    report.cannot(`build ${nvr}`, why, `build/${nvr}`)
    await ground.to.query('carry.left', 'insert into c_left_build (id, nvr) values ($1, $2)', [id, nvr])
    await ground.to.query('carry.leave', 'delete from c_build where id = $1', [id])
  }
}

const LEFT_COLUMNS = [
  { name: 'id', type: 'bigint' },
  { name: 'nvr', type: 'text' },
]

const NVR = `p.name || '-' || o.version || '-' || o.release`

const rpms = (table: string, id: string): string =>
  `(select array_agg(x order by x) from (select r.name || '-' || r.version || '-' || r.release || '.' || r.arch || ' ' || r.payloadhash as x from ${table} r where r.build_id = ${id}) s)`
const archives = (table: string, id: string): string =>
  `(select array_agg(x order by x) from (select r.filename || ' ' || r.checksum as x from ${table} r where r.build_id = ${id}) s)`

const CLASHES = `
  select o.id as old, m.new, ${NVR} as nvr, o.state, d.policy as decided,
         o.state = n.state and ${rpms('c_rpminfo', 'o.id')} is not distinct from ${rpms('rpminfo', 'n.id')}
           and ${archives('c_archiveinfo', 'o.id')} is not distinct from ${archives('archiveinfo', 'n.id')} as "isSame"
    from c_build o join c_package p on p.id = o.pkg_id
    join m_build m on m.old = o.id and not m.made join build n on n.id = m.new
    left join staging_sync.decision d on d.key = 'build/' || n.id
   where o.id in (${LOCAL_BUILDS}) order by 3`
