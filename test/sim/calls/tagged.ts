import type { HubSession } from '../hub-session.ts'
import { Binds, inForce, select } from '../query.ts'
import {
  Double,
  Fault,
  faultCode,
  generic,
  isInt,
  type Struct,
  str,
  truthy,
  typeName,
  type Value,
} from '../wire-value.ts'
import { archiveFields } from './archives.ts'
import { buildFields, decodeExtra, typeJoin } from './builds.ts'
import { getId } from './names.ts'
import { packageList } from './packages.ts'
import { rpmFields } from './rpms.ts'
import { fullInheritance, getTag } from './tags.ts'

/** listTagged. */
export async function listTagged(hub: HubSession, a: Struct): Promise<Value> {
  const tag = await tagOf(hub, a)
  if (!tag) return []
  const builds = await taggedBuilds(hub, tag, a, truthy(a.extra))
  if (!truthy(a.prefix)) return builds
  const prefix = String(a.prefix).toLowerCase()
  return builds.filter((build) => (build.package_name as string).toLowerCase().startsWith(prefix))
}

/** getLatestBuilds. */
export async function getLatestBuilds(hub: HubSession, a: Struct): Promise<Value> {
  const tag = isInt(a.tag) ? (a.tag as Value) : await getId(hub, 'tag', a.tag as Value, true)
  return taggedBuilds(hub, tag, { ...a, inherit: true, latest: true }, false)
}

async function tagOf(hub: HubSession, a: Struct): Promise<Value> {
  const strict = a.strict === undefined || truthy(a.strict)
  return (await getTag(hub, a.tag as Value, { strict, event: a.event as Value }))?.id ?? null
}

async function tagsFor(hub: HubSession, tag: Value, a: Struct): Promise<Value[]> {
  if (!truthy(a.inherit)) return [tag]
  const links = await fullInheritance(hub, tag, a.event as Value)
  return [tag, ...links.map((link) => link.parent_id as Value)]
}

/** Builds of a tag, newest tagging first, parents behind; only complete ones of listed packages (readTaggedBuilds). */
async function taggedBuilds(hub: HubSession, tag: Value, a: Struct, extra: boolean): Promise<Struct[]> {
  const event = a.event as Value
  const packages = await packageList(hub, {
    tagId: tag,
    event,
    inherit: true,
    pkgId: (a.package ?? null) as Value,
    withOwners: !hub.since(1.25),
  })
  const limit =
    a.latest instanceof Double
      ? a.latest.value
      : typeof a.latest === 'number'
        ? a.latest
        : truthy(a.latest)
          ? 1
          : 0
  const seen = new Map<Value, number>()
  const builds: Struct[] = []
  for (const tagId of await tagsFor(hub, tag, a)) {
    for (const build of await buildsOf(hub, tagId, a, extra)) {
      const id = build.package_id as Value
      const listed = packages.get(id)?.[0]
      if (!listed || listed.blocked) continue
      if (limit) {
        const count = seen.get(id) ?? 0
        if (count >= limit) continue
        seen.set(id, count + 1)
      }
      builds.push(build)
    }
  }
  return builds
}

async function buildsOf(hub: HubSession, tagId: Value, a: Struct, extra: boolean): Promise<Struct[]> {
  const binds = new Binds()
  const fields: Record<string, string> = {
    id: 'build.id',
    ...buildFields(hub),
    tag_id: 'tag.id',
    tag_name: 'tag.name',
    ...(hub.since(1.25) ? { create_event: 'tag_listing.create_event' } : {}),
    ...(extra ? { extra: 'build.extra' } : {}),
  }
  const where = [
    inForce(a.event, 'tag_listing'),
    `tag_listing.tag_id = ${binds.add(tagId)}`,
    'build.state = 1',
  ]
  let from = `tag_listing JOIN tag ON tag.id = tag_listing.tag_id JOIN build ON build.id = tag_listing.build_id
    JOIN events ON events.id = build.create_event JOIN package ON package.id = build.pkg_id
    JOIN volume ON volume.id = build.volume_id JOIN users ON users.id = build.owner
    ${hub.since(1.34) ? 'LEFT JOIN users AS promoter ON promoter.id = build.promoter' : ''}`
  if (a.type && !['maven', 'win', 'image'].includes(a.type as string) && hub.version === 1.25) {
    // Koji 1.25 writes broken SQL for types without a table of their own.
    throw new Fault(faultCode.other, `<class 'psycopg2.errors.SyntaxError'>: syntax error at or near "WHERE"`)
  }
  if (a.type !== null && a.type !== undefined)
    from += await typeJoin(hub, binds, fields, where, { type: a.type })
  if (truthy(a.package)) where.push(`package.name = ${binds.add(a.package)}`)
  if (truthy(a.owner)) where.push(`users.name = ${binds.add(a.owner)}`)
  if (a.draft !== null && a.draft !== undefined) {
    where.push(`build.draft IS ${truthy(a.draft) ? 'TRUE' : 'NOT TRUE'}`)
  }
  // Ties were left to chance before 1.35.2.
  const ties = hub.since(1.35) ? ', build.id DESC' : ''
  const columns = Object.keys(fields).map((alias) => `${fields[alias]} AS "${alias}"`)
  const rows = await hub.rows(
    `SELECT ${columns.join(', ')} FROM ${from} WHERE (${where.join(') AND (')})
     ORDER BY tag_listing.create_event DESC${ties}`,
    binds.values,
  )
  return extra ? rows.map(decodeExtra) : rows
}

