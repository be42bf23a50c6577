import type { Session } from './session.ts'

/** What the daemon replicates, as far as a dump shows it. */
export interface SeedScope {
  /** `all`: builds in no tag, too */
  readonly builds: 'tagged' | 'all'
  /** by its name alone, without the tags that others need */
  names(tag: { readonly id: number; readonly name: string; readonly sideTag: boolean }): boolean
}

/**
 * Prod's tags in scope: those that a pattern names, closed over inheritance and build targets (as converge/closure-start.ts does it in a
 * staging that is followed).
 */
export async function findTagsInScope(session: Session, scope: SeedScope): Promise<number[]> {
  const tags = await session.query<{ id: number; name: string; sideTag: boolean }>(
    'seed.scope-names',
    `select t.id, t.name, s.tag_id is not null as "sideTag" from tag t
       left join (select distinct tag_id from tag_extra where active and key = 'sidetag' and value = 'true') s on s.tag_id = t.id
      where t.id in (select tag_id from tag_config where active) order by t.id`,
  )
  const named = tags.filter((tag) => scope.names(tag)).map(({ id }) => id)
  const closed = await session.query<{ id: number }>('seed.scope-closed', CLOSED, [named])
  return closed.map(({ id }) => id)
}

const CLOSED = `
  with recursive needs("from", "to") as (
         select tag_id, parent_id from tag_inheritance where active
         union select build_tag, dest_tag from build_target_config where active
         union select dest_tag, build_tag from build_target_config where active),
       closed(id) as (select unnest($1::int[]) union select n."to" from closed c join needs n on n."from" = c.id)
  select id from closed order by 1`

/**
 * Makes the temporary table `seed_in_scope` (id): builds in one of those tags, and those that archives of builds in scope contain. Goes
 * with the caller's transaction; no index of Koji's is needed.
 */
export async function makeBuildsInScope(session: Session, tags: readonly number[]): Promise<void> {
  await session.query(
    'seed.scope-builds',
    `create temp table seed_in_scope on commit drop as
       select distinct build_id as id from tag_listing where active and tag_id = any('{${tags.join(',')}}'::int[])`,
  )
  await session.query('seed.scope-index', 'alter table seed_in_scope add primary key (id)')
  const [parts] = await session.query<{ rpms: boolean; archives: boolean }>(
    'seed.scope-parts',
    `select to_regclass('archive_rpm_components') is not null as rpms, to_regclass('archive_components') is not null as archives`,
  )
  const sources = [...(parts?.rpms ? [OF_RPMS] : []), ...(parts?.archives ? [OF_ARCHIVES] : [])]
  if (sources.length === 0) return
  const more = `insert into seed_in_scope select distinct x.build_id from (${sources.join(' union all ')}) x
    where x.build_id is not null and not exists (select 1 from seed_in_scope s where s.id = x.build_id)`
  // A component's build may have components itself.
  while ((await session.change('seed.scope-components', more)) > 0);
}

const OF_RPMS = `
  select r.build_id from archiveinfo a join seed_in_scope s on s.id = a.build_id
    join archive_rpm_components c on c.archive_id = a.id join rpminfo r on r.id = c.rpm_id`
const OF_ARCHIVES = `
  select p.build_id from archiveinfo a join seed_in_scope s on s.id = a.build_id
    join archive_components c on c.archive_id = a.id join archiveinfo p on p.id = c.component_id`
