import type { HistoryTable } from '../model/history-rows.ts'
import type { ListedBuild } from '../model/records.ts'
import type { Sql } from '../staging/database.ts'
import type { HistoryRow } from '../staging/handled.ts'

/*
 * A staging that was copied from prod has the rows of that time as prod has them, with their events and ids: whoever reads prod's
 * history of before the copy (the overlap) need not mark what stands in both. It is looked up and not written down, so that it holds
 * for any overlap, and for a copy of any age. What was committed in prod after the copy, however low its event, is not there; what was
 * revoked since is there without prod's revoke event.
 */

/** Columns of what `subjectOf` (history-keys.ts) calls natural, in its order. */
const COLUMNS: { readonly [T in HistoryTable]: readonly string[] } = {
  tag_config: ['tag_id'],
  tag_extra: ['tag_id', 'key'],
  tag_inheritance: ['tag_id', 'parent_id'],
  tag_external_repos: ['tag_id', 'external_repo_id'],
  group_config: ['tag_id', 'group_id'],
  group_package_listing: ['tag_id', 'group_id', 'package'],
  group_req_listing: ['tag_id', 'group_id', 'req_id'],
  tag_packages: ['tag_id', 'package_id'],
  tag_package_owners: ['tag_id', 'package_id'],
  tag_listing: ['tag_id', 'build_id'],
  build_target_config: ['build_target_id'],
  external_repo_config: ['external_repo_id'],
}

/** A row of history with the values of its natural key. */
export interface NaturalRow extends HistoryRow {
  readonly table: HistoryTable
  readonly natural: readonly (number | string)[]
}

/**
 * Those that staging does not have just so. `copiedEvent`: the last event that staging shares with prod; null: nothing was copied.
 */
export async function withoutCopied<R extends NaturalRow>(
  sql: Sql,
  rows: readonly R[],
  copiedEvent: number | null,
): Promise<R[]> {
  if (copiedEvent === null) return [...rows]
  const copied = new Set<R>()
  for (const table of new Set(rows.map((row) => row.table))) {
    const old = rows.filter(
      (row) => row.table === table && Math.max(row.createEvent, row.revokeEvent ?? 0) <= copiedEvent,
    )
    if (old.length === 0) continue
    for (const index of await findCopied(sql, table, old)) copied.add(old[index] as R)
  }
  return rows.filter((row) => !copied.has(row))
}

async function findCopied(sql: Sql, table: HistoryTable, rows: readonly NaturalRow[]): Promise<number[]> {
  const columns = COLUMNS[table]
  const names = columns.map((_, i) => `v${i}`)
  const types = columns.map((column) => (isText(column) ? 'text' : 'bigint'))
  // By the primary key, which begins with create_event in all of these tables.
  const found = await sql.query<{ index: number }>(
    `catchup.copied.${table}`,
    `select (r.n - 1)::int as index
       from unnest($1::bigint[], $2::bigint[], ${types.map((type, i) => `$${i + 3}::${type}[]`).join(', ')})
            with ordinality as r(created, revoked, ${names.join(', ')}, n)
      where exists (select 1 from ${table} t where t.create_event = r.created
                       and coalesce(t.revoke_event, 0) = r.revoked
                       and ${columns.map((column, i) => `t."${column}" = r.v${i}`).join(' and ')})`,
    [
      rows.map((row) => row.createEvent),
      rows.map((row) => row.revokeEvent ?? 0),
      ...columns.map((_, i) => rows.map((row) => row.natural[i])),
    ],
  )
  return found.map(({ index }) => index)
}

function isText(column: string): boolean {
  return column === 'key' || column === 'package'
}

/** Builds that staging does not have in prod's state and with its completion time. */
export async function withoutCopiedBuilds(
  sql: Sql,
  builds: readonly ListedBuild[],
  copiedEvent: number | null,
): Promise<ListedBuild[]> {
  const old = builds.filter((build) => copiedEvent !== null && build.creationEvent <= copiedEvent)
  if (old.length === 0) return [...builds]
  const rows = await sql.query<{ id: number }>(
    'catchup.copied-builds',
    `select b.id from unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[]) as r(id, created, state, completed)
       join build b on b.id = r.id and b.create_event = r.created and b.state = r.state
        and b.completion_time is not distinct from r.completed::timestamp`,
    [
      old.map(({ id }) => id),
      old.map(({ creationEvent }) => creationEvent),
      old.map(({ state }) => state),
      old.map(({ completionTime }) => completionTime),
    ],
  )
  const copied = new Set(rows.map(({ id }) => id))
  return builds.filter(({ id }) => !copied.has(id))
}

/** Rpms or archives that staging does not have, in that build, from the copy. */
export async function withoutCopiedContent<
  R extends { readonly id: number; readonly buildId: number | null },
>(sql: Sql, table: 'rpminfo' | 'archiveinfo', rows: readonly R[], copiedEvent: number | null): Promise<R[]> {
  if (copiedEvent === null || rows.length === 0) return [...rows]
  const found = await sql.query<{ id: number }>(
    `catchup.copied-${table}`,
    `select t.id from unnest($1::bigint[], $2::bigint[]) as r(id, build_id)
       join ${table} t on t.id = r.id and t.build_id = r.build_id
       join build b on b.id = t.build_id and b.create_event <= $3::bigint`,
    [rows.map(({ id }) => id), rows.map(({ buildId }) => buildId), copiedEvent],
  )
  const copied = new Set(found.map(({ id }) => id))
  return rows.filter(({ id }) => !copied.has(id))
}
