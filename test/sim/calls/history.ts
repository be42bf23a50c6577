import type { HubSession } from '../hub-session.ts'
import { Binds, run } from '../query.ts'
import { generic, type Struct, truthy, type Value } from '../wire-value.ts'
import { getBuild, moment } from './builds.ts'
import { getId } from './names.ts'
import { getUser } from './users.ts'

/** Own columns of each versioned table (query_history). */
function tableColumns(hub: HubSession): Record<string, string[]> {
  return {
    user_perms: ['user_id', 'perm_id'],
    user_groups: ['user_id', 'group_id'],
    cg_users: ['user_id', 'cg_id'],
    tag_inheritance: [
      'tag_id',
      'parent_id',
      'priority',
      'maxdepth',
      'intransitive',
      'noconfig',
      'pkg_filter',
    ],
    tag_config: ['tag_id', 'arches', 'perm_id', 'locked', 'maven_support', 'maven_include_all'],
    tag_extra: ['tag_id', 'key', 'value'],
    build_target_config: ['build_target_id', 'build_tag', 'dest_tag'],
    external_repo_config: ['external_repo_id', 'url'],
    ...(hub.since(1.35) ? { external_repo_data: ['external_repo_id', 'data'] } : {}),
    host_config: ['host_id', 'arches', 'capacity', 'description', 'comment', 'enabled'],
    host_channels: ['host_id', 'channel_id'],
    tag_external_repos: [
      'tag_id',
      'external_repo_id',
      'priority',
      'merge_mode',
      ...(hub.since(1.36) ? ['arches'] : []),
    ],
    tag_listing: ['build_id', 'tag_id'],
    tag_packages: ['package_id', 'tag_id', 'blocked', 'extra_arches'],
    tag_package_owners: ['package_id', 'tag_id', 'owner'],
    group_config: [
      ...['group_id', 'tag_id', 'blocked', 'exported', 'display_name', 'is_default', 'uservisible'],
      ...['description', 'langonly', 'biarchonly'],
    ],
    group_req_listing: ['group_id', 'tag_id', 'req_id', 'blocked', 'type', 'is_metapkg'],
    group_package_listing: ['group_id', 'tag_id', 'package', 'blocked', 'type', 'basearchonly', 'requires'],
  }
}

/** Where the name for an id column stands: table, its alias, and the answer's prefix. */
const nameOf: Record<string, [table: string, alias: string, label?: string]> = {
  user_id: ['users', 'users', 'user'],
  perm_id: ['permissions', 'permission'],
  cg_id: ['content_generator', 'content_generator'],
  tag_id: ['tag', 'tag'],
  host_id: ['host', 'host'],
  channel_id: ['channels', 'channels'],
  parent_id: ['tag', 'parent'],
  build_target_id: ['build_target', 'build_target'],
  build_tag: ['tag', 'build_tag'],
  dest_tag: ['tag', 'dest_tag'],
  external_repo_id: ['external_repo', 'external_repo'],
  package_id: ['package', 'package'],
  owner: ['users', 'owner'],
  req_id: ['groups', 'req'],
}

/** A query over one table's history while it is put together. */
interface HistoryQuery {
  table: string
  columns: string[]
  fields: Record<string, string>
  from: string
  /** Joined table to the alias that a filter speaks about. */
  joined: Map<string, string>
  where: string[]
  binds: Binds
}

/** queryHistory: rows of each versioned table that pass the filters; a filter that a table cannot have drops the table. */
export async function queryHistory(hub: HubSession, tables: Value, filters: Struct): Promise<Value> {
  const known = tableColumns(hub)
  const wanted = tables === null ? Object.keys(known).sort() : (tables as string[])
  for (const table of wanted) {
    if (!Object.hasOwn(known, table)) {
      throw generic(`${hub.since(1.25) ? 'No such history table' : 'Unknown history table'}: ${table}`)
    }
  }
  // Older hubs ignore queryOpts here, as they ignore any unknown argument.
  const { queryOpts, ...rest } = filters
  const answer: Struct = {}
  for (const table of wanted) {
    const query = open(table, known[table] as string[])
    if (!(await filter(hub, query, rest))) continue
    answer[table] = await run(hub, { ...query, opts: hub.since(1.34) ? queryOpts : null })
  }
  return answer
}

