import { queryHistory } from '../hub/calls-history.ts'
import type { TagPackageOwnerRow, TagPackageRow } from '../model/history-rows.ts'
import type { Key } from '../model/key.ts'
import type { Expectation } from '../model/outcome.ts'
import type { Claim } from '../queue/queue.ts'
import type { Cell } from '../staging/cell.ts'
import type { Converged, Converger, Deps } from './deps.ts'
import { findPackage, findTag } from './identify.ts'
import { packageDifference } from './package-difference.ts'
import { type LeftAlone, type Proofs, settle } from './settle.ts'
import { leaveToTag, settingsOf } from './tag-gone.ts'
import { ensureUsers } from './users.ts'
import { proofsOf, type View } from './versioned-plan.ts'
import { skipped, waitFor } from './wait.ts'

type PackageKey = Extract<Key, { kind: 'package' }>

const TABLES = ['tag_packages', 'tag_package_owners'] as const

/**
 * One package's entry in one tag: listed or not, blocked, extra arches (tag_packages), and its owner there
 * (tag_package_owners). Both tables are one queryHistory; Koji writes them in one transaction, so an entry without an
 * owner is a torn read or an old entry, and is shown by neither hub: both tables are made equal apart.
 */
export class PackageConverger implements Converger<PackageKey> {
  readonly #deps: Deps
  constructor(deps: Deps) {
    this.#deps = deps
  }

  async converge(key: PackageKey, claim: Claim, signal: AbortSignal): Promise<Converged> {
    const { hub, database, scope, owner, names } = this.#deps
    const { priority } = claim
    const filter = { tag: key.tagId, package: key.packageId }
    const [tag, [history]] = await Promise.all([
      findTag(database, owner, key.tagId),
      hub.read([queryHistory(TABLES, { ...filter, active: true })], { priority, signal }),
    ])
    if (tag === null) {
      const reason = await scope.whyOutside(hub, database, key.tagId, priority, signal)
      if (reason !== null) return skipped(reason)
      return waitFor(this.#deps, claim, [{ kind: 'tag', tagId: key.tagId }], 'its tag comes first')
    }
    const shown = history.tag_packages[0] ?? history.tag_package_owners[0]
    const frozen = await scope.whyFrozen(database, {
      ...tag,
      id: key.tagId,
      name: shown?.tagName ?? tag.name,
    })
    if (frozen !== null) return skipped(frozen)
    const unmet = unmetOf(claim.expect, history.tag_packages[0])
    const name = shown?.packageName
    const packageId =
      name === undefined
        ? await findPackage(database, owner, key.packageId)
        : ((await names.ensure('package', [{ prodId: key.packageId, name }])).get(name) ?? null)
    if (packageId === null) return { outcome: { kind: 'unchanged' }, unmet, fenced: false }
    const users = await ensureUsers(
      this.#deps,
      history.tag_package_owners.map((row) => ({ id: row.ownerId, name: row.ownerName })),
      priority,
      signal,
    )

    const ids = { tag_id: tag.stagingId, package_id: packageId }
    const views: View[] = [
      {
        table: 'tag_packages',
        where: ids,
        wanted: history.tag_packages.map((row) => ({
          cells: entryCells(ids, row),
          prodEvent: row.createEvent,
        })),
      },
      {
        table: 'tag_package_owners',
        where: ids,
        wanted: history.tag_package_owners.map((row) => ({
          cells: ownerCells(ids, row, users),
          prodEvent: row.createEvent,
        })),
      },
    ]
    const prodEvents = views.flatMap((view) => view.wanted.map((row) => row.prodEvent))
    return settle(this.#deps, {
      claim,
      unmet,
      tagIds: [tag.stagingId],
      prodEvent: prodEvents.length === 0 ? null : Math.max(...prodEvents),
      difference: (sql, lastApplied) => packageDifference(sql, this.#deps, ids, views, lastApplied),
      prove: (_removals, lastApplied) => this.#prove(key, claim, ids, lastApplied, signal),
    })
  }

  async #prove(
    key: PackageKey,
    claim: Claim,
    ids: { tag_id: number; package_id: number },
    lastApplied: number | null,
    signal: AbortSignal,
  ): Promise<Proofs | LeftAlone> {
    const [history, tag] = await this.#deps.hub.read(
      [
        queryHistory(TABLES, { tag: key.tagId, package: key.packageId, active: false }),
        settingsOf(key.tagId),
      ],
      { priority: claim.priority, signal },
    )
    if (tag.tag_config.length === 0) return leaveToTag(this.#deps, claim, key.tagId)
    const revoked = TABLES.flatMap((table) =>
      history[table].map((row) => ({ table, cells: ids, revokeEvent: row.revokeEvent ?? 0 })),
    )
    return proofsOf(revoked, lastApplied)
  }
}

/** The cells of tag_packages, by staging's ids. */
export function entryCells(ids: Readonly<Record<string, Cell>>, row: TagPackageRow): Record<string, Cell> {
  return { ...ids, blocked: row.blocked, extra_arches: row.extraArches }
}

/** The cells of tag_package_owners, by staging's ids. */
export function ownerCells(
  ids: Readonly<Record<string, Cell>>,
  row: TagPackageOwnerRow,
  users: ReadonlyMap<number, number>,
): Record<string, Cell> {
  return { ...ids, owner: users.get(row.ownerId) ?? null }
}

/** `listing` is claimed as listed, blocked, unblocked or absent. */
export function unmetOf(expect: readonly Expectation[], row: TagPackageRow | undefined): Expectation[] {
  return expect.filter(({ subject, claim }) => {
    if (subject !== 'listing') return false
    if (claim === 'absent') return row !== undefined
    if (claim === 'blocked') return row?.blocked !== true
    if (claim === 'unblocked') return row?.blocked !== false
    return row === undefined
  })
}
