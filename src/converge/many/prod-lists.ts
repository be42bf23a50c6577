import { readActiveRows } from '../../hub/active-rows.ts'
import { queryHistory } from '../../hub/calls-history.ts'
import type { ReadOptions } from '../../hub/hub.ts'
import type { TagListingRow, TagPackageOwnerRow, TagPackageRow } from '../../model/history-rows.ts'
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

/** Prod's lists of the claims' packages: those of the whole tag where that is less work for its hub, else package by package. */
export async function readLists(
  deps: Deps,
  tag: { readonly prodId: number; readonly stagingId: number },
  claims: readonly ListClaim[],
  options: ReadOptions,
): Promise<ProdLists | null> {
  const packages = [...new Set(claims.map(({ key }) => key.packageId))]
  const [size] = await deps.database.query<{ rows: number }>(
    'lists.size',
    `select (select count(*) from (select 1 from tag_packages where tag_id = $1 and active limit $2) p)
          + (select count(*) from (select 1 from tag_listing where tag_id = $1 and active limit $2) l) as rows`,
    [tag.stagingId, packages.length * ROWS_A_CALL],
  )
  const isMost = (size?.rows ?? 0) < packages.length * ROWS_A_CALL
  return isMost ? readWhole(deps, tag.prodId, options) : readEach(deps, tag.prodId, packages, options)
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
  for (const row of rows.tag_listing) byName.get(row.packageName)?.push(row)
  return lists
}

async function readEach(
  deps: Deps,
  tagId: number,
  packages: readonly number[],
  options: ReadOptions,
): Promise<ProdLists> {
  const answers = await deps.hub.read(
    packages.map((id) => queryHistory(TABLES, { tag: tagId, package: id })),
    options,
  )
  return new Map(
    packages.map((id, i) => {
      const answer = answers[i]
      const isActive = ({ revokeEvent }: { readonly revokeEvent: number | null }): boolean =>
        revokeEvent === null
      const taggings = answer?.tag_listing ?? []
      return [
        id,
        {
          entries: (answer?.tag_packages ?? []).filter(isActive),
          owners: (answer?.tag_package_owners ?? []).filter(isActive),
          taggings: taggings.filter(isActive),
          revoked: taggings.filter((row) => !isActive(row)),
        },
      ]
    }),
  )
}
