import type { Sql } from './database.ts'

/**
 * What people call keys, as far as staging has what they are about: `bash-5.2-1.fc43`, `f43`, `f43 bash`. Keys are texts of
 * `formatKey`; those that staging does not have are left out.
 */
export async function readKeyNames(sql: Sql, keys: readonly string[]): Promise<Map<string, string>> {
  const parsed = [...new Set(keys)].flatMap((key) => {
    const [kind = '', first = '', second = ''] = key.split('/')
    return Object.hasOwn(TABLE_OF, kind) && /^[0-9]{1,10}$/.test(first)
      ? [{ key, kind, first, second: /^[0-9]{1,10}$/.test(second) ? second : null }]
      : []
  })
  if (parsed.length === 0) return new Map()
  const rows = await sql.query<{ key: string; name: string | null }>('key.names', NAMES, [
    parsed.map(({ key }) => key),
    parsed.map(({ kind }) => TABLE_OF[kind]),
    parsed.map(({ first }) => first),
    parsed.map(({ second }) => second),
  ])
  return new Map(rows.flatMap(({ key, name }) => (name === null ? [] : [[key, name] as const])))
}

/** The kind of `staging_sync.owned` that a key's first id is of. */
const TABLE_OF: Readonly<Record<string, string>> = {
  build: 'build',
  tag: 'tag',
  package: 'tag',
  tagged: 'tag',
  target: 'build_target',
  'external-repo': 'external_repo',
}

/** An id that is not on record is shared by both sides where staging was copied from prod (`seeded` is null elsewhere). */
const NAMES = `
select k.key, case k.kind
    when 'build' then (select p.name || '-' || b.version || '-' || b.release
                         from build b join package p on p.id = b.pkg_id where b.id = k.id)
    when 'tag' then (select t.name from tag t where t.id = k.id)
      || coalesce((select ' ' || p.name from package p where p.id = k.package_id), '')
    when 'build_target' then (select t.name from build_target t where t.id = k.id)
    when 'external_repo' then (select t.name from external_repo t where t.id = k.id) end as name
  from (
    select i.key, i.kind,
           coalesce((select o.staging_id from staging_sync.owned o where o.kind = i.kind and o.prod_id = i.id), i.seeded * i.id) as id,
           coalesce((select o.staging_id from staging_sync.owned o where o.kind = 'package' and o.prod_id = i.package_id),
                    i.seeded * i.package_id) as package_id
      from (select u.*, (select 1 from staging_sync.setting where key = 'seed_event') as seeded
              from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) as u(key, kind, id, package_id)) i) k`
