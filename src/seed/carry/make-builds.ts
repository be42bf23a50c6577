import { CARRIED_BUILDS, LOCAL_BUILDS } from './builds.ts'
import type { Ground } from './ground.ts'
import type { CarryReport } from './report.ts'
import { pullOwned, type Side } from './sides.ts'

const OF_BUILD = ['build_types', 'maven_builds', 'win_builds', 'image_builds']
const OF_FILE = [
  'rpmsigs',
  'rpm_checksum',
  'maven_archives',
  'win_archives',
  'image_archives',
  'archive_rpm_components',
  'archive_components',
]

/** Rpms and archives of what the new database has already, by what they are. */
export async function mapContent(ground: Ground): Promise<void> {
  for (const source of ['c_rpminfo', 'c_rpm_seen']) {
    await ground.to.query(
      'carry.rpms-there',
      `insert into m_rpminfo (old, new)
       select o.id, n.id from ${source} o
         left join m_build b on b.old = o.build_id join m_external_repo x on x.old = o.external_repo_id
         join rpminfo n on n.name = o.name and n.version = o.version and n.release = o.release and n.arch = o.arch
          and n.external_repo_id = x.new and n.build_id is not distinct from b.new
        where (o.build_id is null or not b.made) and not exists (select 1 from m_rpminfo m where m.old = o.id)`,
    )
  }
  for (const source of ['c_archiveinfo', 'c_archive_seen']) {
    await ground.to.query(
      'carry.archives-there',
      `insert into m_archiveinfo (old, new)
       select distinct on (o.id) o.id, n.id from ${source} o join m_build b on b.old = o.build_id and not b.made
         join archiveinfo n on n.build_id = b.new and n.filename = o.filename and n.checksum = o.checksum
        where not exists (select 1 from m_archiveinfo m where m.old = o.id) order by o.id, n.id`,
    )
  }
}

/** Ids for all builds that come over and for what they hold. */
export async function assignBuilds(ground: Ground, side: Side): Promise<void> {
  await pullOwned(
    ground,
    side,
    `(kind = 'rpm' and staging_id = ${await ground.list(fileIds('c_rpminfo'))})
      or (kind = 'archive' and staging_id = ${await ground.list(fileIds('c_archiveinfo'))})`,
  )
  const mine = (kind: string): string =>
    `o.id >= ${side.idFloor} or exists (select 1 from c_owned w where w.kind = '${kind}' and w.staging_id = o.id)`
  await ground.assign('build', `o.id in (${CARRIED_BUILDS})`, mine('build'))
  ground.added('rpminfo', await ground.to.change('carry.externals', EXTERNAL_RPMS))
  const files = 'o.build_id is null or o.build_id in (select old from m_build where made)'
  await ground.assign('rpminfo', files, mine('rpm'))
  await ground.assign('archiveinfo', files, mine('archive'))
}

/** Rpms of external repos that archives of ours are made of. */
const EXTERNAL_RPMS = `
  insert into c_rpminfo select s.* from c_rpm_seen s
   where s.build_id is null and not exists (select 1 from c_rpminfo o where o.id = s.id)`

const fileIds = (table: string): string =>
  `select id from ${table} where build_id in (${CARRIED_BUILDS}) and build_id not in (${LOCAL_BUILDS})`

export async function makeBuilds(ground: Ground, report: CarryReport): Promise<void> {
  const isNew = (table: string): string => `exists (select 1 from m_${table} m where m.old = o.id and m.made)`
  await ground.make('build', isNew('build'))
  const builds = await ground.to.query<{ nvr: string; own: boolean }>(
    'carry.builds-made',
    `select p.name || '-' || o.version || '-' || o.release as nvr, o.id in (${LOCAL_BUILDS}) as own
       from c_build o join c_package p on p.id = o.pkg_id where ${isNew('build')} order by 1`,
  )
  const own = builds.filter((build) => build.own).map(({ nvr }) => nvr)
  const prods = builds.filter((build) => !build.own).map(({ nvr }) => nvr)
  report.add('builds', own.length, own)
  report.add("builds of prod's that are newer than the dump", prods.length, prods)
  const ofNew = `o.build_id in (select old from m_build where made)`
  for (const table of OF_BUILD) await ground.make(table, ofNew)
  report.add('rpms', await ground.make('rpminfo', isNew('rpminfo')))
  report.add('archives', await ground.make('archiveinfo', isNew('archiveinfo')))
  for (const table of OF_FILE) {
    const of = table.startsWith('rpm')
      ? 'rpm_id in (select old from m_rpminfo'
      : 'archive_id in (select old from m_archiveinfo'
    await ground.make(table, `o.${of} where made)`, 'on conflict do nothing')
  }
  await ground.to.query('carry.owned-builds', OWNED)
}

/** What came from prod stays prod's in the new database. */
const OWNED = `
  insert into staging_sync.owned (kind, prod_id, staging_id, digest)
  select w.kind, w.prod_id, m.new, w.digest from c_owned w
    join (select 'build' as kind, old, new from m_build where made union all select 'rpm', old, new from m_rpminfo where made
          union all select 'archive', old, new from m_archiveinfo where made) m on m.kind = w.kind and m.old = w.staging_id
  on conflict do nothing`
