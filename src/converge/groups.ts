import type { GroupConfigRow, GroupPackageRow, GroupRequirementRow } from '../model/history-rows.ts'
import type { Sql } from '../staging/database.ts'
import type { Names } from '../staging/names.ts'
import { findOwned } from '../staging/owned.ts'
import type { TagHistory } from './tag-observe.ts'

/** prod's group id to staging's */
export type GroupIds = ReadonlyMap<number, number>

type GroupHistory = Partial<Pick<TagHistory, 'group_config' | 'group_req_listing' | 'group_package_listing'>>

/** Every group that the rows name, required ones too. Prod's group names are unique. */
function groupsOf(rows: GroupHistory): { prodId: number; name: string }[] {
  const named = new Map<number, string>()
  const note = (row: GroupConfigRow | GroupPackageRow | GroupRequirementRow): unknown =>
    named.set(row.groupId, row.groupName)
  rows.group_config?.forEach(note)
  rows.group_package_listing?.forEach(note)
  for (const row of rows.group_req_listing ?? []) {
    note(row)
    named.set(row.requiredId, row.requiredName)
  }
  return [...named].map(([prodId, name]) => ({ prodId, name }))
}

/** Staging's ids of the groups that active rows name; what staging lacks is made (`groups` is a table of names only). */
export async function ensureGroups(names: Names, rows: GroupHistory): Promise<GroupIds> {
  const groups = groupsOf(rows)
  if (groups.length === 0) return new Map()
  const ids = await names.ensure('group', groups)
  return new Map(
    groups.flatMap(({ prodId, name }): [number, number][] => {
      const id = ids.get(name)
      return id === undefined ? [] : [[prodId, id]]
    }),
  )
}

/** Staging's ids of the groups that revoked rows name; those that staging lacks are absent. */
export async function findGroups(sql: Sql, rows: GroupHistory): Promise<GroupIds> {
  const groups = groupsOf(rows)
  if (groups.length === 0) return new Map()
  const owned = await findOwned(
    sql,
    'group',
    groups.map(({ prodId }) => prodId),
  )
  const named = await sql.query<{ id: number; name: string }>(
    'groups.find',
    'select id, name from groups where name = any($1::text[])',
    [groups.map(({ name }) => name)],
  )
  const byName = new Map(named.map(({ id, name }) => [name, id]))
  return new Map(
    groups.flatMap(({ prodId, name }): [number, number][] => {
      const id = owned.get(prodId)?.stagingId ?? byName.get(name)
      return id === undefined ? [] : [[prodId, id]]
    }),
  )
}
