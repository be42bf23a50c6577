import type { Ground } from './ground.ts'
import { pullOwned, type Side } from './sides.ts'

/** Of a build, by its id. */
const OF_BUILD = ['build_types', 'maven_builds', 'win_builds', 'image_builds', 'rpminfo', 'archiveinfo']
const OF_RPM = ['rpmsigs', 'rpm_checksum']
const OF_ARCHIVE = [
  'maven_archives',
  'win_archives',
  'image_archives',
  'archive_rpm_components',
  'archive_components',
]
const ALL = ['build', ...OF_BUILD, ...OF_RPM, ...OF_ARCHIVE]

/** SQL: staging's own builds, of those that came over. */
export const LOCAL_BUILDS = 'select id from c_local_build'
/** SQL: builds that are made in the new database. */
export const CARRIED_BUILDS =
  'select id from c_build where id not in (select old from m_build where not made)'

/**
 * Staging's own builds with all that hangs on them; and prod's that its rows refer to, which are found in the new database, or come
 * over, too, where the dump is older than they are.
 */
export async function pullBuilds(ground: Ground, side: Side): Promise<void> {
  await ground.prepare(ALL)
  await pullReferredRpms(ground)
  const owned = side.isOurs
    ? `and not exists (select 1 from staging_sync.owned w where w.kind = 'build' and w.staging_id = b.id)`
    : ''
  await ground.pullAs(
    null,
    'c_local_build',
    [{ name: 'id', type: 'bigint' }],
    `select b.id from build b where b.create_event > ${side.seedEvent} ${owned}`,
  )
  let wanted = await ground.list(`${LOCAL_BUILDS} union select build_id from c_tag_listing`)
  for (;;) {
    const found = await ground.pull('build', `t.id = ${wanted}`)
    if (found === 0) return
    await pullOwned(ground, side, `kind = 'build' and staging_id = ${wanted}`)
    await mapBuilds(ground, side)
    await pullContent(ground, wanted)
    await pullReferredRpms(ground)
    wanted = await ground.list(
      `select id from (
         select build_id as id from c_rpm_seen where build_id is not null
         union select build_id from c_archive_seen) s where id not in (select id from c_build)`,
    )
  }
}

/** Prod's by prod's id, all by name, version and release. */
async function mapBuilds(ground: Ground, side: Side): Promise<void> {
  await ground.to.query(
    'carry.builds-by-id',
    `insert into m_build (old, new)
     select p.old, n.id
       from (select o.id as old, o.pkg_id, coalesce(w.prod_id, case when o.create_event <= ${side.seedEvent} then o.id end) as prod_id
               from c_build o left join c_owned w on w.kind = 'build' and w.staging_id = o.id) p
       join build n on n.id = coalesce((select t.staging_id from staging_sync.owned t where t.kind = 'build' and t.prod_id = p.prod_id),
                                       p.prod_id)
       join m_package k on k.old = p.pkg_id and k.new = n.pkg_id
      where not exists (select 1 from m_build m where m.old = p.old)`,
  )
  await ground.to.query(
    'carry.builds-by-nvr',
    `insert into m_build (old, new)
     select o.id, n.id from c_build o join m_package k on k.old = o.pkg_id
       join build n on n.pkg_id = k.new and n.version = o.version and n.release = o.release
      where not exists (select 1 from m_build m where m.old = o.id or m.new = n.id)`,
  )
}

/** Of staging's own builds, and of those that the new database does not have. */
async function pullContent(ground: Ground, wanted: string): Promise<void> {
  const builds = await ground.list(
    `select id from c_build where id = ${wanted} and (id in (${LOCAL_BUILDS}) or id not in (select old from m_build))`,
  )
  for (const table of OF_BUILD) await ground.pull(table, `t.build_id = ${builds}`)
  for (const table of OF_RPM) {
    await ground.pull(table, `t.rpm_id in (select r.id from rpminfo r where r.build_id = ${builds})`)
  }
  for (const table of OF_ARCHIVE) {
    await ground.pull(table, `t.archive_id in (select a.id from archiveinfo a where a.build_id = ${builds})`)
  }
}

/** Rpms and archives that archives are made of, and that are not among those which came over: to be found in the new database. */
async function pullReferredRpms(ground: Ground): Promise<void> {
  const columns = (table: string) =>
    ground
      .columns(table)
      .map((name) => ({ name, type: ground.catalog.column(table, name)?.sqlType ?? 'text' }))
  for (const [table, seen] of [
    ['rpminfo', 'c_rpm_seen'],
    ['archiveinfo', 'c_archive_seen'],
  ] as const) {
    const list = columns(table)
      .map(({ name }) => `t."${name}"`)
      .join(', ')
    await ground.pullAs(null, seen, columns(table), `select ${list} from ${table} t where false`)
    const ids = await ground.list(
      `select id from (${ground.referred(table, ['archive_rpm_components', 'archive_components'])}) r
        where id not in (select id from c_${table}) and id not in (select id from ${seen})`,
    )
    await ground.pullAs(null, seen, columns(table), `select ${list} from ${table} t where t.id = ${ids}`)
  }
}