/** listTaggedRPMS: rpms, and the builds that they are of (readTaggedRPMS). */
export async function listTaggedRPMS(hub: HubSession, a: Struct): Promise<Value> {
  const tag = await tagOf(hub, a)
  if (!tag) return []
  const builds = await taggedBuilds(hub, tag, a, false)
  const arches = truthy(a.arch) ? (a.arch as Value) : null
  if (arches !== null && typeof arches !== 'string' && !Array.isArray(arches)) {
    throw generic(`Invalid type for arch option: ${typeName(arches)}`)
  }
  const withExtra = a.extra === undefined || truthy(a.extra)
  const perTag = async (tagId: Value) => {
    const binds = new Binds()
    const where = [inForce(a.event, 'tag_listing'), `tag_id = ${binds.add(tagId)}`]
    let from = 'rpminfo JOIN tag_listing ON rpminfo.build_id = tag_listing.build_id'
    if (truthy(a.package)) {
      from += ' JOIN build ON rpminfo.build_id = build.id JOIN package ON package.id = build.pkg_id'
      where.push(`package.name = ${binds.add(a.package)}`)
    }
    if (truthy(a.rpmsigs)) from += ' LEFT JOIN rpmsigs ON rpminfo.id = rpmsigs.rpm_id'
    if (arches !== null) where.push(`rpminfo.arch = ANY(${binds.add([arches].flat())})`)
    if (a.draft !== null && a.draft !== undefined) {
      where.push(`rpminfo.draft IS ${truthy(a.draft) ? 'TRUE' : 'NOT TRUE'}`)
    }
    const fields = {
      ...rpmFields(hub),
      ...(truthy(a.rpmsigs) ? { sigkey: 'rpmsigs.sigkey' } : {}),
      ...(withExtra ? { extra: 'rpminfo.extra' } : {}),
    }
    return select(hub, { fields, from, where, binds, transform: decodeExtra })
  }
  return [await ofShownBuilds(hub, tag, a, builds, perTag), builds]
}

/** listTaggedArchives: archives, and the builds that they are of (readTaggedArchives). */
export async function listTaggedArchives(hub: HubSession, a: Struct): Promise<Value> {
  const tag = await tagOf(hub, a)
  if (!tag) return []
  const builds = await taggedBuilds(hub, tag, a, false)
  const typed: Record<string, Record<string, string>> = {
    maven: {
      maven_group_id: 'maven_archives.group_id',
      maven_artifact_id: 'maven_archives.artifact_id',
      maven_version: 'maven_archives.version',
    },
    win: {
      relpath: 'win_archives.relpath',
      platforms: 'win_archives.platforms',
      flags: 'win_archives.flags',
    },
  }
  const type = a.type as string | null
  if (type !== null && !typed[type]) throw generic(`unsupported archive type: ${str(type)}`)
  const withExtra = a.extra === undefined || truthy(a.extra)
  const perTag = async (tagId: Value) => {
    const binds = new Binds()
    const where = [inForce(a.event), `tag_listing.tag_id = ${binds.add(tagId)}`]
    let from = `archiveinfo JOIN tag_listing ON archiveinfo.build_id = tag_listing.build_id
      JOIN btype ON archiveinfo.btype_id = btype.id`
    if (truthy(a.package)) {
      from += ' JOIN build ON archiveinfo.build_id = build.id JOIN package ON build.pkg_id = package.id'
      where.push(`package.name = ${binds.add(a.package)}`)
    }
    if (type !== null) from += ` JOIN ${type}_archives ON archiveinfo.id = ${type}_archives.archive_id`
    const fields = {
      ...archiveFields,
      ...(type === null ? {} : typed[type]),
      ...(withExtra ? { extra: 'archiveinfo.extra' } : {}),
    }
    return select(hub, { fields, from, where, binds, transform: decodeExtra })
  }
  return [await ofShownBuilds(hub, tag, a, builds, perTag), builds]
}

/** Content of the builds shown, each by the tag that shows its build. */
async function ofShownBuilds(
  hub: HubSession,
  tag: Value,
  a: Struct,
  builds: Struct[],
  perTag: (tagId: Value) => Promise<Struct[]>,
): Promise<Struct[]> {
  const shownBy = new Map(builds.map((build) => [build.build_id, build.tag_id]))
  const found: Struct[] = []
  for (const tagId of new Set(await tagsFor(hub, tag, a))) {
    for (const row of await perTag(tagId)) if (shownBy.get(row.build_id) === tagId) found.push(row)
  }
  return found
}
