import type { HubSession } from '../hub-session.ts'
import { parsePythonJson } from '../python-json.ts'
import { Binds, glob, run, select, selectOne } from '../query.ts'
import {
  generic,
  isInt,
  isStruct,
  repr,
  type Struct,
  str,
  truthy,
  typeName,
  type Value,
} from '../wire-value.ts'
import { getId, lookupName } from './names.ts'
import { parseNvr } from './nvr.ts'
import { getUser } from './users.ts'

/** Columns that all answers about builds share; drafts came with 1.34. */
export function buildFields(hub: HubSession): Record<string, string> {
  return {
    build_id: 'build.id',
    version: 'build.version',
    release: 'build.release',
    epoch: 'build.epoch',
    state: 'build.state',
    completion_time: 'build.completion_time',
    start_time: 'build.start_time',
    task_id: 'build.task_id',
    creation_event_id: 'events.id',
    creation_time: 'events.time',
    package_id: 'package.id',
    package_name: 'package.name',
    name: 'package.name',
    volume_id: 'volume.id',
    volume_name: 'volume.name',
    nvr: "package.name || '-' || build.version || '-' || build.release",
    owner_id: 'users.id',
    owner_name: 'users.name',
    ...(hub.since(1.34)
      ? {
          draft: 'build.draft',
          promotion_time: 'build.promotion_time',
          promoter_id: 'promoter.id',
          promoter_name: 'promoter.name',
        }
      : {}),
  }
}

function timestampFields(hub: HubSession): Record<string, string> {
  return {
    creation_ts: "date_part('epoch', events.time)",
    start_ts: "date_part('epoch', build.start_time)",
    completion_ts: "date_part('epoch', build.completion_time)",
    ...(hub.since(1.34) ? { promotion_ts: "date_part('epoch', build.promotion_time)" } : {}),
  }
}

const buildJoins = (hub: HubSession) => `build JOIN events ON build.create_event = events.id
  JOIN package ON build.pkg_id = package.id JOIN volume ON build.volume_id = volume.id
  JOIN users ON build.owner = users.id
  ${hub.since(1.34) ? 'LEFT JOIN users AS promoter ON build.promoter = promoter.id' : ''}`

/** Decodes a JSON text column (parse_json, in _fix_extra_field, _fix_rpm_row). */
export function decodeExtra(row: Struct): Struct {
  if (typeof row.extra !== 'string') return row
  try {
    return { ...row, extra: parsePythonJson(row.extra) }
  } catch {
    throw generic(`Invalid extra data: ${repr(row.extra)}`)
  }
}

/** The id for an id, an NVR or a struct; null or a fault when there is none (find_build_id). */
export async function findBuildId(hub: HubSession, info: Value, strict = false): Promise<Value> {
  if (isInt(info)) return info
  if (typeof info !== 'string' && !isStruct(info)) {
    throw generic(
      hub.since(1.25) ? `Invalid type for argument: ${typeName(info)}` : `Invalid argument: ${repr(info)}`,
    )
  }
  const data = typeof info === 'string' ? parseNvr(info) : info
  if (!('name' in data && 'version' in data && 'release' in data)) {
    throw generic('did not provide name, version, and release')
  }
  const row = await hub.row(
    `SELECT build.id FROM build JOIN package ON build.pkg_id = package.id
     WHERE package.name = $1 AND build.version = $2 AND build.release = $3`,
    [data.name, data.version, data.release],
  )
  if (!row && strict) throw noSuchBuild(hub, repr(info))
  return row?.id ?? null
}

const noSuchBuild = (hub: HubSession, text: string) =>
  generic(hub.since(1.25) ? `No such build: ${text}` : `No matching build found: ${text}`)

/** getBuild (get_build). */
export async function getBuild(hub: HubSession, info: Value, strict = false): Promise<Struct | null> {
  const id = await findBuildId(hub, info, strict)
  if (id === null) return null
  const binds = new Binds()
  const build = await selectOne(hub, {
    fields: {
      id: 'build.id',
      ...buildFields(hub),
      ...timestampFields(hub),
      cg_id: 'build.cg_id',
      source: 'build.source',
      extra: 'build.extra',
    },
    from: buildJoins(hub),
    where: [`build.id = ${binds.add(id)}`],
    binds,
    transform: decodeExtra,
  })
  if (!build) {
    if (strict) throw noSuchBuild(hub, str(info))
    return null
  }
  const generator = build.cg_id ? await lookupName(hub, 'content_generator', build.cg_id, true) : null
  return { ...build, cg_name: generator?.name ?? null }
}

