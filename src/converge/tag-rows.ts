import type { HistoryRows } from '../model/history-rows.ts'
import type { Cell } from '../staging/cell.ts'
import { TAG_SETTINGS } from '../staging/versioned-tables.ts'
import type { GroupIds } from './groups.ts'
import type { TagHistory, TagTable } from './tag-observe.ts'

/** Staging's ids of what a tag's rows refer to, by prod's. */
export interface TagIds {
  readonly tagId: number
  readonly permissions: ReadonlyMap<number, number>
  readonly parents: ReadonlyMap<number, number>
  readonly externalRepos: ReadonlyMap<number, number>
  readonly groups: GroupIds
  /** external repo of prod to arches */
  readonly repoArches: ReadonlyMap<number, string | null>
}

type Cells = Readonly<Record<string, Cell>>

/**
 * Each table's row of prod as staging's cells, without create and revoke columns; null when it refers to something that
 * staging lacks.
 */
const CELLS: { readonly [T in TagTable]: (row: HistoryRows[T], ids: TagIds) => Cells | null } = {
  tag_config: (row, { tagId, permissions }) => {
    const permId = row.permId === null ? null : permissions.get(row.permId)
    if (permId === undefined) return null
    return {
      tag_id: tagId,
      arches: row.arches,
      perm_id: permId,
      locked: row.locked,
      maven_support: row.mavenSupport,
      maven_include_all: row.mavenIncludeAll,
    }
  },
  tag_extra: (row, { tagId }) => ({ tag_id: tagId, key: row.key, value: row.value }),
  tag_inheritance: (row, { tagId, parents }) => {
    const parentId = parents.get(row.parentId)
    if (parentId === undefined) return null
    return {
      tag_id: tagId,
      parent_id: parentId,
      priority: row.priority,
      maxdepth: row.maxdepth,
      intransitive: row.intransitive,
      noconfig: row.noconfig,
      pkg_filter: row.pkgFilter,
    }
  },
  tag_external_repos: (row, { tagId, externalRepos, repoArches }) => {
    const repoId = externalRepos.get(row.externalRepoId)
    if (repoId === undefined) return null
    return {
      tag_id: tagId,
      external_repo_id: repoId,
      priority: row.priority,
      merge_mode: row.mergeMode,
      arches: repoArches.get(row.externalRepoId) ?? null,
    }
  },
  group_config: (row, { tagId, groups }) => {
    const groupId = groups.get(row.groupId)
    if (groupId === undefined) return null
    return {
      tag_id: tagId,
      group_id: groupId,
      blocked: row.blocked,
      exported: row.exported,
      display_name: row.displayName,
      is_default: row.isDefault,
      uservisible: row.uservisible,
      description: row.description,
      langonly: row.langonly,
      biarchonly: row.biarchonly,
    }
  },
  group_req_listing: (row, { tagId, groups }) => {
    const groupId = groups.get(row.groupId)
    const reqId = groups.get(row.requiredId)
    if (groupId === undefined || reqId === undefined) return null
    return {
      tag_id: tagId,
      group_id: groupId,
      req_id: reqId,
      blocked: row.blocked,
      type: row.type,
      is_metapkg: row.isMetapkg,
    }
  },
  group_package_listing: (row, { tagId, groups }) => {
    const groupId = groups.get(row.groupId)
    if (groupId === undefined) return null
    return {
      tag_id: tagId,
      group_id: groupId,
      package: row.package,
      blocked: row.blocked,
      type: row.type,
      basearchonly: row.basearchonly,
      requires: row.requires,
    }
  },
}

/** A row of prod by staging's ids. */
export interface TagRow {
  readonly table: TagTable
  readonly cells: Cells
  readonly createEvent: number
  readonly revokeEvent: number | null
}

/** Rows of prod by staging's ids, in the order of `TAG_SETTINGS`; those that refer to what staging lacks are left out. */
export function tagRows(history: Partial<TagHistory>, ids: TagIds): TagRow[] {
  return TAG_SETTINGS.flatMap((table) => rowsOf(table, history[table] ?? [], ids))
}

function rowsOf<T extends TagTable>(table: T, rows: readonly HistoryRows[T][], ids: TagIds): TagRow[] {
  const toCells = CELLS[table]
  return rows.flatMap((row) => {
    const cells = toCells(row, ids)
    return cells === null
      ? []
      : [{ table, cells, createEvent: row.createEvent, revokeEvent: row.revokeEvent }]
  })
}
