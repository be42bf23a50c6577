import type { HubSession } from '../hub-session.ts'
import { parsePythonJson } from '../python-json.ts'
import { Binds, glob, inForce, run, select, selectOne } from '../query.ts'
import { generic, repr, type Struct, str, truthy, type Value } from '../wire-value.ts'
import { getBuild } from './builds.ts'
import { lookupName, nameOrId } from './names.ts'

const configFields = {
  id: 'tag.id',
  name: 'tag.name',
  arches: 'tag_config.arches',
  locked: 'tag_config.locked',
  maven_support: 'tag_config.maven_support',
  maven_include_all: 'tag_config.maven_include_all',
}

const permFields = { perm_id: 'tag_config.perm_id', perm: 'permissions.name' }

/** getTag (get_tag): nil when the tag has no settings in force; `auto` looks at the event before its deletion. */
export async function getTag(
  hub: HubSession,
  info: Value,
  { strict = false, event = null as Value, blocked = false } = {},
): Promise<Struct | null> {
  const binds = new Binds()
  const clause = nameOrId(hub, binds, 'tag', info, 'tagInfo')
  const fields: Record<string, string> = { ...configFields, ...permFields }
  let at = event
  if (at === 'auto' && hub.since(1.3)) {
    const last = await hub.row(
      `SELECT revoke_event FROM tag_config JOIN tag ON tag.id = tag_config.tag_id
       WHERE ${clause} ORDER BY create_event DESC LIMIT 1`,
      binds.values,
    )
    at = last?.revoke_event ? Number(last.revoke_event) - 1 : null
    if (at !== null) fields.revoke_event = 'tag_config.revoke_event'
  }
  const tag = await selectOne(hub, {
    fields,
    from: `tag_config JOIN tag ON tag.id = tag_config.tag_id
      LEFT JOIN permissions ON tag_config.perm_id = permissions.id`,
    where: [clause, inForce(at, 'tag_config')],
    binds,
  })
  if (!tag) {
    if (strict)
      throw generic(hub.since(1.25) ? `No such tagInfo: ${repr(info)}` : `Invalid tagInfo: ${repr(info)}`)
    return null
  }
  tag.extra = await tagExtra(hub, tag.id as Value, at, blocked)
  if (at !== null && hub.since(1.3)) tag.query_event = at
  return tag
}

async function tagExtra(hub: HubSession, id: Value, event: Value, blocked: boolean): Promise<Struct> {
  const rows = await hub.rows(
    `SELECT key, value FROM tag_extra WHERE ${inForce(event, 'tag_extra')} AND tag_id = $1`,
    [id],
  )
  const extra: Struct = {}
  for (const { key, value } of rows) {
    if (value === null && !blocked) continue
    const decoded = typeof value === 'string' ? decode(key as string, value) : null
    extra[key as string] = blocked ? [value === null, decoded] : decoded
  }
  return extra
}

function decode(key: string, value: string): Value {
  try {
    return parsePythonJson(value)
  } catch {
    throw generic(`No such tag extra data: ${key}: ${repr(value)}`)
  }
}

/** listTags (list_tags): all, those of a build, or those that list a package. */
export async function listTags(hub: HubSession, a: Struct): Promise<Value> {
  if (a.build !== null && a.package !== null) throw generic('only one of build and package may be specified')
  const binds = new Binds()
  const where = ['tag_config.active = TRUE']
  const fields: Record<string, string> = { ...configFields }
  let from = 'tag_config JOIN tag ON tag.id = tag_config.tag_id'
  if (truthy(a.perms)) {
    from += ' LEFT JOIN permissions ON tag_config.perm_id = permissions.id'
    Object.assign(fields, permFields)
  }
  if (a.build !== null) {
    const build = await getBuild(hub, a.build as Value)
    if (!build)
      throw generic(`${hub.since(1.25) ? 'No such build' : 'invalid build'}: ${str(a.build as Value)}`)
    from += ' JOIN tag_listing ON tag.id = tag_listing.tag_id'
    where.push('tag_listing.active = TRUE', `tag_listing.build_id = ${binds.add(build.id)}`)
  } else if (a.package !== null) {
    const found = await lookupName(hub, 'package', a.package as Value)
    if (!found)
      throw generic(`${hub.since(1.25) ? 'No such package' : 'invalid package'}: ${str(a.package as Value)}`)
    Object.assign(fields, {
      owner_id: 'users.id',
      owner_name: 'users.name',
      blocked: 'tag_packages.blocked',
      extra_arches: 'tag_packages.extra_arches',
    })
    from += ` JOIN tag_packages ON tag.id = tag_packages.tag_id
      JOIN tag_package_owners ON tag_packages.tag_id = tag_package_owners.tag_id
        AND tag_packages.package_id = tag_package_owners.package_id AND tag_package_owners.active IS TRUE
      JOIN users ON tag_package_owners.owner = users.id`
    where.push('tag_packages.active = TRUE', `tag_packages.package_id = ${binds.add(found.id)}`)
  }
  if (a.pattern !== null && a.pattern !== undefined) {
    where.push(`tag.name ILIKE ${binds.add(glob(a.pattern as Value))}`)
  }
  return run(hub, { fields, from, where, binds, opts: a.queryOpts })
}

