import type { Deps } from '../converge/deps.ts'
import { findBuildRows } from '../converge/identify.ts'
import { findNamedRow } from '../converge/named-row.ts'
import { isSideTag } from '../converge/scope.ts'
import { observeTag, type ProdTag } from '../converge/tag-observe.ts'
import { readActiveRows } from '../hub/active-rows.ts'
import { getPackage } from '../hub/calls-lookup.ts'
import type { ReadOptions } from '../hub/hub.ts'
import type { HistoryRows } from '../model/history-rows.ts'
import { compareContent } from './build-content.ts'
import type { Found } from './found.ts'
import { compareListings, completeOf } from './listings.ts'
import { nameFound } from './named.ts'
import { comparePackages, type PackageLists } from './packages.ts'
import { type ProdRpms, readTaggedRpms } from './prod-rpms.ts'
import { compareSettings } from './settings.ts'
import type { NamedBuild } from './staging-builds.ts'

/** A tag as prod shows it, with what is in it. */
export interface WholeTag extends ProdTag {
  readonly packages: PackageLists
  readonly listing: readonly HistoryRows['tag_listing'][]
  /** COMPLETE builds that are tagged in it, each once */
  readonly builds: readonly NamedBuild[]
}

/**
 * null: prod shows no such tag (any more), or `accept` says no to its settings: then its content is not asked for. Throws
 * AgainError HUB_TORN.
 */
export async function readTag(
  deps: Deps,
  tagId: number,
  accept: (tag: ProdTag) => Promise<boolean>,
  listRows: number,
  options: ReadOptions,
): Promise<WholeTag | null> {
  const prod = await observeTag(deps.hub, tagId, options)
  if (prod === null || !(await accept(prod))) return null
  const history = await readActiveRows(deps.hub, tagId, listRows, options)
  const builds = completeOf(history.tag_listing).map((row) => ({ ...row, id: row.buildId }))
  return {
    ...prod,
    packages: history,
    listing: history.tag_listing,
    builds: [...new Map(builds.map((build) => [build.id, build])).values()],
  }
}

/** Settings, package list, ordered listings. That the tag is in scope was settled by the caller. */
export async function compareTag(deps: Deps, prod: WholeTag, options: ReadOptions): Promise<Found[]> {
  const { database, owner } = deps
  const { tag } = prod
  const key = { kind: 'tag', tagId: tag.id } as const
  const row = await findNamedRow(database, owner, 'tag', tag.id)
  const packageIds = await readPackageIds(deps, prod, options)
  if (row === null) {
    const { packages, builds } = prod
    const found: Found = {
      key,
      kind: 'tag',
      subject: tag.name,
      tag: tag.name,
      prod: { packages: packages.tag_packages.length, builds: builds.length },
      staging: null,
      state: 'open',
    }
    return [found, ...missingContent(prod, packageIds)]
  }
  const both = { prodId: tag.id, stagingId: row.stagingId, name: tag.name }
  return [
    ...nameFound(deps, key, row, tag.name),
    ...(await compareSettings(deps, prod, row)),
    ...(await comparePackages(deps, both, prod.packages)),
    ...(await compareListings(deps, both, { rows: prod.listing, packageIds })),
  ]
}

/** Rpms, signatures and archives of builds that are in a tag. `read`: the rpms of all of them, if they were just read. */
export async function compareTagged(
  deps: Deps,
  prod: WholeTag,
  builds: readonly NamedBuild[],
  read: ProdRpms | null,
  limits: { readonly tagBuilds: number; readonly packages: number; readonly builds: number },
  options: ReadOptions,
): Promise<Found[]> {
  const found: Found[] = []
  // A tag that fits into one answer is asked for once.
  const step = prod.builds.length <= limits.tagBuilds ? Math.max(1, builds.length) : limits.builds
  for (let at = 0; at < builds.length; at += step) {
    const some = builds.slice(at, at + step)
    const whole = { id: prod.tag.id, builds: prod.builds.length }
    const rpms = read ?? (await readTaggedRpms(deps.hub, whole, await here(deps, some), limits, options))
    for (let from = 0; from < some.length; from += limits.builds) {
      found.push(...(await compareContent(deps, some.slice(from, from + limits.builds), rpms, options)))
    }
  }
  return found
}

/** Those of the builds that staging has: of the others prod's content is not asked for, they are missing whole. */
export async function here(deps: Deps, builds: readonly NamedBuild[]): Promise<NamedBuild[]> {
  const refs = builds.map((build) => ({ ...build, name: build.packageName }))
  const rows = await findBuildRows(deps.database, deps.owner, refs)
  return builds.filter(({ id }) => rows.has(id))
}

/** Whether prod's tag is replicated. */
export function isCovered(deps: Deps, { tag }: ProdTag): Promise<boolean> {
  return deps.scope.covers(deps.database, { id: tag.id, name: tag.name, sideTag: isSideTag(tag) })
}

/** All that is in a tag that staging does not have. */
function missingContent(
  { tag, packages, listing }: WholeTag,
  packageIds: ReadonlyMap<string, number>,
): Found[] {
  // The owner of a package outlives its entry (kojihub.py pkglist_remove), and is made equal apart.
  const named = new Map(
    [...packages.tag_package_owners, ...packages.tag_packages].map((row) => [row.packageId, row.packageName]),
  )
  const entries = [...named].map(
    ([packageId, name]): Found => ({
      key: { kind: 'package', tagId: tag.id, packageId },
      kind: 'package',
      subject: `${tag.name}: ${name}`,
      tag: tag.name,
      prod: name,
      staging: null,
      state: 'open',
    }),
  )
  const lists = new Map<string, string[]>()
  for (const row of completeOf(listing)) {
    const nvr = `${row.packageName}-${row.version}-${row.release}`
    lists.set(row.packageName, [...(lists.get(row.packageName) ?? []), nvr])
  }
  const listings = [...lists].map(([name, nvrs]): Found => {
    const packageId = packageIds.get(name)
    return {
      key:
        packageId === undefined
          ? { kind: 'lookup', what: 'tagged', names: [String(tag.id), name] }
          : { kind: 'tagged', tagId: tag.id, packageId },
      kind: 'listing',
      subject: `${tag.name}: ${name}`,
      tag: tag.name,
      prod: nvrs,
      staging: null,
      state: 'open',
    }
  })
  return [...entries, ...listings]
}

/** Prod's ids of the packages in a tag; prod is asked for those that the tag holds builds of without listing them. */
async function readPackageIds(
  deps: Deps,
  { packages, listing }: WholeTag,
  options: ReadOptions,
): Promise<Map<string, number>> {
  const ids = new Map(packages.tag_packages.map((row) => [row.packageName, row.packageId]))
  const strays = [...new Set(listing.map((row) => row.packageName))].filter((name) => !ids.has(name))
  const answers = await deps.hub.read(
    strays.map((name) => getPackage(name)),
    options,
  )
  for (const found of answers) if (found !== null) ids.set(found.name, found.id)
  return ids
}
