import type { ProdWorld } from '../sim/prod-world.ts'

/** A tag's active rows by names instead of ids, so that two Kojis can be compared. Shares nothing with src. */
const QUERIES: Record<string, string> = {
  tag_config: `select c.arches, p.name as perm, c.locked, c.maven_support, c.maven_include_all
    from tag_config c left join permissions p on p.id = c.perm_id where c.active and c.tag_id = $1`,
  tag_extra: 'select key, value from tag_extra where active and tag_id = $1 order by key',
  tag_inheritance: `select p.name as parent, i.priority, i.maxdepth, i.intransitive, i.noconfig, i.pkg_filter
    from tag_inheritance i join tag p on p.id = i.parent_id where i.active and i.tag_id = $1 order by i.priority`,
  tag_external_repos: `select r.name as repo, to_jsonb(x) ->> 'arches' as arches, x.priority, x.merge_mode
    from tag_external_repos x join external_repo r on r.id = x.external_repo_id
    where x.active and x.tag_id = $1 order by x.priority`,
  group_config: `select g.name, c.blocked, c.exported, c.display_name, c.is_default, c.uservisible, c.description,
      c.langonly, c.biarchonly
    from group_config c join groups g on g.id = c.group_id where c.active and c.tag_id = $1 order by g.name`,
  group_package_listing: `select g.name, l.package, l.blocked, l.type, l.basearchonly, l.requires
    from group_package_listing l join groups g on g.id = l.group_id where l.active and l.tag_id = $1
    order by g.name, l.package`,
  group_req_listing: `select g.name, r.name as req, l.blocked, l.type, l.is_metapkg
    from group_req_listing l join groups g on g.id = l.group_id join groups r on r.id = l.req_id
    where l.active and l.tag_id = $1 order by g.name, r.name`,
  tag_packages: `select p.name, l.blocked, l.extra_arches from tag_packages l join package p on p.id = l.package_id
    where l.active and l.tag_id = $1 order by p.name`,
  tag_package_owners: `select p.name, u.name as owner from tag_package_owners l join package p on p.id = l.package_id
    join users u on u.id = l.owner where l.active and l.tag_id = $1 order by p.name`,
  tag_listing: `select p.name, b.version, b.release from tag_listing l join build b on b.id = l.build_id
    join package p on p.id = b.pkg_id where l.active and l.tag_id = $1 order by p.name, l.create_event, l.build_id`,
}

export type Snapshot = Record<string, Record<string, unknown>[]>

/** null: there is no tag of that name. */
export async function snapshotTag(world: ProdWorld, name: string): Promise<Snapshot | null> {
  const [tag] = await world.rows('select id from tag where name = $1', [name])
  if (tag === undefined) return null
  const entries = await Promise.all(
    Object.entries(QUERIES).map(async ([table, sql]) => [table, await world.rows(sql, [tag.id])]),
  )
  return Object.fromEntries(entries)
}

/** Build targets with their tags, by name; deleted ones are not shown. */
export function snapshotTargets(world: ProdWorld): Promise<Record<string, unknown>[]> {
  return world.rows(
    `select t.name, b.name as build_tag, d.name as dest_tag from build_target_config c
       join build_target t on t.id = c.build_target_id join tag b on b.id = c.build_tag join tag d on d.id = c.dest_tag
      where c.active order by t.name`,
  )
}

/** External repos with their URLs, by name; deleted ones are not shown. */
export function snapshotRepos(world: ProdWorld): Promise<Record<string, unknown>[]> {
  return world.rows(
    `select r.name, c.url from external_repo_config c join external_repo r on r.id = c.external_repo_id
      where c.active order by r.name`,
  )
}
