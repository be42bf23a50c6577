import type { Ground } from './ground.ts'
import type { CarryReport } from './report.ts'
import type { Side } from './sides.ts'

/** Tables of things with a name, each after those that it refers to. */
export const NAMED = [
  'users',
  'permissions',
  'content_generator',
  'channels',
  'package',
  'groups',
  'btype',
  'archivetypes',
  'volume',
  'external_repo',
  'tag',
  'build_target',
  'host',
] as const

/** Prod renames these: they are found by prod's id first. Each with the table whose rows tell when it was made. */
const RENAMED = {
  tag: { kind: 'tag', config: 'tag_config', column: 'tag_id' },
  build_target: { kind: 'build_target', config: 'build_target_config', column: 'build_target_id' },
  external_repo: { kind: 'external_repo', config: 'external_repo_config', column: 'external_repo_id' },
} as const

/** Kinds of `staging_sync.owned`, where they are not called as the table. */
const KIND: Readonly<Record<string, string>> = {
  users: 'user',
  permissions: 'permission',
  groups: 'group',
  archivetypes: 'archivetype',
}

/** What they are called in reports. */
const WORD: Readonly<Record<string, string>> = {
  users: 'users',
  permissions: 'permissions',
  content_generator: 'content generators',
  channels: 'channels',
  package: 'packages',
  groups: 'groups',
  btype: 'build types',
  archivetypes: 'archive types',
  volume: 'volumes',
  external_repo: 'external repos',
  tag: 'tags',
  build_target: 'targets',
  host: 'hosts',
}

/** Which of the old database's names are which of the new one's: by prod's id where both know it, then by name. */
export async function mapNames(ground: Ground, side: Side): Promise<void> {
  await ground.prepare(NAMED)
  for (const table of NAMED) {
    if (!ground.has(table)) continue
    await ground.pull(table, 'true')
    if (table in RENAMED) await mapById(ground, side, table as keyof typeof RENAMED)
    await ground.to.query(
      `carry.names.${table}`,
      `insert into m_${table} (old, new)
       select o.id, n.id from c_${table} o join "${table}" n on n.name = o.name
        where not exists (select 1 from m_${table} m where m.old = o.id or m.new = n.id) order by o.id`,
    )
  }
}

async function mapById(ground: Ground, side: Side, table: keyof typeof RENAMED): Promise<void> {
  const { kind, config, column } = RENAMED[table]
  // Live ones, and those of the copy that staging began as: their ids are prod's.
  await ground.pullAs(
    null,
    `c_live_${table}`,
    [
      { name: 'id', type: 'bigint' },
      { name: 'is_live', type: 'boolean' },
      { name: 'is_prods', type: 'boolean' },
    ],
    `select t.${column}, bool_or(coalesce(t.active, false)), bool_or(t.create_event <= ${side.seedEvent}) from ${config} t group by 1`,
  )
  await ground.to.query(
    `carry.by-id.${table}`,
    `insert into m_${table} (old, new)
     select p.old, n.id
       from (select o.id as old, coalesce(w.prod_id, case when l.is_prods then o.id end) as prod_id
               from c_${table} o
               left join c_owned w on w.kind = '${kind}' and w.staging_id = o.id
               left join c_live_${table} l on l.id = o.id) p
       join "${table}" n on n.id = coalesce((select t.staging_id from staging_sync.owned t
                                              where t.kind = '${kind}' and t.prod_id = p.prod_id), p.prod_id)
      where n.id < ${side.idFloor} or exists (select 1 from staging_sync.owned t where t.kind = '${kind}' and t.staging_id = n.id)`,
  )
}

/**
 * Makes the names that the new database lacks: staging's own, and those of prod's that came after the dump and that carried rows
 * refer to (with our record of them, so that they are prod's there, too).
 */
export async function makeNames(ground: Ground, side: Side, report: CarryReport): Promise<void> {
  for (const table of NAMED) {
    if (!ground.has(table)) continue
    const kind = KIND[table] ?? table
    const live =
      table in RENAMED
        ? `exists (select 1 from c_live_${table} l where l.id = o.id and l.is_live and not l.is_prods)`
        : 'true'
    // A package, a volume or a group is nothing by itself.
    const isThing = !['package', 'volume', 'groups', 'btype', 'archivetypes'].includes(table)
    const local = isThing
      ? `(${live} and not exists (select 1 from c_owned w where w.kind = '${kind}' and w.staging_id = o.id))`
      : 'false'
    const assigned = await ground.assign(
      table,
      `${local} or o.id in (${ground.referred(table)})`,
      `o.id >= ${side.idFloor} or exists (select 1 from c_owned w where w.kind = '${kind}' and w.staging_id = o.id)`,
    )
    if (assigned === 0) continue
    const made = `exists (select 1 from m_${table} m where m.old = o.id and m.made)`
    const count = await ground.make(table, made)
    const names = await ground.to.query<{ name: string; own: boolean }>(
      `carry.made.${table}`,
      `select o.name, not exists (select 1 from c_owned w where w.kind = '${kind}' and w.staging_id = o.id) as own
         from c_${table} o where ${made} order by o.name`,
    )
    report.add(
      WORD[table] ?? table,
      count,
      names.filter(({ own }) => own).map(({ name }) => name),
    )
    await ground.to.query(
      `carry.owned.${table}`,
      `insert into staging_sync.owned (kind, prod_id, staging_id, digest)
       select w.kind, w.prod_id, m.new, w.digest from c_owned w join m_${table} m on m.old = w.staging_id and m.made
        where w.kind = '${kind}' on conflict do nothing`,
    )
  }
  if (!ground.isEmpty('host')) await ground.to.query('carry.hosts-idle', HOSTS_IDLE)
  await carryPrincipals(ground, report)
}

/** A builder logs in anew: what it was at work on is given out again. */
const HOSTS_IDLE =
  'update host set ready = false, task_load = 0 where id in (select new from m_host where made)'

/** Of users that came over; those of prod's users are the configuration's to say. */
async function carryPrincipals(ground: Ground, report: CarryReport): Promise<void> {
  const table = 'user_krb_principals'
  if (!ground.has(table)) return
  await ground.prepare([table])
  const users = await ground.list('select old from m_users where made')
  if ((await ground.pull(table, `t.user_id = ${users}`)) === 0) return
  const taken = await ground.to.query<{ name: string; principal: string; other: string }>(
    'carry.principals-taken',
    `select u.name, c.krb_principal as principal, x.name as other from c_${table} c join c_users u on u.id = c.user_id
       join ${table} n on n.krb_principal = c.krb_principal join users x on x.id = n.user_id order by 2`,
  )
  for (const { name, principal, other } of taken) {
    report.leave(`principal ${principal} of ${name}`, `it is ${other}'s`)
  }
  report.add('principals', await ground.make(table, 'true', 'on conflict do nothing'))
}
