import type { HubSession } from '../hub-session.ts'
import {
  Double,
  Fault,
  faultCode,
  generic,
  isInt,
  type Struct,
  truthy,
  typeName,
  type Value,
} from '../wire-value.ts'
import { getId } from './names.ts'
import { tagExternalRepos } from './repos-targets.ts'
import { fullInheritance, getTag } from './tags.ts'

/** getEvent. */
export async function getEvent(hub: HubSession, id: Value, strict: boolean): Promise<Value> {
  const number = hub.since(1.35) ? toInt(id) : id
  return strictRow(
    await hub.row("SELECT id, date_part('epoch', time) AS ts FROM events WHERE id = $1", [number]),
    strict,
  )
}

/** getLastEvent; `before` is a time in seconds. */
export async function getLastEvent(hub: HubSession, before: Value, strict: boolean): Promise<Value> {
  if (before !== null && !isInt(before) && !(before instanceof Double)) {
    throw generic(`${hub.since(1.25) ? 'Invalid' : 'invalid'} type for before: ${typeName(before)}`)
  }
  const clause = before === null ? '' : "WHERE date_part('epoch', time) < $1"
  const sql = `SELECT id, date_part('epoch', time) AS ts FROM events ${clause} ORDER BY id DESC LIMIT 1`
  return strictRow(await hub.row(sql, before === null ? [] : [before]), strict)
}

function strictRow(row: Struct | null, strict: boolean): Value {
  if (!row && strict) throw generic('query returned no rows')
  return row
}

function toInt(value: Value): number {
  const number = value instanceof Double ? Math.trunc(value.value) : Number(value)
  if (value === null || value === '' || !Number.isInteger(number)) {
    const text =
      value === null ? "Invalid type, expected type <class 'int'>" : `Invalid type for value '${value}'`
    throw new Fault(faultCode.parameter, text)
  }
  return number
}

const tagTables = [
  'tag_listing',
  'tag_inheritance',
  'tag_config',
  'tag_packages',
  'tag_external_repos',
  'tag_extra',
  'group_package_listing',
  'group_req_listing',
  'group_config',
]

/** tagChangedSinceEvent (tag_changed_since_event); tag_extra counts since 1.25 at the latest. */
export async function tagChangedSinceEvent(hub: HubSession, event: Value, tags: Value): Promise<Value> {
  const tables = tagTables.filter((table) => table !== 'tag_extra' || hub.since(1.25))
  const found = await hub.row(
    `SELECT EXISTS (SELECT 1 FROM tag_updates WHERE update_event > $1 AND tag_id = ANY($2)) OR ${tables
      .map(
        (table) =>
          `EXISTS (SELECT 1 FROM ${table} WHERE (create_event > $1 OR revoke_event > $1) AND tag_id = ANY($2))`,
      )
      .join(' OR ')} AS changed`,
    [event, tags],
  )
  return found?.changed ?? false
}

/** tagLastChangeEvent: the newest event that touched the tag, its parents or their external repos. */
export async function tagLastChangeEvent(
  hub: HubSession,
  info: Value,
  before: Value,
  inherit: boolean,
): Promise<Value> {
  const tag = (await getTag(hub, info, { strict: true, event: 'auto' })) as Struct
  const deleted = (tag.revoke_event ?? null) as number | null
  if (before === null && deleted) return deleted
  const events = await changeEvents(
    hub,
    tag.id as Value,
    before === null ? null : toInt(before),
    inherit,
    'max',
    '<',
  )
  if (events.length === 0) return null
  const last = Math.max(...events)
  return deleted ? Math.min(deleted, last) : last
}

/** tagFirstChangeEvent: the first one after an event, or the tag's creation. */
export async function tagFirstChangeEvent(
  hub: HubSession,
  info: Value,
  after: Value,
  inherit: boolean,
): Promise<Value> {
  const tag = await getId(hub, 'tag', info, true)
  const row = await hub.row('SELECT min(create_event) AS id FROM tag_config WHERE tag_id = $1', [tag])
  const created = (row?.id ?? null) as number | null
  if (after === null) return created
  const events = await changeEvents(hub, tag, toInt(after), inherit, 'min', '>')
  return events.length === 0 ? null : Math.max(Math.min(...events), created ?? 0)
}

async function changeEvents(
  hub: HubSession,
  tag: Value,
  bound: number | null,
  inherit: boolean,
  pick: 'min' | 'max',
  operator: '<' | '>',
): Promise<number[]> {
  const links = truthy(inherit) ? await fullInheritance(hub, tag, bound) : []
  const tags = [tag, ...links.map((link) => link.parent_id as Value)]
  const repos = new Set<Value>()
  for (const tagId of tags) {
    for (const repo of await tagExternalRepos(hub, tagId, null, bound))
      repos.add(repo.external_repo_id as Value)
  }
  const part = (table: string, column: string, key: string, ids: string) =>
    `SELECT ${pick}(${column}) AS id FROM ${table} WHERE ${key} = ANY(${ids})
     ${bound === null ? '' : `AND ${column} ${operator} ${bound}`}`
  const both = (table: string, key: string, ids: string) =>
    ['create_event', 'revoke_event'].map((column) => part(table, column, key, ids))
  const parts = [
    part('tag_updates', 'update_event', 'tag_id', '$1::int[]'),
    ...tagTables.flatMap((table) => both(table, 'tag_id', '$1::int[]')),
    ...['external_repo_config', 'external_repo_data'].flatMap((table) =>
      both(table, 'external_repo_id', '$2::int[]'),
    ),
  ]
  const rows = await hub.rows(parts.join(' UNION ALL '), [tags, [...repos]])
  return rows.map((row) => row.id).filter((id) => id !== null) as number[]
}
