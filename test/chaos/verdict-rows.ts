import type { E2eWorld } from '../e2e/world.ts'
import type { Chaos } from './one-run.ts'

/** Builds, tags, taggings and signatures of staging's people that are no more as they left them. */
export async function localLost({ world, rows, plan }: Chaos): Promise<string[]> {
  const lost: string[] = []
  const alive = async (sql: string, ids: ReadonlySet<number>): Promise<Set<number>> =>
    new Set((await world.sql<{ id: number }>(sql, [[...ids]])).map(({ id }) => id))
  const builds = await alive('select id from build where state = 1 and id = any($1)', rows.builds)
  const tags = await alive('select tag_id as id from tag_config where active and tag_id = any($1)', rows.tags)
  const signed = await alive(
    `select rpm_id as id from rpmsigs where sigkey = 'cccc0003' and rpm_id = any($1)`,
    rows.signatures,
  )
  for (const id of rows.builds) if (!builds.has(id)) lost.push(`local build ${id} is gone`)
  for (const id of rows.tags) if (!tags.has(id)) lost.push(`local tag ${id} is gone`)
  for (const id of rows.signatures) if (!signed.has(id)) lost.push(`local signature of rpm ${id} is gone`)
  for (const [tag, build] of rows.taggings) {
    const active = await world.sql(
      `select l.creator_id = (select id from users where name = 'local') as own from tag_listing l
        where l.active and l.tag_id = $1 and l.build_id = $2`,
      [tag, build],
    )
    const [tagStands] = await world.sql('select 1 from tag_config where active and tag_id = $1', [tag])
    // Who deletes a tag of prod's, deletes what is in it.
    if (active.length !== 1 && (tagStands !== undefined || rows.tags.has(tag)))
      lost.push(`local tagging of build ${build} in tag ${tag} is gone (${plan.onClash})`)
  }
  return lost
}

/** Rows of ours that stand for nothing, and content that prod's build has not. */
export async function orphanRows(world: E2eWorld): Promise<string[]> {
  const found: string[] = []
  for (const [kind, table] of Object.entries(TABLES)) {
    const rows = await world.sql<{ id: number }>(
      `select staging_id::int as id from staging_sync.owned o where kind = $1 and not exists (select 1 from ${table} where id = o.staging_id)`,
      [kind],
    )
    for (const { id } of rows) found.push(`a record of ${kind} ${id}, which is gone`)
  }
  const people = await world.sql<{ nvr: string }>(
    `select p.name || '-' || b.version || '-' || b.release as nvr from build b join package p on p.id = b.pkg_id
      where b.owner <> (select id from users where name = 'local')
        and not exists (select 1 from staging_sync.owned o where o.kind = 'build' and o.staging_id = b.id)
        and not exists (select 1 from events e where e.id = b.create_event and e.id >= 1000000000)`,
  )
  for (const { nvr } of people) found.push(`build ${nvr} is nobody's`)
  for (const [table, column] of [
    ['rpminfo', 'build_id'],
    ['archiveinfo', 'build_id'],
    ['build_types', 'build_id'],
    ['maven_builds', 'build_id'],
    ['win_builds', 'build_id'],
    ['image_builds', 'build_id'],
  ] as const) {
    const count = `select ${column} as id, count(*)::int as n from ${table} group by 1`
    const there = new Map((await world.prod.rows(count)).map(({ id, n }) => [Number(id), Number(n)]))
    const here = await world.sql<{ id: number; n: number }>(
      `select o.prod_id::int as id, x.n from (${count}) x join staging_sync.owned o on o.kind = 'build' and o.staging_id = x.id`,
    )
    for (const { id, n } of here)
      if (n > (there.get(id) ?? 0))
        found.push(`${table} has ${n} rows of prod's build ${id}, prod ${there.get(id) ?? 0}`)
  }
  // Whoever takes an event needs it for a row.
  const idle = await world.sql<{ id: number }>(
    `select e.id from events e where e.id > 1000000000
       and not exists (select 1 from chaos.needs_no_row where event = e.id)
       ${VERSIONED.map(
         (table) =>
           `and not exists (select 1 from ${table} where create_event = e.id) and not exists (select 1 from ${table} where revoke_event = e.id)`,
       ).join('\n')}
       and not exists (select 1 from tag_updates where update_event = e.id)
       and not exists (select 1 from build where create_event = e.id) order by 1`,
  )
  for (const { id } of idle) found.push(`event ${id} of staging stands for no change`)
  return found
}

