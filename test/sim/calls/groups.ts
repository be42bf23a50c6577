import type { HubSession } from '../hub-session.ts'
import { inForce } from '../query.ts'
import type { Struct, Value } from '../wire-value.ts'
import { getId } from './names.ts'
import { fullInheritance } from './tags.ts'

/** Arguments of getTagGroups. */
export interface GroupOptions {
  event: Value
  inherit: boolean
  packages: boolean
  requirements: boolean
  blocked: boolean
}

/** getTagGroups: groups with their packages and required groups, nearest tag first (readTagGroups, get_tag_groups). */
export async function getTagGroups(hub: HubSession, info: Value, options: GroupOptions): Promise<Value> {
  const { event } = options
  const tag = await getId(hub, 'tag', info, true)
  const links = options.inherit ? await fullInheritance(hub, tag, event) : []
  const tags = [tag, ...links.map((link) => link.parent_id as Value)]
  const groups = new Map<Value, Struct>()
  for (const tagId of tags) {
    const rows = await hub.rows(
      `SELECT name, group_id, tag_id, blocked, exported, display_name, is_default, uservisible, description,
         langonly, biarchonly
       FROM group_config JOIN groups ON group_id = id WHERE ${inForce(event)} AND tag_id = $1`,
      [tagId],
    )
    for (const row of rows) if (!groups.has(row.group_id as Value)) groups.set(row.group_id as Value, row)
  }
  if (options.packages) {
    await fill(hub, tags, groups, 'packagelist', 'package', (tagId) => [
      `SELECT group_id, tag_id, package, blocked, type, basearchonly, requires FROM group_package_listing
       WHERE ${inForce(event)} AND tag_id = $1`,
      tagId,
    ])
  }
  if (options.requirements) {
    const usable = (row: Struct) => groups.get(row.req_id as Value)?.blocked === false
    await fill(
      hub,
      tags,
      groups,
      'grouplist',
      'req_id',
      (tagId) => [
        `SELECT group_id, tag_id, req_id, blocked, type, is_metapkg, name
         FROM group_req_listing JOIN groups ON req_id = id WHERE ${inForce(event)} AND tag_id = $1`,
        tagId,
      ],
      usable,
    )
  }
  const shown = [...groups.values()].filter((group) => options.blocked || !group.blocked)
  for (const group of shown) {
    for (const key of ['packagelist', 'grouplist']) {
      const entries = group[key] as Struct[] | undefined
      if (entries && !options.blocked) group[key] = entries.filter((entry) => !entry.blocked)
    }
  }
  return shown
}

/** Adds the entries of each group, the nearest tag's entry of a name only. */
async function fill(
  hub: HubSession,
  tags: Value[],
  groups: Map<Value, Struct>,
  list: string,
  key: string,
  query: (tagId: Value) => [string, Value],
  usable: (row: Struct) => boolean = () => true,
): Promise<void> {
  for (const group of groups.values()) group[list] = []
  for (const tagId of tags) {
    const [sql, value] = query(tagId)
    for (const row of await hub.rows(sql, [value])) {
      const group = groups.get(row.group_id as Value)
      if (!group || group.blocked || !usable(row)) continue
      const entries = group[list] as Struct[]
      if (!entries.some((entry) => entry[key] === row[key])) entries.push(row)
    }
  }
}
