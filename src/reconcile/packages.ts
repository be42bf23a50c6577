import { conflictsOf, type Deps } from '../converge/deps.ts'
import { entryCells, ownerCells } from '../converge/package.ts'
import { packageDifference } from '../converge/package-difference.ts'
import type { Difference } from '../converge/settle.ts'
import { type View, viewDifference } from '../converge/versioned-plan.ts'
import type { TagPackageOwnerRow, TagPackageRow } from '../model/history-rows.ts'
import { formatKey, type Key } from '../model/key.ts'
import { lastMapped } from '../staging/events.ts'
import { type Found, foundOf, type NameOf } from './found.ts'
import { findIds, type PackageName, readPackageNames } from './names.ts'

/** A tag of both sides. */
export interface BothTags {
  readonly prodId: number
  readonly stagingId: number
  /** prod's */
  readonly name: string
}

export interface PackageLists {
  readonly tag_packages: readonly TagPackageRow[]
  readonly tag_package_owners: readonly TagPackageOwnerRow[]
}

/**
 * A tag's package list: the package converger's own difference (`viewDifference`), over the whole list at once and, where that
 * finds something that policy has to settle, once more for the package alone.
 */
export async function comparePackages(deps: Deps, tag: BothTags, prod: PackageLists): Promise<Found[]> {
  const { database, catalog, owner, conflicts } = deps
  const settings = { catalog, owner, policy: conflicts.tag }
  const owners = prod.tag_package_owners.map((row) => ({ id: row.ownerId, name: row.ownerName }))
  const users = await findIds(database, 'user', owners)
  const named = new Map(
    [...prod.tag_packages, ...prod.tag_package_owners].map((row) => [row.packageId, row.packageName]),
  )
  const packages = await findIds(
    database,
    'package',
    [...named].map(([id, name]) => ({ id, name })),
  )
  const rows = {
    tag_packages: byPackage(prod.tag_packages, packages, (id, row) =>
      entryCells({ tag_id: tag.stagingId, package_id: id }, row),
    ),
    tag_package_owners: byPackage(prod.tag_package_owners, packages, (id, row) =>
      ownerCells({ tag_id: tag.stagingId, package_id: id }, row, users),
    ),
  }
  /** of one package by staging's id; null: of all */
  const viewsOf = (packageId: number | null): View[] =>
    (['tag_packages', 'tag_package_owners'] as const).map((table) => ({
      table,
      where:
        packageId === null ? { tag_id: tag.stagingId } : { tag_id: tag.stagingId, package_id: packageId },
      wanted: packageId === null ? [...rows[table].values()].flat() : (rows[table].get(packageId) ?? []),
    }))
  const whole = await viewDifference(database, settings, viewsOf(null), null)
  const differing = packagesOf(whole)
  const prodIds = new Map([...packages].map(([prodId, id]) => [id, prodId]))
  const names = await readPackageNames(database, [...differing], owner.seedEvent)
  const people = new Map(owners.map(({ id, name }) => [users.get(id), name]))
  const nameOf: NameOf = (column, id) => {
    if (column === 'package_id') return names.get(Number(id))?.name
    return column === 'owner' ? people.get(Number(id)) : undefined
  }
  const found: Found[] = []
  for (const id of [...differing].sort((a, b) => a - b)) {
    const prodId = prodIds.get(id) ?? null
    const key = keyIn('package', tag, {
      name: names.get(id)?.name ?? String(id),
      prodId: prodId ?? names.get(id)?.prodId ?? null,
    })
    const ids = { tag_id: tag.stagingId, package_id: id }
    const lastApplied = await lastMapped(database, formatKey(key))
    const exact = await packageDifference(
      database,
      { ...deps, conflicts: conflictsOf(deps, key) },
      ids,
      viewsOf(id),
      lastApplied,
    )
    found.push(...foundOf(exact, { key, tag: tag.name, subject: tag.name, nameOf }))
  }
  const missing = [...named].filter(([id]) => !packages.has(id))
  return [...found, ...missing.map(([id, name]) => missingEntry(tag, id, name))]
}

/** Wanted rows by staging's id of their package. */
function byPackage<R extends { readonly packageId: number; readonly createEvent: number }>(
  all: readonly R[],
  packages: ReadonlyMap<number, number>,
  cellsOf: (packageId: number, row: R) => View['wanted'][number]['cells'],
): Map<number, View['wanted'][number][]> {
  const rows = new Map<number, View['wanted'][number][]>()
  for (const row of all) {
    const id = packages.get(row.packageId)
    if (id === undefined) continue
    const wanted = { cells: cellsOf(id, row), prodEvent: row.createEvent }
    rows.set(id, [...(rows.get(id) ?? []), wanted])
  }
  return rows
}

function missingEntry(tag: BothTags, packageId: number, name: string): Found {
  return {
    key: { kind: 'package', tagId: tag.prodId, packageId },
    kind: 'package',
    subject: `${tag.name}: ${name}`,
    tag: tag.name,
    prod: { package_id: name },
    staging: null,
    state: 'drift',
  }
}

/** The key of one package in a tag, by prod's id where it is known. */
export function keyIn(kind: 'package' | 'tagged', tag: BothTags, { name, prodId }: PackageName): Key {
  if (prodId !== null) return { kind, tagId: tag.prodId, packageId: prodId }
  return { kind: 'lookup', what: kind, names: [String(tag.prodId), name] }
}

/** Staging's ids of the packages that a difference is about. */
function packagesOf({ ops, clashes }: Difference): Set<number> {
  const ids = ops.map((op) => Number((op.kind === 'create' ? op.cells : op.row.cells).package_id))
  const clashing = clashes.map(({ subject }) => Number(/package_id=(\d+)/.exec(subject)?.[1]))
  return new Set([...ids, ...clashing])
}
