import type { Ground } from './ground.ts'
import type { CarryReport } from './report.ts'
import type { Side } from './sides.ts'

/** TASK_STATES and REPO_STATES of koji/__init__.py */
const OPEN_TASKS = '0, 1, 4'
const LIVE_REPOS = '0, 1, 4'
const EXPIRED = 2

const PARTS = ['buildroot_tools_info', 'buildroot_listing', 'buildroot_archives']

/**
 * What staging's builds were made with: their buildroots, the repos of those, and the whole trees of their tasks; besides the tasks that
 * are still open. What has an id below the floor came with a dump and stays what it is there.
 */
export async function pullWork(ground: Ground, side: Side, carried: string): Promise<void> {
  await ground.prepare(['buildroot', 'standard_buildroot', 'repo', 'task'])
  const inBuilds = await ground.list(
    `select buildroot_id from c_rpminfo where buildroot_id is not null and build_id in (${carried})
      union select buildroot_id from c_archiveinfo where buildroot_id is not null and build_id in (${carried})`,
  )
  await ground.pull('buildroot', `t.id = ${inBuilds}`)
  await keepOld(ground, side, 'buildroot')
  const fresh = await ground.list('select id from c_buildroot where id not in (select old from m_buildroot)')
  await ground.pull('standard_buildroot', `t.buildroot_id = ${fresh}`)
  await ground.pull('repo', `t.id = ${await ground.list(ground.referred('repo', ['standard_buildroot']))}`)
  await keepOld(ground, side, 'repo')
  const tasks = await ground.list(
    `select task_id from c_standard_buildroot where task_id is not null
      union select task_id from c_build where task_id is not null and id in (${carried})`,
  )
  await ground.pull(
    'task',
    `t.id in (
       with recursive up as (
         select id, parent from task where id = ${tasks} or (state in (${OPEN_TASKS}) and id >= ${side.idFloor})
         union select x.id, x.parent from task x join up on x.id = up.parent),
       down as (select id from up union select x.id from task x join down on x.parent = down.id)
       select id from down)`,
  )
  await keepOld(ground, side, 'task')
}

async function keepOld(ground: Ground, side: Side, table: string): Promise<void> {
  if (ground.isEmpty(table)) return
  await ground.to.query(
    `carry.old.${table}`,
    `insert into m_${table} (old, new) select o.id, n.id from c_${table} o join "${table}" n on n.id = o.id
      where o.id < ${side.idFloor}`,
  )
}

const isNew = (table: string): string => `exists (select 1 from m_${table} m where m.old = o.id and m.made)`

/** `isLeftOut`: tables whose rows no staging needs, as of the dump. */
export async function makeWork(
  ground: Ground,
  side: Side,
  isLeftOut: (table: string) => boolean,
  report: CarryReport,
): Promise<void> {
  for (const table of ['task', 'repo', 'buildroot']) {
    await ground.assign(table, 'true', `o.id >= ${side.idFloor}`)
  }
  report.add('tasks', await ground.make('task', isNew('task')))
  // What is on disk was made of the old database; kojira makes others.
  if (!ground.isEmpty('repo'))
    await ground.to.query(
      'carry.repos-end',
      `update c_repo set state = ${EXPIRED} where state in (${LIVE_REPOS})`,
    )
  report.add('repos', await ground.make('repo', isNew('repo')))
  report.add('buildroots', await ground.make('buildroot', isNew('buildroot')))
  await ground.make('standard_buildroot')
  await ground.prepare(PARTS)
  if (ground.isEmpty('buildroot')) return
  const fresh = await ground.list('select old from m_buildroot where made')
  for (const table of PARTS) {
    if (isLeftOut(table) || !ground.has(table)) continue
    await ground.pull(table, `t.buildroot_id = ${fresh}`)
  }
}

/** After the builds: they refer to rpms and archives, and leave out those that did not come over. */
export async function makeBuildrootParts(ground: Ground, report: CarryReport): Promise<void> {
  if (!ground.isEmpty('buildroot_listing')) await findListed(ground)
  for (const table of PARTS) {
    report.add(`rows of ${table}`, await ground.make(table, 'true', 'on conflict do nothing'))
  }
}

/** What buildroots were filled with is prod's for the most part. */
async function findListed(ground: Ground): Promise<void> {
  const ids = await ground.list(
    'select rpm_id as id from c_buildroot_listing where rpm_id not in (select old from m_rpminfo)',
  )
  const columns = ['id', 'name', 'version', 'release', 'arch', 'external_repo_id']
  await ground.pullAs(
    null,
    'c_rpm_listed',
    columns.map((name) => ({ name, type: ground.catalog.column('rpminfo', name)?.sqlType ?? 'text' })),
    `select ${columns.map((name) => `t.${name}`).join(', ')} from rpminfo t where t.id = ${ids}`,
  )
  await ground.to.query(
    'carry.rpms-listed',
    `insert into m_rpminfo (old, new)
     select distinct on (o.id) o.id, n.id from c_rpm_listed o join m_external_repo x on x.old = o.external_repo_id
       join rpminfo n on n.name = o.name and n.version = o.version and n.release = o.release and n.arch = o.arch
        and n.external_repo_id = x.new order by o.id, n.id`,
  )
}

/**
 * Events that carried rows stand on: with their own id and time where the id is free or the same one is there, else as new ones.
 * `sources`: all tables whose rows are made; call it when all of those are pulled.
 */
export async function makeEvents(ground: Ground): Promise<void> {
  await ground.prepare(['events'])
  await ground.pull('events', `t.id = ${await ground.list(ground.referred('events'))}`)
  await ground.to.query(
    'carry.events-same',
    `insert into m_events (old, new) select o.id, n.id from c_events o join events n on n.id = o.id and n.time = o.time`,
  )
  await ground.assign('events', 'true', 'true')
  await ground.make('events', isNew('events'))
}
