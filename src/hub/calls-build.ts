import type {
  Build,
  BuildState,
  BuildTypes,
  ImageBuild,
  ListedBuild,
  MavenBuild,
  WinBuild,
} from '../model/records.ts'
import { secondsOfTimestamp, type Timestamp } from '../model/time.ts'
import { Double, type Value } from '../model/value.ts'
import { callOf, type QueryOpts, queryOptsOf } from './call.ts'
import type { Call } from './hub.ts'
import {
  bool,
  int,
  json,
  list,
  type Member,
  map,
  member,
  moment,
  nullable,
  oneOf,
  optionalMoment,
  record,
  text,
} from './shape.ts'

/** Of kojihub.py `get_build` and `listBuilds`. */
const LISTED: { readonly [K in keyof ListedBuild]: Member<ListedBuild[K]> } = {
  id: member('build_id', int),
  packageId: member('package_id', int),
  packageName: member('package_name', text),
  version: member('version', text),
  release: member('release', text),
  epoch: member('epoch', nullable(int)),
  draft: member('draft', bool, false),
  state: member<BuildState>('state', oneOf(0, 1, 2, 3, 4)),
  startTime: optionalMoment('start'),
  completionTime: optionalMoment('completion'),
  creationEvent: member('creation_event_id', int),
  creationTime: moment('creation'),
  ownerId: member('owner_id', int),
  ownerName: member('owner_name', text),
  promoterId: member('promoter_id', nullable(int), null),
  promoterName: member('promoter_name', nullable(text), null),
  promotionTime: optionalMoment('promotion'),
  source: member('source', nullable(text)),
  extra: member('extra', json),
  volumeId: member('volume_id', int),
  volumeName: member('volume_name', text),
  taskId: member('task_id', nullable(int)),
}

const listedBuild = record<ListedBuild>(LISTED)
const build = record<Build>({
  ...LISTED,
  cgId: member('cg_id', nullable(int)),
  cgName: member('cg_name', nullable(text)),
})

/** By id or NVR; null if there is none. */
export function getBuild(idOrNvr: number | string): Call<Build | null> {
  return callOf('getBuild', [idOrNvr], {}, nullable(build))
}

/** Filters of listBuilds; those that are left out do not filter. Times are exclusive bounds. */
export interface BuildFilter {
  /** Id or name. */
  readonly packageId?: number | string
  readonly state?: BuildState
  readonly volumeId?: number
  /** A btype's name. */
  readonly type?: string
  /** Refused with HUB_UNSUPPORTED when true and the hub knows no drafts (before 1.34); false is dropped there. */
  readonly draft?: boolean
  readonly createdAfter?: Timestamp
  readonly completeAfter?: Timestamp
  readonly completeBefore?: Timestamp
  /** HUB_UNSUPPORTED for hubs up to 1.35. */
  readonly promotedAfter?: Timestamp
}

/**
 * Builds by filter. A page without `order` is unstable. Orders: `build_id`, `completion_time`, `creation_event_id`.
 * A promotion's time can be ordered by only where it can be filtered by.
 */
export function listBuilds(
  filter: BuildFilter,
  queryOpts?: QueryOpts & { readonly limit: number },
): Call<readonly ListedBuild[]> {
  const kwargs = { ...filterOf(filter), queryOpts: queryOptsOf(queryOpts) }
  return callOf('listBuilds', [], kwargs, list(listedBuild), olderOf(filter))
}

/** How many builds `listBuilds` would give. */
export function countBuilds(filter: BuildFilter): Call<number> {
  const queryOpts = queryOptsOf({}, { countOnly: true })
  return callOf('listBuilds', [], { ...filterOf(filter), queryOpts }, int, olderOf(filter))
}

function filterOf(filter: BuildFilter): { readonly [name: string]: Value | undefined } {
  return {
    packageID: filter.packageId,
    state: filter.state,
    volumeID: filter.volumeId,
    type: filter.type,
    draft: filter.draft,
    createdAfter: secondsOf(filter.createdAfter),
    completeAfter: secondsOf(filter.completeAfter),
    completeBefore: secondsOf(filter.completeBefore),
    promotedAfter: secondsOf(filter.promotedAfter),
  }
}

/** A hub that knows no drafts has only builds that are none. */
function olderOf(filter: BuildFilter): { readonly lacking?: { readonly draft: 'drop' } } {
  return filter.draft === false ? { lacking: { draft: 'drop' } } : {}
}

/** Seconds, not text: the hub turns them into its database's own zone, whatever that is. */
function secondsOf(time: Timestamp | undefined): Double | undefined {
  return time === undefined ? undefined : new Double(secondsOfTimestamp(time))
}

/** Types of a build with their info; null if there is no such build. See `BuildTypes`. */
export function getBuildType(buildId: number): Call<BuildTypes | null> {
  return callOf('getBuildType', [buildId], {}, nullable(map(json)))
}

/** null if it is no maven build. */
export function getMavenBuild(buildId: number): Call<MavenBuild | null> {
  return callOf('getMavenBuild', [buildId], {}, nullable(mavenBuild))
}

/** null if it is no win build. */
export function getWinBuild(buildId: number): Call<WinBuild | null> {
  return callOf('getWinBuild', [buildId], {}, nullable(winBuild))
}

/** null if it is no image build. */
export function getImageBuild(buildId: number): Call<ImageBuild | null> {
  return callOf('getImageBuild', [buildId], {}, nullable(imageBuild))
}

const mavenBuild = record<MavenBuild>({
  buildId: member('build_id', int),
  groupId: member('group_id', text),
  artifactId: member('artifact_id', text),
  version: member('version', text),
})
const winBuild = record<WinBuild>({ buildId: member('build_id', int), platform: member('platform', text) })
const imageBuild = record<ImageBuild>({ buildId: member('build_id', int) })
