import type { Deps } from '../converge/deps.ts'
import { findGroups } from '../converge/groups.ts'
import { findBuildRows } from '../converge/identify.ts'
import { findNamedRow, findNamedRows } from '../converge/named-row.ts'
import { rewriteUrl, TagRewrite } from '../converge/rewrite.ts'
import { type TagIds, tagRows } from '../converge/tag-rows.ts'
import { queryHistory } from '../hub/calls-history.ts'
import type { ReadOptions } from '../hub/hub.ts'
import type { HistoryRows, HistoryTable } from '../model/history-rows.ts'
import { BUILD_STATE } from '../model/records.ts'
import { TAG_SETTINGS } from '../staging/versioned-tables.ts'
import { findByName } from './ids-by-name.ts'
import type { ShownRow } from './shown-at.ts'

const TABLES = [...TAG_SETTINGS, 'tag_packages', 'tag_package_owners', 'tag_listing'] as const

type Table = (typeof TABLES)[number]
type Rows = { readonly [T in Table]: readonly HistoryRows[T][] }

/** Whose the tag is in staging differs by design: an id of a user. */
export const SIDETAG_USER = 'sidetag_user_id'

/** Of what staging does not have: no row of it is found. */
const NO_ID = -1

/** A tag of prod through some time, with staging's ids of all that it refers to; those that staging lacks are absent. */
export interface TagThen {
  readonly tagId: number
  /** its name now */
  readonly name: string
  readonly stagingId: number
  readonly rows: Rows
  readonly ids: TagIds
  readonly packages: ReadonlyMap<string, number>
  readonly users: ReadonlyMap<string, number>
  readonly builds: ReadonlyMap<number, number>
}

/** Those of rows that were active at an event. */
export function activeAt<R extends { readonly createEvent: number; readonly revokeEvent: number | null }>(
  rows: readonly R[],
  event: number,
): R[] {
  return rows.filter(
    (row) => row.createEvent <= event && (row.revokeEvent === null || row.revokeEvent > event),
  )
}

/** Rows of prod's history that were active at `since` or later. */
export async function readSince<const T extends HistoryTable>(
  deps: Pick<Deps, 'hub'>,
  tables: readonly T[],
  filter: { readonly tag?: number; readonly externalRepo?: number },
  since: number,
  options: ReadOptions,
): Promise<{ readonly [K in T]: readonly HistoryRows[K][] }> {
  // Asked for first, active rows that are revoked meanwhile are in the second answer as well; by their create event they are one.
  const [active, revoked] = await deps.hub.read(
    [
      queryHistory(tables, { ...filter, active: true }),
      queryHistory(tables, { ...filter, active: false, afterEvent: since }),
    ],
    options,
  )
  const both = tables.map((table) => {
    const gone = revoked[table] as readonly HistoryRows[T][]
    const known = new Set(gone.map(identityOf))
    const there = (active[table] as readonly HistoryRows[T][]).filter((row) => !known.has(identityOf(row)))
    return [table, [...there, ...gone]]
  })
  return Object.fromEntries(both)
}

/** Of one version: all but how it ended. */
function identityOf(row: HistoryRows[HistoryTable]): string {
  const { active: _a, revokeEvent: _e, revokeTime: _t, revokerId: _i, revokerName: _n, ...rest } = row
  return JSON.stringify(rest)
}

/** null: prod had no such tag at or after `since`. */
export async function readTagThen(
  deps: Deps,
  tagId: number,
  since: number,
  options: ReadOptions,
): Promise<TagThen | null> {
  const { database, owner } = deps
  const named = await findNamedRow(database, owner, 'tag', tagId)
  const all = await readSince(deps, TABLES, { tag: tagId }, since, options)
  const rows: Rows = { ...all, tag_inheritance: all.tag_inheritance.filter((row) => row.tagId === tagId) }
  const name = rows.tag_config[0]?.tagName
  if (name === undefined) return null
  const stagingId = named?.stagingId ?? NO_ID
  const stagingIds = async (kind: 'tag' | 'external_repo', ids: readonly number[]) =>
    new Map(
      [...(await findNamedRows(database, owner, kind, [...new Set(ids)]))].map(([id, row]) => [
        id,
        row.stagingId,
      ]),
    )
  const perms = await findByName(
    database,
    'permission',
    rows.tag_config.flatMap(({ permName }) => (permName === null ? [] : [permName])),
  )
  const builds = await findBuildRows(
    database,
    owner,
    rows.tag_listing.map((row) => ({ ...row, id: row.buildId, name: row.packageName })),
  )
  return {
    tagId,
    name,
    stagingId,
    rows,
    ids: {
      tagId: stagingId,
      permissions: new Map(
        rows.tag_config.flatMap(({ permId, permName }): [number, number][] => {
          const id = perms.get(permName ?? '')
          return permId === null || id === undefined ? [] : [[permId, id]]
        }),
      ),
      parents: await stagingIds(
        'tag',
        rows.tag_inheritance.map(({ parentId }) => parentId),
      ),
      externalRepos: await stagingIds(
        'external_repo',
        rows.tag_external_repos.map(({ externalRepoId }) => externalRepoId),
      ),
      groups: await findGroups(database, rows),
      repoArches: new Map(),
    },
    packages: await findByName(
      database,
      'package',
      [...rows.tag_packages, ...rows.tag_package_owners].map(({ packageName }) => packageName),
    ),
    users: await findByName(
      database,
      'users',
      rows.tag_package_owners.map(({ ownerName }) => ownerName),
    ),
    builds,
  }
}

