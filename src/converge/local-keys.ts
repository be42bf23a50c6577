import type { Key } from '../model/key.ts'
import { TAG_SETTINGS } from '../staging/versioned-tables.ts'
import type { Deps } from './deps.ts'

/**
 * Marks, as sweeps, the keys of rows that staging's people made between the copy of prod and `init`: those that equal prod's
 * are adopted by that. (A staging that was not copied gets its tags, and with each of them all of its keys.) Asked at the start
 * of a daemon; a row of staging's own is looked at anew each time.
 */
export async function markLocalRows(deps: Pick<Deps, 'database' | 'queue' | 'owner'>): Promise<void> {
  const { database, queue, owner } = deps
  if (owner.seedEvent === null) return
  const rows = await database.query<{ kind: string; tagId: number; packageId: number }>(
    'scope.local-rows',
    LOCAL,
    [owner.seedEvent, owner.userId],
  )
  const keys = rows.map(({ kind, tagId, packageId }): Key => {
    if (kind === 'tag') return { kind, tagId }
    return { kind: kind === 'tagged' ? kind : 'package', tagId, packageId }
  })
  await queue.mark(keys.map((key) => ({ key, priority: 'sweep' })))
}

const isLocal = (table: string, key: readonly string[]): string => `
  r.active and r.creator_id <> $2 and r.create_event > $1::bigint
  and r.create_event <= (select value::bigint from staging_sync.setting where key = 'init_event')
  and not exists (select 1 from staging_sync.adopted a
                   where a.table_name = '${table}' and a.create_event = r.create_event
                     and a.key = ${key.map((name) => `'${name}=' || r.${name}`).join(" || ' ' || ")})`

const inTag = (table: string): string =>
  `select 'package', t.prod_id, p.prod_id from ${table} r join tags t on t.id = r.tag_id
     join staging_sync.owned p on p.kind = 'package' and p.staging_id = r.package_id
    where ${isLocal(table, ['tag_id', 'package_id'])}`

const LOCAL = `
with tags as (
  select t.id, coalesce(o.prod_id, t.id) as prod_id
    from tag t left join staging_sync.owned o on o.kind = 'tag' and o.staging_id = t.id
   where o.prod_id is not null
      or exists (select 1 from tag_config c where c.tag_id = t.id and c.create_event <= $1::bigint))
select distinct kind, "tagId", "packageId" from (
  select 'tagged' as kind, t.prod_id as "tagId", p.prod_id as "packageId"
    from tag_listing r join build b on b.id = r.build_id join tags t on t.id = r.tag_id
    join staging_sync.owned p on p.kind = 'package' and p.staging_id = b.pkg_id
   where ${isLocal('tag_listing', ['tag_id', 'build_id'])}
  union all ${inTag('tag_packages')}
  union all ${inTag('tag_package_owners')}
  ${TAG_SETTINGS.map(
    (table) => `union all select 'tag', t.prod_id, 0 from ${table} r join tags t on t.id = r.tag_id
      where r.active and r.creator_id <> $2 and r.create_event > $1::bigint
        and r.create_event <= (select value::bigint from staging_sync.setting where key = 'init_event')`,
  ).join('\n  ')}
) rows order by 1, 2, 3`
