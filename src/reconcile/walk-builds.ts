import type { Deps } from '../converge/deps.ts'
import { KeyError } from '../errors.ts'
import { getBuild, listBuilds } from '../hub/calls-build.ts'
import type { ReadOptions } from '../hub/hub.ts'
import { ascending } from '../hub/pages.ts'
import type { ListedBuild } from '../model/records.ts'
import { secondsOfTimestamp, type Timestamp, timestampOfSeconds } from '../model/time.ts'
import { compareBuildRows, lostBuild } from './build-rows.ts'
import type { Found } from './found.ts'
import { IdSet } from './id-set.ts'
import type { Unit } from './look-twice.ts'
import { readOwnedBuilds } from './staging-builds.ts'

/** Before all builds. */
const BEGIN: Timestamp = '1970-01-01 00:00:00.000000'

/**
 * All builds of prod by completion time, a page a unit; then those that staging has from prod and that no page showed (they are
 * being built again, their time was moved while we read, or prod lost them), by id. An offset would make the hub skip row by row.
 */
export async function* walkBuilds(
  deps: Deps,
  inScope: (buildId: number) => boolean,
  limits: { readonly pageRows: number; readonly multicall: number },
  options: ReadOptions,
): AsyncGenerator<{ readonly unit: Unit; readonly builds: number }> {
  const shown = new IdSet()
  const pages = ascending<ListedBuild, Timestamp>({
    after: BEGIN,
    limit: limits.pageRows,
    read: async (completeAfter, limit) => {
      const order = { order: 'completion_time,build_id', limit }
      return (await deps.hub.read([listBuilds({ completeAfter }, order)], options))[0]
    },
    at: completionOf,
    below: (time) => timestampOfSeconds(secondsOfTimestamp(time) - 1e-6),
  })
  for await (const { rows } of pages) {
    const fresh = rows.filter(({ id }) => !shown.has(id))
    for (const { id } of fresh) shown.add(id)
    const ids = fresh.map(({ id }) => id)
    let read: readonly ListedBuild[] | null = fresh
    yield {
      builds: fresh.length,
      // The first time the page itself; only what differs is worth being read again.
      unit: async () => {
        const builds = read
        read = null
        if (builds !== null) return compareBuildRows(deps, builds, inScope)
        return compareByIds(deps, ids, inScope, limits.multicall, options)
      },
    }
  }
  let after = 0
  for (;;) {
    const owned = await readOwnedBuilds(deps.database, deps.owner, after, limits.pageRows)
    const rest = owned.filter((id) => !shown.has(id))
    if (rest.length > 0) {
      yield {
        builds: rest.length,
        unit: () => compareByIds(deps, rest, inScope, limits.multicall, options),
      }
    }
    const last = owned.at(-1)
    if (last === undefined) return
    after = last
  }
}

/** Builds that prod is asked for one by one, in multicalls. */
export async function compareByIds(
  deps: Deps,
  ids: readonly number[],
  inScope: (buildId: number) => boolean,
  multicall: number,
  options: ReadOptions,
): Promise<Found[]> {
  const found: Found[] = []
  for (let at = 0; at < ids.length; at += multicall) {
    const some = ids.slice(at, at + multicall)
    const builds = await deps.hub.read(
      some.map((id) => getBuild(id)),
      options,
    )
    const known = builds.filter((build) => build !== null)
    found.push(...(await compareBuildRows(deps, known, inScope)))
    found.push(...some.filter((_id, i) => builds[i] === null).map(lostBuild))
  }
  return found
}

/** Throws KeyError HUB_ANSWER_INVALID: only BUILDING builds have none, and none of these was asked for. */
function completionOf(build: ListedBuild): Timestamp {
  if (build.completionTime !== null) return build.completionTime
  const text = `the hub's answer to listBuilds(completeAfter) has build ${build.id} without a completion time`
  throw new KeyError('HUB_ANSWER_INVALID', text, { detail: { method: 'listBuilds', buildId: build.id } })
}