/** listBuilds. */
export async function listBuilds(hub: HubSession, a: Struct): Promise<Value> {
  const binds = new Binds()
  const where: string[] = []
  const fields: Record<string, string> = {
    ...buildFields(hub),
    ...timestampFields(hub),
    source: 'build.source',
    extra: 'build.extra',
  }
  let from = buildJoins(hub).replaceAll(' JOIN ', ' LEFT JOIN ').replaceAll('LEFT LEFT', 'LEFT')
  const equal = (column: string, value: Value) => where.push(`${column} = ${binds.add(value)}`)
  const set = (name: string) => a[name] !== null && a[name] !== undefined
  if (set('packageID')) {
    const id = hub.since(1.3) ? await getId(hub, 'package', a.packageID as Value) : (a.packageID as Value)
    if (!id) return []
    equal('package.id', id)
  }
  if (set('userID')) {
    const id = hub.since(1.3) ? ((await getUser(hub, a.userID as Value))?.id ?? null) : (a.userID as Value)
    if (id === null) return []
    equal('users.id', id)
  }
  if (set('volumeID')) equal('volume.id', a.volumeID as Value)
  if (a.taskID === -1) where.push('build.task_id IS NOT NULL')
  else if (set('taskID')) equal('build.task_id', a.taskID as Value)
  if (set('source')) where.push(`build.source ILIKE ${binds.add(glob(a.source as Value))}`)
  if (truthy(a.prefix)) where.push(`package.name ILIKE ${binds.add(a.prefix)} || '%'`)
  if (truthy(a.pattern)) where.push(`${fields.nvr} ILIKE ${binds.add(glob(a.pattern as Value))}`)
  if (set('state')) equal('build.state', a.state as Value)
  const time = (name: string, column: string, operator: string) => {
    if (truthy(a[name])) where.push(`${column} ${operator} ${moment(binds, a[name] as Value)}`)
  }
  time('createdBefore', 'events.time', '<')
  time('createdAfter', 'events.time', '>')
  time('completeBefore', 'build.completion_time', '<')
  time('completeAfter', 'build.completion_time', '>')
  time('promotedBefore', 'build.promotion_time', '<')
  time('promotedAfter', 'build.promotion_time', '>')
  if (set('promoter')) {
    const promoter = await getUser(hub, a.promoter as Value)
    if (!promoter) return []
    equal('build.promoter', promoter.id as Value)
  }
  if (truthy(a.cgID)) {
    const id = await getId(hub, 'content_generator', a.cgID as Value)
    if (id === null) return []
    equal('build.cg_id', id)
  }
  if (set('type')) from += await typeJoin(hub, binds, fields, where, a)
  if (set('draft')) where.push(truthy(a.draft) ? 'build.draft IS TRUE' : 'build.draft IS NOT TRUE')
  return run(hub, { fields, from, where, binds, opts: a.queryOpts, transform: decodeExtra })
}

/** A time given as a number of seconds or as text. */
export function moment(binds: Binds, value: Value): string {
  return typeof value === 'string' ? binds.add(value) : `to_timestamp(${binds.add(value)}::double precision)`
}