function open(table: string, columns: string[]): HistoryQuery {
  const fields: Record<string, string> = {
    creator_name: 'creator.name',
    revoker_name: 'revoker.name',
    create_ts: "date_part('epoch', ev1.time)",
    revoke_ts: "date_part('epoch', ev2.time)",
  }
  for (const column of ['active', 'create_event', 'revoke_event', 'creator_id', 'revoker_id', ...columns]) {
    fields[column] = `${table}.${column}`
  }
  const joined = new Map<string, string>()
  let from = `${table} JOIN events AS ev1 ON ev1.id = ${table}.create_event
    LEFT JOIN events AS ev2 ON ev2.id = ${table}.revoke_event
    JOIN users AS creator ON creator.id = ${table}.creator_id
    LEFT JOIN users AS revoker ON revoker.id = ${table}.revoker_id`
  for (const column of columns) {
    const name = nameOf[column]
    if (name) {
      const [source, alias, label = alias] = name
      joined.set(source, alias)
      fields[`${label}.name`] = `${alias}.name`
      from += ` LEFT JOIN ${source} AS ${alias} ON ${table}.${column} = ${alias}.id`
    } else if (column === 'build_id') {
      Object.assign(fields, {
        name: 'package.name',
        version: 'build.version',
        release: 'build.release',
        epoch: 'build.epoch',
        'build.state': 'build.state',
      })
      from += ` JOIN build ON ${table}.build_id = build.id JOIN package ON build.pkg_id = package.id`
      joined.set('build', 'build').set('package', 'package')
    } else if (column === 'group_id') {
      const [source, alias] = table === 'user_groups' ? ['users', 'usergroup'] : ['groups', 'groups']
      fields['group.name'] = `${alias}.name`
      from += ` JOIN ${source} AS ${alias} ON ${table}.group_id = ${alias}.id`
      joined.set(source as string, alias as string)
    }
  }
  return { table, columns, fields, from, joined, where: [], binds: new Binds() }
}

/** Filters by the id of a thing: the joined table that must be there, and where its id is looked up. */
const idFilters: Record<string, [joined: string, lookup: string, strict: boolean]> = {
  tag: ['tag', 'tag', true],
  host: ['host', 'host', false],
  channel: ['channels', 'channels', false],
  permission: ['permissions', 'permissions', true],
  cg: ['content_generator', 'content_generator', true],
  external_repo: ['external_repo', 'external_repo', true],
  build_target: ['build_target', 'build_target', true],
  group: ['groups', 'groups', true],
}

/** Adds the clauses; false when the table has nothing that a filter asks for. */
async function filter(hub: HubSession, q: HistoryQuery, filters: Struct): Promise<boolean> {
  const { table, joined, where, binds, fields } = q
  const either = (name: string, sides: [string, string], test: (side: string) => string) => {
    const [created, revoked] = sides.map(test) as [string, string]
    where.push(`${created} OR ${revoked}`)
    fields[`_created_${name}`] = created
    fields[`_revoked_${name}`] = revoked
  }
  for (const [name, value] of Object.entries(filters) as [string, Value][]) {
    const byId = idFilters[name]
    if (byId) {
      const alias = joined.get(byId[0])
      if (!alias) return false
      const id = binds.add(await getId(hub, byId[1], value, byId[2]))
      if (name === 'tag' && table === 'tag_inheritance') where.push(`tag_id = ${id} OR parent_id = ${id}`)
      else where.push(`${alias}.id = ${id}`)
    } else if (name === 'build') {
      if (!joined.has('build')) return false
      where.push(`build.id = ${binds.add((await getBuild(hub, value, true))?.id)}`)
    } else if (name === 'package') {
      if (joined.has('package'))
        where.push(`package.id = ${binds.add(await getId(hub, 'package', value, true))}`)
      else if (q.columns.includes('package')) where.push(`${table}.package = ${binds.add(String(value))}`)
      else return false
    } else if (name === 'user') {
      if (!joined.has('users')) return false
      where.push(
        `${joined.get('users')}.id = ${binds.add((await getUser(hub, value, { strict: true }))?.id)}`,
      )
    } else if (name === 'active') {
      if (truthy(value)) where.push(`${table}.active = TRUE`)
      else if (value !== null) where.push(`${table}.active IS NULL`)
    } else if (name === 'editor') {
      const id = binds.add((await getUser(hub, value, { strict: true }))?.id)
      either('by', ['creator', 'revoker'], (side) => `${side}.id = ${id}`)
    } else if (name === 'after' || name === 'before') {
      const time = moment(binds, value)
      either(name, ['ev1', 'ev2'], (side) => `${side}.time ${name === 'after' ? '>' : '<'} ${time}`)
    } else if (name === 'afterEvent' || name === 'beforeEvent') {
      const event = binds.add(value)
      const operator = name === 'afterEvent' ? '>' : '<'
      const label = name === 'afterEvent' ? 'after_event' : 'before_event'
      either(
        label,
        ['create_event', 'revoke_event'],
        (side) => `${table}.${side} ${operator} ${event}::bigint`,
      )
    } else if (name === 'xkey' && hub.since(1.25)) {
      if (!q.columns.includes('key')) return false
      where.push(`${table}.key = ${binds.add(String(value))}`)
    }
  }
  return true
}
