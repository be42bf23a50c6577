import type {
  GroupConfigRow,
  GroupPackageRow,
  GroupRequirementRow,
  HistoryBase,
  HistoryRows,
  HistoryTable,
} from '../model/history-rows.ts'
import type { BuildState } from '../model/records.ts'
import { isStruct, type Value } from '../model/value.ts'
import { callOf, type QueryOpts, queryOptsOf } from './call.ts'
import type { Call } from './hub.ts'
import {
  active,
  bool,
  int,
  list,
  type Member,
  member,
  nullable,
  oneOf,
  optionalStamp,
  type Reader,
  record,
  stamp,
  text,
} from './shape.ts'

type Members<T> = { readonly [K in keyof T]: Member<T[K]> }

const BASE: Members<HistoryBase> = {
  active: member('active', active),
  createEvent: member('create_event', int),
  createTime: member('create_ts', stamp),
  creatorId: member('creator_id', int),
  creatorName: member('creator_name', text),
  revokeEvent: member('revoke_event', nullable(int)),
  revokeTime: member('revoke_ts', optionalStamp),
  revokerId: member('revoker_id', nullable(int)),
  revokerName: member('revoker_name', nullable(text)),
}

const TAG = { ...BASE, tagId: member('tag_id', int), tagName: member('tag.name', text) }
const GROUP = {
  ...TAG,
  groupId: member('group_id', int),
  groupName: member('group.name', text),
  blocked: member('blocked', bool),
}
const PACKAGE = {
  ...TAG,
  packageId: member('package_id', int),
  packageName: member('package.name', text),
}

const groupConfig = record<GroupConfigRow>({
  ...GROUP,
  exported: member('exported', nullable(bool)),
  displayName: member('display_name', text),
  isDefault: member('is_default', nullable(bool)),
  uservisible: member('uservisible', nullable(bool)),
  description: member('description', nullable(text)),
  langonly: member('langonly', nullable(text)),
  biarchonly: member('biarchonly', nullable(bool)),
})
const groupPackage = record<GroupPackageRow>({
  ...GROUP,
  package: member('package', text),
  type: member('type', text),
  basearchonly: member('basearchonly', nullable(bool)),
  requires: member('requires', nullable(text)),
})
const groupRequirement = record<GroupRequirementRow>({
  ...GROUP,
  requiredId: member('req_id', int),
  requiredName: member('req.name', text),
  type: member('type', nullable(text)),
  isMetapkg: member('is_metapkg', bool),
})

const ROWS: { readonly [T in HistoryTable]: Reader<HistoryRows[T]> } = {
  tag_config: record({
    ...TAG,
    arches: member('arches', nullable(text)),
    permId: member('perm_id', nullable(int)),
    permName: member('permission.name', nullable(text)),
    locked: member('locked', bool),
    mavenSupport: member('maven_support', bool),
    mavenIncludeAll: member('maven_include_all', bool),
  }),
  tag_extra: record({ ...TAG, key: member('key', text), value: member('value', nullable(text)) }),
  tag_inheritance: record({
    ...TAG,
    parentId: member('parent_id', int),
    parentName: member('parent.name', text),
    priority: member('priority', int),
    maxdepth: member('maxdepth', nullable(int)),
    intransitive: member('intransitive', bool),
    noconfig: member('noconfig', bool),
    pkgFilter: member('pkg_filter', nullable(text)),
  }),
  tag_packages: record({
    ...PACKAGE,
    blocked: member('blocked', bool),
    extraArches: member('extra_arches', nullable(text)),
  }),
  tag_package_owners: record({
    ...PACKAGE,
    ownerId: member('owner', int),
    ownerName: member('owner.name', text),
  }),
  tag_listing: record({
    ...TAG,
    buildId: member('build_id', int),
    packageName: member('name', text),
    version: member('version', text),
    release: member('release', text),
    epoch: member('epoch', nullable(int)),
    buildState: member<BuildState>('build.state', oneOf(0, 1, 2, 3, 4)),
  }),
  tag_external_repos: record({
    ...TAG,
    externalRepoId: member('external_repo_id', int),
    externalRepoName: member('external_repo.name', text),
    priority: member('priority', int),
    mergeMode: member('merge_mode', text, 'koji'),
  }),
  group_config: groupConfig,
  group_package_listing: groupPackage,
  group_req_listing: groupRequirement,
  build_target_config: record({
    ...BASE,
    targetId: member('build_target_id', int),
    targetName: member('build_target.name', text),
    buildTagId: member('build_tag', int),
    buildTagName: member('build_tag.name', text),
    destTagId: member('dest_tag', int),
    destTagName: member('dest_tag.name', text),
  }),
  external_repo_config: record({
    ...BASE,
    externalRepoId: member('external_repo_id', int),
    externalRepoName: member('external_repo.name', text),
    url: member('url', text),
  }),
}