/** getInheritanceData: the parents of a tag, by priority (readInheritanceData). */
export async function parents(hub: HubSession, tagId: Value, event: Value): Promise<Struct[]> {
  const rows = await links(hub, 'tag_id', tagId, event)
  return rows.map(({ tag_id: _, ...row }) => ({ ...row, child_id: tagId }))
}

async function links(
  hub: HubSession,
  side: 'tag_id' | 'parent_id',
  tagId: Value,
  event: Value,
): Promise<Struct[]> {
  const columns = [
    'tag_id',
    'parent_id',
    'priority',
    'maxdepth',
    'intransitive',
    'noconfig',
    'pkg_filter',
    'name',
  ]
  const binds = new Binds()
  return select(hub, {
    fields: Object.fromEntries(columns.map((column) => [column, column])),
    from: `tag_inheritance JOIN tag ON tag.id = ${side === 'tag_id' ? 'parent_id' : 'tag_id'}`,
    where: [inForce(event), `${side} = ${binds.add(tagId)}`],
    binds,
    opts: { order: 'priority' },
  })
}

interface Walk {
  hub: HubSession
  event: Value
  reverse: boolean
  order: Struct[]
  seen: Map<Value, Struct[]>
  /** Parents with negative priority end the walk there, up to 1.25. */
  prunes: Set<Value>
}

/** getFullInheritance: all ancestors (or descendants) in the order that Koji looks at them (readFullInheritanceRecurse). */
export async function fullInheritance(
  hub: HubSession,
  tagId: Value,
  event: Value,
  reverse = false,
): Promise<Struct[]> {
  const walk: Walk = { hub, event, reverse, order: [], seen: new Map(), prunes: new Set() }
  await descend(walk, tagId, new Set(), 0, null, false, [])
  return walk.order
}

async function descend(
  walk: Walk,
  tagId: Value,
  above: Set<Value>,
  depth: number,
  maxdepth: number | null,
  inheritedNoconfig: boolean,
  filters: Value[],
): Promise<void> {
  if (maxdepth !== null && maxdepth < 1) return
  const currdepth = depth + 1
  const path = new Set(above).add(tagId)
  let noconfig = inheritedNoconfig
  const { hub, event, reverse } = walk
  const rows = reverse ? await links(hub, 'parent_id', tagId, event) : await parents(hub, tagId, event)
  for (const link of rows) {
    const id = (reverse ? link.tag_id : link.parent_id) as Value
    if (path.has(id) || walk.prunes.has(id)) continue
    if (link.intransitive && path.size > 1 && !reverse) continue
    if (!hub.since(1.3) && Number(link.priority) < 0) {
      walk.prunes.add(id)
      continue
    }
    const own = link.maxdepth as number | null
    if (reverse && own !== null && own < currdepth - 1) continue
    const nextdepth = reverse ? null : depthBelow(own, maxdepth)
    link.nextdepth = nextdepth
    link.currdepth = currdepth
    // Koji lets a noconfig link mark its later siblings too.
    if (link.noconfig) noconfig = true
    const filter = link.pkg_filter ? [...filters, link.pkg_filter as Value] : [...filters]
    link.filter = filter
    const earlier = walk.seen.get(id)
    if (earlier?.some((previous) => suffices(previous, nextdepth, noconfig))) continue
    walk.seen.set(id, [...(earlier ?? []), link])
    walk.order.push(link)
    if (link.intransitive && reverse) continue
    await descend(walk, id, path, currdepth, nextdepth, noconfig, filter)
  }
}

function depthBelow(own: number | null, maxdepth: number | null): number | null {
  if (maxdepth === null) return own
  return own === null ? maxdepth - 1 : Math.min(own, maxdepth) - 1
}

/** What was found on an earlier way to the same tag makes this way superfluous. */
function suffices(previous: Struct, nextdepth: number | null, noconfig: boolean): boolean {
  const last = previous.nextdepth as number | null
  if (nextdepth === null ? last !== null : last !== null && last < nextdepth) return false
  if (previous.noconfig && !noconfig) return false
  return (previous.filter as Value[]).length === 0
}
