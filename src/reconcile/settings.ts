import { conflictsOf, type Deps } from '../converge/deps.ts'
import { findGroups } from '../converge/groups.ts'
import { findNamedRows, type NamedRow } from '../converge/named-row.ts'
import { type RewrittenTag, TagRewrite } from '../converge/rewrite.ts'
import { viewsOf } from '../converge/tag.ts'
import type { ProdTag } from '../converge/tag-observe.ts'
import type { TagIds } from '../converge/tag-rows.ts'
import { viewDifference } from '../converge/versioned-plan.ts'
import { formatKey, type Key } from '../model/key.ts'
import { lastMapped } from '../staging/events.ts'
import { findOwned } from '../staging/owned.ts'
import { type Found, foundOf } from './found.ts'
import { findIds } from './names.ts'

/**
 * A tag's settings: the tag converger's own difference (`viewsOf`, `viewDifference`), with names looked up where the converger
 * would make them. What refers to a thing that staging lacks is a difference here, and that thing's own key another.
 */
export async function compareSettings(deps: Deps, prod: ProdTag, row: NamedRow): Promise<Found[]> {
  const { database, catalog, owner } = deps
  const { tag, rows } = prod
  const key: Key = { kind: 'tag', tagId: tag.id }
  const conflicts = conflictsOf(deps, key)
  const ids = await findTagIds(deps, prod, row.stagingId)
  const views = viewsOf(prod, ids, await rewrite(deps, prod))
  const settings = { catalog, owner, policy: conflicts.tag }
  const difference = await viewDifference(
    database,
    settings,
    views,
    await lastMapped(database, formatKey(key)),
  )
  const names = new Map<string, string>([
    ...rows.tag_inheritance.map((one) => label('parent_id', ids.parents.get(one.parentId), one.parentName)),
    ...rows.tag_external_repos.map((one) =>
      label('external_repo_id', ids.externalRepos.get(one.externalRepoId), one.externalRepoName),
    ),
    ...rows.group_config.map((one) => label('group_id', ids.groups.get(one.groupId), one.groupName)),
    ...rows.group_req_listing.map((one) => label('req_id', ids.groups.get(one.requiredId), one.requiredName)),
  ])
  return [
    ...missingOf(prod, ids, key),
    ...foundOf(difference, {
      key,
      tag: tag.name,
      subject: tag.name,
      nameOf: (column, id) => names.get(`${column} ${id}`),
    }),
  ]
}

function label(column: string, id: number | undefined, name: string): [string, string] {
  return [`${column} ${id}`, name]
}

async function findTagIds(deps: Deps, { rows, repoArches }: ProdTag, tagId: number): Promise<TagIds> {
  const { database, owner } = deps
  const permissions = rows.tag_config.flatMap(({ permId, permName }) =>
    permId === null || permName === null ? [] : [{ id: permId, name: permName }],
  )
  const parents = rows.tag_inheritance.map((row) => row.parentId)
  const repos = rows.tag_external_repos.map((row) => row.externalRepoId)
  return {
    tagId,
    repoArches,
    permissions: await findIds(database, 'permission', permissions),
    parents: stagingIds(await findNamedRows(database, owner, 'tag', parents)),
    externalRepos: stagingIds(await findNamedRows(database, owner, 'external_repo', repos)),
    groups: await findGroups(database, rows),
  }
}

function stagingIds(rows: ReadonlyMap<number, NamedRow>): Map<number, number> {
  return new Map([...rows].map(([prodId, row]) => [prodId, row.stagingId]))
}

/** Rows of prod that staging's ids cannot be said of: `tagRows` leaves them out. */
function missingOf({ tag, rows }: ProdTag, ids: TagIds, key: Key): Found[] {
  const missing = (kind: Found['kind'], what: string, name: string): Found => ({
    key,
    kind,
    subject: `${tag.name}: ${what} ${name}`,
    tag: tag.name,
    prod: name,
    staging: null,
    state: 'open',
  })
  const groups = new Map(
    [
      ...rows.group_config.map((row) => [row.groupId, row.groupName] as const),
      ...rows.group_package_listing.map((row) => [row.groupId, row.groupName] as const),
      ...rows.group_req_listing.map((row) => [row.requiredId, row.requiredName] as const),
    ].filter(([id]) => !ids.groups.has(id)),
  )
  return [
    ...rows.tag_config
      .filter((row) => row.permId !== null && !ids.permissions.has(row.permId))
      .map((row) => missing('tag', 'permission', row.permName ?? '')),
    ...rows.tag_inheritance
      .filter((row) => !ids.parents.has(row.parentId))
      .map((row) => missing('inheritance', 'parent', row.parentName)),
    ...rows.tag_external_repos
      .filter((row) => !ids.externalRepos.has(row.externalRepoId))
      .map((row) => missing('external-repos', 'external repo', row.externalRepoName)),
    ...[...groups.values()].map((name) => missing('groups', 'group', name)),
  ]
}

/** As the converger does it, but that nobody is made for `sidetag_user_id` (see `mapSidetagUser`). */
async function rewrite(deps: Deps, { tag, rows }: ProdTag): Promise<RewrittenTag> {
  const extra: { key: string; value: string | null; prodEvent: number }[] = []
  for (const { key, value, createEvent } of rows.tag_extra) {
    if (key !== 'sidetag_user_id' || value === null) extra.push({ key, value, prodEvent: createEvent })
    else {
      const prodId = /^[0-9]{1,10}$/.test(value) ? Number(value) : -1
      const user = (await findOwned(deps.database, 'user', [prodId])).get(prodId)
      if (user !== undefined) extra.push({ key, value: String(user.stagingId), prodEvent: createEvent })
    }
  }
  return new TagRewrite(deps.tagRewrite).apply({
    name: tag.name,
    arches: tag.arches,
    extra,
    configEvent: rows.tag_config[0]?.createEvent ?? 0,
  })
}