/**
 * Filters of queryHistory; those that are left out do not filter, several narrow. Ids or names; a name or id that
 * never existed is a fault, a deleted tag is not. `tag` on tag_inheritance also gives the links of its *children*
 * (rows whose parent it is). A filter whose column a table lacks makes the hub leave the table out of its answer,
 * which is HUB_ANSWER_INVALID here, so that nobody takes it for an empty history.
 */
export interface HistoryFilter {
  readonly tag?: number | string
  readonly package?: number | string
  readonly build?: number | string
  readonly externalRepo?: number | string
  readonly target?: number | string
  /** Rows created *or* revoked after this event (strictly). */
  readonly afterEvent?: number
  /** true: only active rows; false: only revoked ones. */
  readonly active?: boolean
}

/** No `offset`: a hub that ignores queryOpts would ignore it unseen. Page by event. */
export type HistoryOpts = Omit<QueryOpts, 'offset'>

/**
 * Rows of Koji's versioned tables. `queryOpts` is for each table apart; orders: `create_event`, `revoke_event`.
 * Hubs up to 1.33 (at least) ignore it silently (kojihub.py `query_history` takes any keyword): then the whole answer comes, and
 * is ordered and cut here.
 */
export function queryHistory<const T extends HistoryTable>(
  tables: readonly T[],
  filter: HistoryFilter,
  queryOpts?: HistoryOpts,
): Call<{ readonly [K in T]: readonly HistoryRows[K][] }> {
  const members = Object.fromEntries(
    tables.map((table) => [
      table,
      member(table, pageOf(list<HistoryRows[HistoryTable]>(ROWS[table]), queryOpts)),
    ]),
  )
  const reader = record(members) as unknown as Reader<{ readonly [K in T]: readonly HistoryRows[K][] }>
  return callOf(
    'queryHistory',
    [],
    { ...kwargsOf(tables, filter), queryOpts: queryOptsOf(queryOpts) },
    reader,
  )
}

/** How many rows `queryHistory` would give, by table. */
export function countHistory<const T extends HistoryTable>(
  tables: readonly T[],
  filter: HistoryFilter,
): Call<{ readonly [K in T]: number }> {
  const members = Object.fromEntries(tables.map((table) => [table, member(table, count)]))
  const reader = record(members) as unknown as Reader<{ readonly [K in T]: number }>
  const queryOpts = queryOptsOf({}, { countOnly: true })
  return callOf('queryHistory', [], { ...kwargsOf(tables, filter), queryOpts }, reader)
}

/** The number, or all the rows of a hub that ignores `countOnly`. */
const count: Reader<number> = (value) => (Array.isArray(value) ? value.length : int(value))

/** Orders and cuts what a hub that knows queryOpts has ordered and cut already. */
function pageOf<T>(reader: Reader<readonly T[]>, opts: HistoryOpts = {}): Reader<readonly T[]> {
  const { order, limit } = opts
  return (value) => {
    if (!Array.isArray(value) || order === undefined) return reader(value)
    const rows = value.toSorted(orderOf(order))
    return reader(limit === undefined || limit === 0 ? rows : rows.slice(0, limit))
  }
}

/** PostgreSQL's order of int columns: nil above all. */
function orderOf(order: string): (a: Value, b: Value) => number {
  const columns = order
    .split(',')
    .map((term) => ({ name: term.replace('-', ''), sign: term.startsWith('-') ? -1 : 1 }))
  const rank = (row: Value, name: string) => {
    const value = isStruct(row) ? row[name] : null
    return typeof value === 'number' ? value : Number.MAX_VALUE
  }
  return (a, b) => {
    for (const { name, sign } of columns) {
      const difference = rank(a, name) - rank(b, name)
      if (difference !== 0) return difference * sign
    }
    return 0
  }
}

function kwargsOf(tables: readonly HistoryTable[], filter: HistoryFilter) {
  return {
    tables,
    tag: filter.tag,
    package: filter.package,
    build: filter.build,
    external_repo: filter.externalRepo,
    build_target: filter.target,
    afterEvent: filter.afterEvent,
    active: filter.active,
  }
}
