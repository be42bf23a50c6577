import { readActiveRows } from '../../hub/active-rows.ts'
import { queryHistory } from '../../hub/calls-history.ts'
import type { ReadOptions } from '../../hub/hub.ts'
import type {
  HistoryRows,
  TagListingRow,
  TagPackageOwnerRow,
  TagPackageRow,
} from '../../model/history-rows.ts'
import type { Deps } from '../deps.ts'
import type { ListClaim } from './tag-lists.ts'

/** What prod shows of one package in a tag. */
export interface PackageLists {
  readonly entries: readonly TagPackageRow[]
  readonly owners: readonly TagPackageOwnerRow[]
  readonly taggings: readonly TagListingRow[]
  /** revoked taggings, where they were asked for */
  readonly revoked: readonly TagListingRow[]
}

/** By prod's package; packages that the answer says nothing of are absent. */
export type ProdLists = ReadonlyMap<number, PackageLists>

/** Rows of an answer about a whole tag. */
const LIST_ROWS = 10_000

/** A package's rows, asked for alone, cost the hub as much as so many rows of a whole tag's. */
const ROWS_A_CALL = 25

const TABLES = ['tag_packages', 'tag_package_owners', 'tag_listing'] as const
type ListTable = (typeof TABLES)[number]
const TABLES_OF: Readonly<Record<ListClaim['key']['kind'], readonly ListTable[]>> = {
  package: ['tag_packages', 'tag_package_owners'],
  tagged: ['tag_listing'],
}

/**
 * Prod's lists of the claims' packages: those of the whole tag where that is less work for its hub, else package by package. Those of a whole
 * tag tell nothing of what was revoked.
 */
export async function readLists(
  deps: Deps,
  tag: { readonly prodId: number; readonly stagingId: number },
  claims: readonly ListClaim[],
  options: ReadOptions,
): Promise<{ readonly prod: ProdLists; readonly isWhole: boolean }> {
  const packages = [...new Set(claims.map(({ key }) => key.packageId))]
  const [size] = await deps.database.query<{ rows: number }>(
    'lists.size',
    `select (select count(*) from (select 1 from tag_packages where tag_id = $1 and active limit $2) p)
          + (select count(*) from (select 1 from tag_listing where tag_id = $1 and active limit $2) l) as rows`,
    [tag.stagingId, packages.length * ROWS_A_CALL],
  )
  const isWhole = (size?.rows ?? 0) < packages.length * ROWS_A_CALL
  const prod = isWhole ? readWhole(deps, tag.prodId, options) : readEach(deps, tag.prodId, claims, options)
  return { prod: await prod, isWhole }
}

/** Builds of packages that the tag does not list are left out: their rows name the package, and not its id. */
async function readWhole(deps: Deps, tagId: number, options: ReadOptions): Promise<ProdLists> {
  const rows = await readActiveRows(deps.hub, tagId, LIST_ROWS, options)
  const lists = new Map<
    number,
    {
      entries: TagPackageRow[]
      owners: TagPackageOwnerRow[]
      taggings: TagListingRow[]
      revoked: TagListingRow[]
    }
  >()
  const byName = new Map<string, TagListingRow[]>()
  const of = (id: number, name: string) => {
    const known = lists.get(id)
    if (known !== undefined) return known
    const taggings: TagListingRow[] = []
    byName.set(name, taggings)
    const made = { entries: [], owners: [], taggings, revoked: [] }
    lists.set(id, made)
    return made
  }
  for (const row of rows.tag_packages) of(row.packageId, row.packageName).entries.push(row)
  for (const row of rows.tag_package_owners) of(row.packageId, row.packageName).owners.push(row)
  // A build that was tagged anew between two pages is in both.
  const newest = new Map<number, TagListingRow>()
  for (const row of rows.tag_listing) {
    const known = newest.get(row.buildId)
    if (known === undefined || known.createEvent < row.createEvent) newest.set(row.buildId, row)
  }
  for (const row of newest.values()) byName.get(row.packageName)?.push(row)
  return lists
}

/** Only what the keys are about. Who was told that builds were tagged has no removal to prove; one that shows is left to its own key. */
export async function readEach(
  deps: Deps,
  tagId: number,
  claims: readonly ListClaim[],
  options: ReadOptions,
): Promise<ProdLists> {
  const asked = new Map<number, { readonly tables: Set<ListTable>; withRevoked: boolean }>()
  for (const { key, expect } of claims) {
    const ask = asked.get(key.packageId) ?? { tables: new Set(), withRevoked: false }
    asked.set(key.packageId, ask)
    for (const table of TABLES_OF[key.kind]) ask.tables.add(table)
    if (key.kind === 'tagged')
      ask.withRevoked ||= expect.length === 0 || expect.some(({ claim }) => claim !== 'tagged')
  }
  const answers = await deps.hub.read(
    [...asked].map(([id, { tables, withRevoked }]) =>
      queryHistory([...tables], { tag: tagId, package: id, ...(withRevoked ? {} : { active: true }) }),
    ),
    options,
  )
  return new Map(
    [...asked.keys()].map((id, i) => {
      // What was not asked for is not in the answer.
      const answer: { readonly [T in ListTable]?: readonly HistoryRows[T][] } = answers[i] ?? {}
      const isActive = ({ revokeEvent }: { readonly revokeEvent: number | null }): boolean =>
        revokeEvent === null
      const { tag_listing: taggings = [], tag_packages = [], tag_package_owners = [] } = answer
      return [
        id,
        {
          entries: tag_packages.filter(isActive),
          owners: tag_package_owners.filter(isActive),
          taggings: taggings.filter(isActive),
          revoked: taggings.filter((row) => !isActive(row)),
        },
      ]
    }),
  )
}
