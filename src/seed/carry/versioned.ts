import type { DecisionPolicy } from '../../staging/decisions.ts'
import { VERSIONED } from '../../staging/versioned-tables.ts'
import type { Ground } from './ground.ts'
import type { CarryReport } from './report.ts'
import { isLocalRow, type Side } from './sides.ts'

interface Kind {
  readonly table: string
  /** at most one active row has these values */
  readonly key: readonly string[]
  /** more sets of columns that at most one active row shares */
  readonly uniques: readonly (readonly string[])[]
  readonly word: string
  /** SQL over alias `v`: the queue's key of a row that prod may have, too; null: prod's are not replicated */
  readonly queueKey: string | null
}

const own = (table: string, key: string, word: string): Kind => ({
  table,
  key: key.split(' '),
  uniques: [],
  word,
  queueKey: null,
})

const replicated = (table: keyof typeof VERSIONED, word: string, queueKey: string): Kind => ({
  table,
  key: VERSIONED[table].key,
  uniques: VERSIONED[table].uniques,
  word,
  queueKey,
})

const OF_TAG = `'tag/' || v.tag_id`
const OF_PACKAGE = `'package/' || v.tag_id || '/' || v.package_id`

/** All versioned tables but the listing of builds, whose order counts, and what kojira last saw of external repos. */
const KINDS: readonly Kind[] = [
  replicated('tag_config', 'settings of tags', OF_TAG),
  replicated('tag_extra', 'extra settings of tags', OF_TAG),
  replicated('tag_inheritance', 'parents of tags', OF_TAG),
  replicated('tag_external_repos', 'external repos of tags', OF_TAG),
  replicated('group_config', 'groups of tags', OF_TAG),
  replicated('group_req_listing', 'groups in groups', OF_TAG),
  replicated('group_package_listing', 'packages of groups', OF_TAG),
  replicated('tag_packages', 'package lists', OF_PACKAGE),
  replicated('tag_package_owners', 'owners of packages', OF_PACKAGE),
  replicated('build_target_config', 'settings of targets', `'target/' || v.build_target_id`),
  replicated('external_repo_config', 'addresses of external repos', `'external-repo/' || v.external_repo_id`),
  own('user_perms', 'user_id perm_id', 'permissions given'),
  own('user_groups', 'user_id group_id', 'members of user groups'),
  own('cg_users', 'cg_id user_id', "content generators' users"),
  own('host_config', 'host_id', 'settings of hosts'),
  own('host_channels', 'host_id channel_id', 'channels of hosts'),
]

const HISTORY = ['create_event', 'revoke_event', 'creator_id', 'revoker_id', 'active']

/** The active rows that staging's people made. */
export async function pullVersioned(ground: Ground, side: Side): Promise<void> {
  for (const { table } of KINDS) {
    if (!ground.has(table)) continue
    await ground.pull(table, isLocalRow(side))
    await ground.scratch(`v_${table}`, `c_${table}`, 'stays boolean not null default false')
  }
  await ground.pull('tag_listing', isLocalRow(side))
}

export interface VersionedOptions {
  /** `conflicts.tag` */
  readonly policy: DecisionPolicy
  /** in the new database: who revokes a row of prod's that makes way */
  readonly userId: number
}

/**
 * Makes those rows. One that equals what the new database has is there already. Where it has another, `prod-wins` keeps that; else staging's row
 * stays, as it does in a staging that is followed up. Returns keys to mark.
 */
export async function makeVersioned(
  ground: Ground,
  options: VersionedOptions,
  report: CarryReport,
): Promise<string[]> {
  const marks: string[] = []
  for (const kind of KINDS) {
    if (!ground.isEmpty(kind.table)) marks.push(...(await makeKind(ground, kind, options, report)))
  }
  return marks
}

async function makeKind(
  ground: Ground,
  kind: Kind,
  { policy, userId }: VersionedOptions,
  report: CarryReport,
): Promise<string[]> {
  const { table, key, uniques, word, queueKey } = kind
  const { to } = ground
  const { names, select, joins } = ground.mapped(table)
  const missing = names
    .filter((name) => ground.catalog.column(table, name)?.nullable === false)
    .map((name) => `r."${name}" is null`)
  await to.query('carry.versioned', `insert into v_${table} select ${select} from c_${table} o ${joins}`)
  const lost = await to.change(
    `carry.unmapped.${table}`,
    `delete from v_${table} r where ${missing.join(' or ') || 'false'}`,
  )
  if (lost > 0) report.cannot(`${lost} ${word}`, 'what they refer to does not come over', table)
  const values = names.filter((name) => !HISTORY.includes(name) && !key.includes(name))
  const sameKey = key.map((name) => `n."${name}" is not distinct from v."${name}"`).join(' and ')
  const sameValues =
    values.map((name) => `n."${name}" is not distinct from v."${name}"`).join(' and ') || 'true'
  await to.query(
    `carry.equal.${table}`,
    `delete from v_${table} v using "${table}" n where n.active and ${sameKey} and ${sameValues}`,
  )
  const blocks = [key, ...uniques]
    .map(
      (columns) => `(${columns.map((name) => `n."${name}" is not distinct from v."${name}"`).join(' and ')})`,
    )
    .join(' or ')
  const decided =
    queueKey === null ? 'null' : `(select d.policy from staging_sync.decision d where d.key = ${queueKey})`
  const clashes = await to.query<{ subject: string; mark: string | null; stays: boolean }>(
    `carry.clashes.${table}`,
    `update v_${table} v set stays = coalesce(${decided}, '${policy}') <> 'prod-wins'
       from (select distinct v.ctid as at from v_${table} v join "${table}" n on n.active and (${blocks})) c
      where v.ctid = c.at
      returning concat_ws(' ', ${key.map((name) => subjectOf(ground, table, name)).join(', ')}) as subject, ${queueKey ?? 'null'} as mark, v.stays`,
  )
  for (const { subject, stays } of clashes) {
    if (!stays) report.leave(`${word}: ${subject}`, 'the dump has another one, which counts (conflicts.tag)')
  }
  await to.query(
    `carry.clash-lost.${table}`,
    `delete from v_${table} v using "${table}" n where n.active and (${blocks}) and not v.stays`,
  )
  if (clashes.some(({ stays }) => stays)) {
    const [event] = await to.query<{ id: number }>(
      'carry.event',
      'insert into events (time) values (clock_timestamp()) returning id',
    )
    await to.query(
      `carry.makes-way.${table}`,
      `update "${table}" n set active = null, revoke_event = $1::int, revoker_id = $2::int
         from v_${table} v where v.stays and n.active and (${blocks})`,
      [event?.id, userId],
    )
  }
  const list = names.map((name) => `"${name}"`).join(', ')
  report.add(
    word,
    await to.change(
      `carry.create.${table}`,
      `insert into "${table}" (${list}) select ${list} from v_${table}`,
    ),
  )
  return clashes.flatMap(({ mark, stays }) => (mark !== null && stays ? [mark] : []))
}

/** A key's column as people know it: a name instead of an id. */
function subjectOf(ground: Ground, table: string, column: string): string {
  const target = ground.references(table).find((reference) => reference.column === column)?.target
  if (target === undefined || !ground.has(target, 'name')) return `v."${column}"`
  return `(select x.name from "${target}" x where x.id = v."${column}")`
}
