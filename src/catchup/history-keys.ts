import type { HistoryRows, HistoryTable } from '../model/history-rows.ts'
import type { Key } from '../model/key.ts'

/** What a row of history is about: its table's natural key, and the key that makes staging equal. */
export interface Subject {
  readonly natural: readonly (number | string)[]
  readonly key: Key
}

/** Prod's id of a package by name. tag_listing rows have nothing but the name. */
export type PackageId = (name: string) => number

type Subjects = { readonly [T in HistoryTable]: (row: HistoryRows[T], packageId: PackageId) => Subject }

/** Everything that hangs on a tag but for its packages is part of the tag's own key. */
function ofTag(row: { readonly tagId: number }, ...more: readonly (number | string)[]): Subject {
  return { natural: [row.tagId, ...more], key: { kind: 'tag', tagId: row.tagId } }
}

function ofEntry({ tagId, packageId }: { readonly tagId: number; readonly packageId: number }): Subject {
  return { natural: [tagId, packageId], key: { kind: 'package', tagId, packageId } }
}

const SUBJECTS: Subjects = {
  tag_config: (row) => ofTag(row),
  tag_extra: (row) => ofTag(row, row.key),
  // The link is the child's: nothing of the parent changes.
  tag_inheritance: (row) => ofTag(row, row.parentId),
  tag_external_repos: (row) => ofTag(row, row.externalRepoId),
  group_config: (row) => ofTag(row, row.groupId),
  group_package_listing: (row) => ofTag(row, row.groupId, row.package),
  group_req_listing: (row) => ofTag(row, row.groupId, row.requiredId),
  tag_packages: (row) => ofEntry(row),
  tag_package_owners: (row) => ofEntry(row),
  tag_listing: (row, packageId) => ({
    natural: [row.tagId, row.buildId],
    key: { kind: 'tagged', tagId: row.tagId, packageId: packageId(row.packageName) },
  }),
  build_target_config: (row) => ({
    natural: [row.targetId],
    key: { kind: 'target', targetId: row.targetId },
  }),
  external_repo_config: (row) => ({
    natural: [row.externalRepoId],
    key: { kind: 'external-repo', repoId: row.externalRepoId },
  }),
}

/** The versioned tables that catch-up reads: all that are replicated. */
export const HISTORY_TABLES = Object.keys(SUBJECTS) as readonly HistoryTable[]

/** What a row of `table` is about. */
export function subjectOf<T extends HistoryTable>(
  table: T,
  row: HistoryRows[T],
  packageId: PackageId,
): Subject {
  return SUBJECTS[table](row, packageId)
}
