import type { Deps } from '../converge/deps.ts'
import { entryCells, ownerCells } from '../converge/package.ts'
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
  const viewsOf = (where: View['where'], of: (packageId: number) => boolean): View[] => {
    const rows = <R extends { packageId: number; createEvent: number }>(
      all: readonly R[],
      cells: (ids: { tag_id: number; package_id: number }, row: R) => View['wanted'][number]['cells'],
    ) =>
      all
        .filter((row) => packages.has(row.packageId) && of(row.packageId))
        .map((row) => ({
          cells: cells({ tag_id: tag.stagingId, package_id: packages.get(row.packageId) as number }, row),
          prodEvent: row.createEvent,
        }))
    return [
      { table: 'tag_packages', where, wanted: rows(prod.tag_packages, entryCells) },
      {
        table: 'tag_package_owners',
        where,
        wanted: rows(prod.tag_package_owners, (ids, row) => ownerCells(ids, row, users)),
      },
    ]
  }
  const whole = await viewDifference(
    database,
    settings,
    viewsOf({ tag_id: tag.stagingId }, () => true),
    null,
  )
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
    const views = viewsOf({ tag_id: tag.stagingId, package_id: id }, (packageId) => packageId === prodId)
    const exact = await viewDifference(database, settings, views, await lastMapped(database, formatKey(key)))
    found.push(...foundOf(exact, { key, tag: tag.name, subject: tag.name, nameOf }))
  }
  const missing = [...named].filter(([id]) => !packages.has(id))
  return [...found, ...missing.map(([id, name]) => missingEntry(tag, id, name))]
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