/** Limits a query over builds to one type, and adds its columns. */
export async function typeJoin(
  hub: HubSession,
  binds: Binds,
  fields: Record<string, string>,
  where: string[],
  a: Struct,
): Promise<string> {
  const typeInfo = isStruct(a.typeInfo) ? a.typeInfo : {}
  const match = (table: string, keys: string[]) => {
    for (const key of keys) if (key in typeInfo) where.push(`${table}.${key} = ${binds.add(typeInfo[key])}`)
  }
  if (a.type === 'maven') {
    fields.maven_group_id = 'maven_builds.group_id'
    fields.maven_artifact_id = 'maven_builds.artifact_id'
    fields.maven_version = 'maven_builds.version'
    match('maven_builds', ['group_id', 'artifact_id', 'version'])
    return ' JOIN maven_builds ON maven_builds.build_id = build.id'
  }
  if (a.type === 'win') {
    fields.platform = 'win_builds.platform'
    match('win_builds', ['platform'])
    return ' JOIN win_builds ON win_builds.build_id = build.id'
  }
  if (a.type === 'image') return ' JOIN image_builds ON image_builds.build_id = build.id'
  const id = await getId(hub, 'btype', a.type as Value)
  if (id === null) throw generic(`unsupported build type: ${str(a.type as Value)}`)
  return ` JOIN build_types ON build.id = build_types.build_id AND build_types.btype_id = ${binds.add(id)}`
}

const typedBuilds = {
  maven: {
    table: 'maven_builds',
    columns: ['build_id', 'group_id', 'artifact_id', 'version'],
    label: 'maven',
  },
  win: { table: 'win_builds', columns: ['build_id', 'platform'], label: 'Windows' },
  image: { table: 'image_builds', columns: ['build_id'], label: 'image' },
} as const

/** getMavenBuild, getWinBuild, getImageBuild. */
export async function getTypedBuild(
  hub: HubSession,
  type: keyof typeof typedBuilds,
  info: Value,
  strict = false,
): Promise<Struct | null> {
  const { table, columns, label } = typedBuilds[type]
  const id = await findBuildId(hub, info, strict)
  if (!id) return null
  const row = await hub.row(`SELECT ${columns.join(', ')} FROM ${table} WHERE build_id = $1`, [id])
  if (!row && strict) throw generic(`no such ${label} build: ${str(info)}`)
  return row
}

/** getBuildType: type names with what is known of each (get_build_type). */
export async function getBuildType(hub: HubSession, info: Value, strict = false): Promise<Value> {
  const given = hub.since(1.3) && isStruct(info) && 'extra' in info && 'id' in info
  const build = given ? (info as Struct) : await getBuild(hub, info, strict)
  if (!build) return null
  const rows = await hub.rows(
    'SELECT name FROM btype JOIN build_types ON btype_id = btype.id WHERE build_id = $1',
    [build.id],
  )
  const typeinfo = isStruct(build.extra) && isStruct(build.extra.typeinfo) ? build.extra.typeinfo : {}
  const types: Struct = {}
  for (const row of rows) types[row.name as string] = typeinfo[row.name as string] ?? null
  for (const type of ['maven', 'win', 'image'] as const) {
    const known = await getTypedBuild(hub, type, build.id as Value)
    if (known) types[type] = known
  }
  return types
}

/** untaggedBuilds. */
export function untaggedBuilds(hub: HubSession, a: Struct): Promise<Value> {
  const binds = new Binds()
  const where = [
    'NOT EXISTS (SELECT 1 FROM tag_listing WHERE tag_listing.build_id = build.id AND tag_listing.active IS TRUE)',
    'package.id = build.pkg_id',
    'build.state = 1',
  ]
  if (a.name !== null) where.push(`package.name = ${binds.add(a.name)}`)
  if (a.draft !== null && a.draft !== undefined)
    where.push(`draft IS ${truthy(a.draft) ? 'TRUE' : 'NOT TRUE'}`)
  const fields = { id: 'build.id', name: 'package.name', version: 'build.version', release: 'build.release' }
  return run(hub, { fields, from: 'build, package', where, binds, opts: a.queryOpts })
}

/** listBTypes. */
export function listBTypes(hub: HubSession, a: Struct): Promise<Value> {
  const binds = new Binds()
  const query = isStruct(a.query) ? a.query : {}
  const where = ['name', 'id']
    .filter((key) => key in query)
    .map((key) => `btype.${key} = ${binds.add(query[key])}`)
  return run(hub, { fields: { id: 'id', name: 'name' }, from: 'btype', where, binds, opts: a.queryOpts })
}

/** Rows of a whole table of names, in the order that the table has them. */
export function listNames(hub: HubSession, table: string): Promise<Value> {
  return select(hub, { fields: { id: 'id', name: 'name' }, from: table })
}
