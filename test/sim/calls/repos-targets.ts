import type { HubSession } from '../hub-session.ts'
import { Binds, inForce, run, select } from '../query.ts'
import { generic, type Struct, str, truthy, type Value } from '../wire-value.ts'
import { getId, nameOrId } from './names.ts'
import { fullInheritance, getTag } from './tags.ts'

/** getBuildTargets (get_build_targets). */
export async function getBuildTargets(hub: HubSession, a: Struct): Promise<Value> {
  const binds = new Binds()
  const where = [inForce(a.event)]
  if (truthy(a.info)) where.push(nameOrId(hub, binds, 'build_target', a.info as Value, 'lookup'))
  for (const [argument, column] of [
    ['buildTagID', 'build_tag'],
    ['destTagID', 'dest_tag'],
  ] as const) {
    let tag = (a[argument] ?? null) as Value
    if (tag === null) continue
    if (hub.since(1.33) && typeof tag !== 'number') tag = await getId(hub, 'tag', tag)
    where.push(`${column} = ${binds.add(tag)}`)
  }
  return run(hub, {
    fields: {
      id: 'build_target.id',
      name: 'build_target.name',
      build_tag: 'build_tag',
      dest_tag: 'dest_tag',
      build_tag_name: 'tag1.name',
      dest_tag_name: 'tag2.name',
    },
    from: `build_target_config JOIN build_target ON build_target_config.build_target_id = build_target.id
      JOIN tag AS tag1 ON build_target_config.build_tag = tag1.id
      JOIN tag AS tag2 ON build_target_config.dest_tag = tag2.id`,
    where,
    binds,
    opts: a.queryOpts,
  })
}

/** getBuildTarget. */
export async function getBuildTarget(
  hub: HubSession,
  info: Value,
  event: Value,
  strict: boolean,
): Promise<Value> {
  const found = (await getBuildTargets(hub, { info, event })) as Struct[]
  if (found.length === 1) return found[0] as Struct
  const text = hub.since(1.25) ? 'No such build target' : 'No matching build target found'
  if (strict) throw generic(`${text}: ${str(info)}`)
  return null
}

/** listExternalRepos (get_external_repos). */
export function listExternalRepos(hub: HubSession, a: Struct): Promise<Value> {
  const binds = new Binds()
  const where = [inForce(a.event)]
  if (a.info !== null) where.push(nameOrId(hub, binds, 'external_repo', a.info as Value, 'lookup'))
  if (truthy(a.url)) where.push(`url = ${binds.add(a.url)}`)
  return run(hub, {
    fields: { id: 'id', name: 'name', url: 'url' },
    from: 'external_repo JOIN external_repo_config ON external_repo_id = id',
    where,
    binds,
    opts: a.queryOpts,
  })
}

/** getExternalRepo. */
export async function getExternalRepo(
  hub: HubSession,
  info: Value,
  event: Value,
  strict: boolean,
): Promise<Struct | null> {
  const found = (await listExternalRepos(hub, { info, event, url: null })) as Struct[]
  if (found.length > 1) throw generic('More than one repo in the result.')
  if (!found[0] && strict)
    throw generic(`${hub.since(1.25) ? 'No such repo' : 'invalid repo info'}: ${str(info)}`)
  return found[0] ?? null
}

/** getTagExternalRepos: of one tag, one repo, or all (get_tag_external_repos). */
export async function tagExternalRepos(
  hub: HubSession,
  tag: Value,
  repo: Value,
  event: Value,
): Promise<Struct[]> {
  const binds = new Binds()
  const where = [inForce(event, 'tag_external_repos'), inForce(event, 'external_repo_config')]
  if (truthy(tag)) {
    const id = hub.since(1.35)
      ? await getId(hub, 'tag', tag, true)
      : ((await getTag(hub, tag, { strict: true, event }))?.id as Value)
    where.push(`tag.id = ${binds.add(id)}`)
  }
  if (truthy(repo)) {
    where.push(`external_repo.id = ${binds.add((await getExternalRepo(hub, repo, event, true))?.id)}`)
  }
  return select(hub, {
    fields: {
      external_repo_id: 'external_repo.id',
      external_repo_name: 'external_repo.name',
      priority: 'priority',
      tag_id: 'tag.id',
      tag_name: 'tag.name',
      url: 'url',
      merge_mode: 'merge_mode',
      ...(hub.since(1.25) ? { arches: 'arches' } : {}),
    },
    from: `tag_external_repos JOIN tag ON tag_external_repos.tag_id = tag.id
      JOIN external_repo ON tag_external_repos.external_repo_id = external_repo.id
      JOIN external_repo_config ON external_repo.id = external_repo_config.external_repo_id`,
    where,
    binds,
    opts: { order: 'priority' },
  })
}

/** getExternalRepoList: with those of the parents (get_external_repo_list). */
export async function getExternalRepoList(hub: HubSession, info: Value, event: Value): Promise<Value> {
  const tag = (await getTag(hub, info, { strict: true, event })) as Struct
  const links = await fullInheritance(hub, tag.id as Value, event)
  const repos = new Map<Value, Struct>()
  for (const tagId of [tag.id as Value, ...links.map((link) => link.parent_id as Value)]) {
    for (const repo of await tagExternalRepos(hub, tagId, null, event)) {
      if (!repos.has(repo.external_repo_id as Value)) repos.set(repo.external_repo_id as Value, repo)
    }
  }
  return [...repos.values()]
}