/** Where the rows of a kind of record stand. */
const TABLES = {
  build: 'build',
  rpm: 'rpminfo',
  archive: 'archiveinfo',
  tag: 'tag',
  package: 'package',
  user: 'users',
  group: 'groups',
  external_repo: 'external_repo',
  build_target: 'build_target',
  permission: 'permissions',
}

const VERSIONED = [
  'tag_config',
  'tag_extra',
  'tag_inheritance',
  'tag_packages',
  'tag_package_owners',
  'tag_listing',
  'tag_external_repos',
  'group_config',
  'group_req_listing',
  'group_package_listing',
  'build_target_config',
  'external_repo_config',
]

/** Ids that staging gives out next are above those that it has, and above all of prod's. */
export async function sequencesBehind(world: E2eWorld): Promise<string[]> {
  const sequences = await world.sql<{ name: string; table: string; column: string; last: string }>(
    `select s.relname as name, t.relname as table, a.attname as column,
            (select last_value from pg_sequences q where q.schemaname = 'public' and q.sequencename = s.relname)::text as last
       from pg_class s join pg_namespace n on n.oid = s.relnamespace and n.nspname = 'public'
       join pg_depend d on d.objid = s.oid and d.refobjsubid > 0 join pg_class t on t.oid = d.refobjid
       join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid where s.relkind = 'S'`,
  )
  const behind: string[] = []
  for (const { name, table, column, last } of sequences) {
    const [row] = await world.sql<{ max: string | null }>(`select max(${column})::text as max from ${table}`)
    if (Number(last) < 1_000_000_000 || Number(last) < Number(row?.max ?? 0))
      behind.push(`sequence ${name}: ${last} < ${row?.max}`)
  }
  return behind
}

/**
 * Parts of images that cannot come: their build was gone in prod before staging had it, and only complete builds come. By the
 * names that the comparison gives them.
 */
export async function partsThatCannotCome(world: E2eWorld): Promise<Set<string>> {
  const had = await world.sql<{ id: number }>(
    `select prod_id::int as id from staging_sync.owned where kind = 'build'`,
  )
  const where = `part.state <> 1 and not (part.id = any($1))`
  const image = `whole.name || '-' || b.version || '-' || b.release || ' ' || `
  const archive = (a: string): string =>
    `concat_ws('/', (select name from btype where id = ${a}.btype_id), m${a}.group_id, m${a}.artifact_id, m${a}.version,
       nullif(w${a}.relpath, ''), ${a}.filename)`
  const joined = (a: string): string =>
    `left join maven_archives m${a} on m${a}.archive_id = ${a}.id left join win_archives w${a} on w${a}.archive_id = ${a}.id`
  const rows = await world.prod.rows(
    `select ${image} ${archive('a')} || ' has ' || r.name || '-' || r.version || '-' || r.release || '.' || r.arch as name
       from archive_rpm_components c join archiveinfo a on a.id = c.archive_id ${joined('a')}
       join build b on b.id = a.build_id join package whole on whole.id = b.pkg_id
       join rpminfo r on r.id = c.rpm_id join build part on part.id = r.build_id where ${where}
     union
     select ${image} ${archive('a')} || ' has ' || ${archive('r')}
       from archive_components c join archiveinfo a on a.id = c.archive_id ${joined('a')}
       join build b on b.id = a.build_id join package whole on whole.id = b.pkg_id
       join archiveinfo r on r.id = c.component_id ${joined('r')} join build part on part.id = r.build_id where ${where}`,
    [had.map(({ id }) => id)],
  )
  return new Set(rows.map(({ name }) => String(name)))
}