/** What prod showed of a tag at an event, as the rules of the configuration want it now; null: there was no such tag then. */
export function shownOf(deps: Pick<Deps, 'tagRewrite'>, then: TagThen, event: number): ShownRow[] | null {
  const { rows, ids, name, stagingId } = then
  const at = Object.fromEntries(
    TABLES.map((table) => [table, activeAt(rows[table] as never[], event)]),
  ) as unknown as Rows
  const [config] = at.tag_config
  if (config === undefined) return null
  const rewritten = new TagRewrite(deps.tagRewrite).apply({
    name,
    arches: config.arches,
    extra: at.tag_extra
      .filter(({ key }) => key !== SIDETAG_USER)
      .map(({ key, value, createEvent }) => ({ key, value, prodEvent: createEvent })),
    configEvent: config.createEvent,
  })
  const settings = TAG_SETTINGS.filter((table) => table !== 'tag_extra').flatMap((table) =>
    at[table].map((row): ShownRow => {
      const [one] = tagRows({ [table]: [row] }, ids)
      const cells =
        one === undefined
          ? null
          : table === 'tag_config'
            ? { ...one.cells, arches: rewritten.arches }
            : one.cells
      return { table, cells, subject: name }
    }),
  )
  const extra = rewritten.extra.map(
    ({ key, value }): ShownRow => ({
      table: 'tag_extra',
      cells: { tag_id: stagingId, key, value },
      subject: `${name}: ${key}`,
    }),
  )
  return [...settings, ...extra, ...packageRows(then, at), ...listingRows(then, at)]
}

/** As the sidetag hub plugin marks its tags (plugins/hub/sidetag_hub.py createSideTag). */
export function isSideTagAt({ rows }: TagThen, event: number): boolean {
  return activeAt(rows.tag_extra, event).some(({ key, value }) => key === 'sidetag' && value === 'true')
}

function packageRows({ name, stagingId, packages, users }: TagThen, at: Rows): ShownRow[] {
  const entry = (packageName: string): Record<string, number> | null => {
    const id = packages.get(packageName)
    return id === undefined ? null : { tag_id: stagingId, package_id: id }
  }
  const entries = at.tag_packages.map((row): ShownRow => {
    const ids = entry(row.packageName)
    const cells = ids === null ? null : { ...ids, blocked: row.blocked, extra_arches: row.extraArches }
    return { table: 'tag_packages', cells, subject: `${name}: ${row.packageName}` }
  })
  const owners = at.tag_package_owners.map((row): ShownRow => {
    const [ids, owner] = [entry(row.packageName), users.get(row.ownerName)]
    const cells = ids === null || owner === undefined ? null : { ...ids, owner }
    return { table: 'tag_package_owners', cells, subject: `${name}: ${row.packageName}` }
  })
  return [...entries, ...owners]
}

/** Builds that prod has deleted since were COMPLETE then; others that are not are never in staging. */
function listingRows({ name, stagingId, builds }: TagThen, at: Rows): ShownRow[] {
  return at.tag_listing
    .filter(({ buildState }) => buildState === BUILD_STATE.complete || buildState === BUILD_STATE.deleted)
    .map((row): ShownRow => {
      const id = builds.get(row.buildId)
      return {
        table: 'tag_listing',
        cells: id === undefined ? null : { tag_id: stagingId, build_id: id },
        subject: `${name}: ${row.packageName}-${row.version}-${row.release}`,
        place: { list: row.packageName, order: [row.createEvent, row.buildId] },
      }
    })
}

/** What prod showed of an external repo at an event; null: there was none then. */
export async function repoShownAt(
  deps: Deps,
  repoId: number,
  since: number,
  options: ReadOptions,
): Promise<(event: number) => ShownRow | null> {
  const tables = ['external_repo_config'] as const
  const { external_repo_config: rows } = await readSince(
    deps,
    tables,
    { externalRepo: repoId },
    since,
    options,
  )
  const named = await findNamedRow(deps.database, deps.owner, 'external_repo', repoId)
  return (event) => {
    const [row] = activeAt(rows, event)
    if (row === undefined) return null
    const url = rewriteUrl(row.url, deps.externalRepoRewrite)
    const cells = named === null ? null : { external_repo_id: named.stagingId, url }
    return { table: 'external_repo_config', cells, subject: `external repo ${row.externalRepoName}` }
  }
}
