import type { ReadOptions } from '../../hub/hub.ts'
import { formatKey, type Key } from '../../model/key.ts'
import type { Outcome } from '../../model/outcome.ts'
import { BUILD_STATE } from '../../model/records.ts'
import type { Claim } from '../../queue/queue.ts'
import type { Sql } from '../../staging/database.ts'
import { listingOf } from '../../staging/listing.ts'
import { conflictsOf, type Deps } from '../deps.ts'
import { findBuilds, findPackage, findTag } from '../identify.ts'
import { differenceOf } from '../listing-difference.ts'
import type { Op } from '../ops.ts'
import { entryCells, ownerCells } from '../package.ts'
import { byOrder } from '../tagged.ts'
import { ensureUsers } from '../users.ts'
import { viewDifference } from '../versioned-plan.ts'
import { applyLists, type ListChange } from './apply-lists.ts'
import { readKeyStates, readListings } from './lists-look.ts'
import { type ProdLists, readEach, readLists } from './prod-lists.ts'
import { isShown } from './shown.ts'

/** Keys whose rows are written in one transaction. */
const TOGETHER = 250

type Ended = (claims: readonly Claim[], outcomes: (claim: Claim) => Outcome) => void

type ListKey = Extract<Key, { kind: 'package' | 'tagged' }>
export type ListClaim = Claim & { readonly key: ListKey }

export function isListClaim(claim: Claim): claim is ListClaim {
  return claim.key.kind === 'package' || claim.key.kind === 'tagged'
}

/** What one look at staging made of claims: those that differ plainly, and those that are equal. The rest is for the worker. */
interface Looked {
  readonly changes: readonly ListChange[]
  readonly equal: readonly Claim[]
}

/** One tag, with what prod shows of its packages. */
interface Subject {
  readonly tag: { readonly prodId: number; readonly stagingId: number }
  readonly prod: ProdLists
  /** by prod's ids */
  readonly users: ReadonlyMap<number, number>
  readonly packages: ReadonlyMap<number, number>
  readonly builds: ReadonlyMap<number, number>
}

/**
 * Package entries and listings of one tag: prod's read together, staging's read and written for hundreds of keys at a time. The
 * differences are those of the keys' own convergers (`viewDifference`, `differenceOf`); what is not plain (a clash, a removal that
 * prod's answer does not prove, a build or a tag that staging lacks, what a message tells and prod does not show) is left out. `ended` is
 * told the claims that ended, as they do. Throws what the hub and the database throw.
 */
export async function convergeLists(
  deps: Deps,
  tagId: number,
  claims: readonly ListClaim[],
  options: ReadOptions,
  ended: Ended,
): Promise<void> {
  const { database, scope, owner } = deps
  const tag = await findTag(database, owner, tagId)
  if (tag === null || claims.length === 0) return
  if ((await scope.whyFrozen(database, { ...tag, id: tagId })) !== null) return
  const ids = { prodId: tagId, stagingId: tag.stagingId }
  const open = new Set(claims)
  const close: Ended = (some, outcomeOf) => {
    for (const claim of some) open.delete(claim as ListClaim)
    ended(some, outcomeOf)
  }
  const { prod, isWhole } = await readLists(deps, ids, claims, options)
  await convergeShown(deps, ids, prod, claims, options, close)
  // The whole tag's answer proves no untagging: each package's own history does.
  const unproved = [...open].filter(({ key }) => key.kind === 'tagged')
  if (!isWhole || unproved.length === 0) return
  await convergeShown(deps, ids, await readEach(deps, tagId, unproved, options), unproved, options, close)
}

/** Ends what is plain. */
async function convergeShown(
  deps: Deps,
  tag: Subject['tag'],
  prod: ProdLists,
  claims: readonly ListClaim[],
  options: ReadOptions,
  ended: Ended,
): Promise<void> {
  const { database, queue } = deps
  const plain = claims.filter((claim) => isShown(claim, prod))
  for (let at = 0; at < plain.length; at += TOGETHER) {
    const some = plain.slice(at, at + TOGETHER)
    const subject = await identify(deps, tag, prod, some, options)
    const { changes, equal } = await look(deps, database, subject, some)
    if (equal.length > 0) {
      await queue.finish(equal.map((claim) => ({ claim, outcome: UNCHANGED })))
      ended(equal, () => UNCHANGED)
    }
    if (changes.length === 0) continue
    const asked = new Set(changes.map(({ claim }) => claim))
    const written = await database.transaction('lists', async (tx) => {
      const now = (await look(deps, tx, subject, [...asked] as ListClaim[])).changes
      await applyLists(tx, deps, subject.tag.stagingId, now)
      return new Map(now.map(({ claim, ops }) => [claim as ListClaim, ops.length]))
    })
    const claimsNow = [...written.keys()]
    ended(claimsNow, (claim) => ({ kind: 'applied', rows: written.get(claim as ListClaim) ?? 0 }))
    // Somebody who wrote between our read and our commit has made a difference: the key is due again.
    const after = await look(deps, database, subject, claimsNow)
    const equalNow = new Set(after.equal)
    const differ = claimsNow.filter((claim) => !equalNow.has(claim))
    if (differ.length > 0) await queue.mark(differ.map(({ key, priority }) => ({ key, priority })))
  }
}

const UNCHANGED: Outcome = { kind: 'unchanged' }

/** Staging's ids of what prod's rows of some packages name. Packages and users that it lacks are made, as for one key. */
async function identify(
  deps: Deps,
  tag: Subject['tag'],
  prod: ProdLists,
  claims: readonly ListClaim[],
  options: ReadOptions,
): Promise<Subject> {
  const lists = claims.flatMap(({ key }) => prod.get(key.packageId) ?? [])
  const people = lists.flatMap(({ owners }) =>
    owners.map((row) => ({ id: row.ownerId, name: row.ownerName })),
  )
  const nameOf = new Map(
    claims.flatMap(({ key: { packageId } }): [number, string][] => {
      const { entries: listed = [], taggings = [], revoked = [] } = prod.get(packageId) ?? {}
      const row = listed[0] ?? taggings[0] ?? revoked[0]
      return row === undefined ? [] : [[packageId, row.packageName]]
    }),
  )
  const names = await deps.names.ensure(
    'package',
    [...nameOf].map(([prodId, name]) => ({ prodId, name })),
  )
  const packages = new Map(
    [...nameOf].flatMap(([prodId, name]): [number, number][] => {
      const id = names.get(name)
      return id === undefined ? [] : [[prodId, id]]
    }),
  )
  // Prod shows nothing of them: few.
  for (const { key } of claims) {
    if (nameOf.has(key.packageId) || prod.get(key.packageId) === undefined) continue
    const id = await findPackage(deps.database, deps.owner, key.packageId)
    if (id !== null) packages.set(key.packageId, id)
  }
  const refs = lists.flatMap(({ taggings, revoked }) =>
    [...taggings, ...revoked].map((row) => ({ ...row, id: row.buildId, name: row.packageName })),
  )
  return {
    tag,
    prod,
    packages,
    users: await ensureUsers(deps, people, 'sweep', options.signal),
    builds: await findBuilds(deps.database, deps.owner, refs),
  }
}

async function look(deps: Deps, sql: Sql, subject: Subject, claims: readonly ListClaim[]): Promise<Looked> {
  const states = await readKeyStates(sql, claims)
  const listings = await lookAtListings(deps, sql, subject, claims)
  const entries = await lookAtEntries(deps, sql, subject, claims, states)
  const changes: ListChange[] = []
  const equal: Claim[] = []
  for (const claim of claims) {
    const state = states.get(formatKey(claim.key))
    if (state === undefined || state.clashesOpen) continue
    const made =
      claim.key.kind === 'package'
        ? (entries.get(claim.key.packageId) ?? null)
        : listings(claim as Claim & { key: Extract<Key, { kind: 'tagged' }> }, state.lastApplied)
    if (made === null) continue
    if (made.ops.length === 0) equal.push(claim)
    else changes.push({ claim, ...made })
  }
  return { changes, equal }
}

/** What is to be done for a key; null: it is not plain. */
type Made = Omit<ListChange, 'claim'> | null

async function lookAtListings(deps: Deps, sql: Sql, subject: Subject, claims: readonly ListClaim[]) {
  const { tag, prod, builds, packages } = subject
  const keys = claims.filter(({ key }) => key.kind === 'tagged').map(({ key }) => key.packageId)
  const shown = new Map(
    keys.map((id) => [
      id,
      (prod.get(id)?.taggings ?? []).filter((row) => row.buildState === BUILD_STATE.complete).sort(byOrder),
    ]),
  )
  const buildIds = [...shown.values()].flatMap((rows) => rows.flatMap((row) => builds.get(row.buildId) ?? []))
  const packageIds = keys.flatMap((id) => packages.get(id) ?? [])
  const found = await readListings(sql, { tagId: tag.stagingId, packageIds, buildIds }, deps.owner)
  return (claim: Claim & { key: Extract<Key, { kind: 'tagged' }> }, lastApplied: number | null): Made => {
    const { packageId } = claim.key
    const lists = prod.get(packageId)
    const here = packages.get(packageId)
    const rows = shown.get(packageId) ?? []
    if (lists === undefined || here === undefined) return null
    const wanted = rows.flatMap((row) => {
      const buildId = builds.get(row.buildId)
      return buildId === undefined ? [] : [{ buildId, prodEvent: row.createEvent }]
    })
    if (wanted.length < rows.length) return null
    const listing = found.get(here) ?? listingOf([], tag.stagingId, deps.owner)
    const list = { tagId: tag.stagingId, wanted }
    const difference = differenceOf({ conflicts: conflictsOf(deps, claim.key) }, list, listing, lastApplied)
    if (difference.clashes.length > 0 || (difference.adopted ?? []).length > 0) return null
    // As the listing's own key proves it: by a revoke in prod's history that is newer than what was applied.
    const revokedAt = new Map<number, number>()
    for (const row of lists.revoked) {
      const buildId = builds.get(row.buildId)
      const event = row.revokeEvent ?? 0
      if (buildId !== undefined && event > (lastApplied ?? 0))
        revokedAt.set(buildId, Math.max(event, revokedAt.get(buildId) ?? 0))
    }
    const proofs = difference.removals.map((op) =>
      op.kind === 'revoke' ? revokedAt.get(Number(op.row.cells.build_id)) : undefined,
    )
    if (proofs.includes(undefined)) return null
    const events = [...lists.taggings.map((row) => row.createEvent), ...(proofs as number[])]
    return { ops: difference.ops, prodEvent: events.length === 0 ? null : Math.max(...events) }
  }
}

/** By prod's package: entries that are equal, and those that were never applied nor edited here, and hide nothing. */
async function lookAtEntries(
  deps: Deps,
  sql: Sql,
  subject: Subject,
  claims: readonly ListClaim[],
  states: ReadonlyMap<string, { readonly lastApplied: number | null }>,
): Promise<Map<number, Made>> {
  const { tag, prod, packages, users } = subject
  const made = new Map<number, Made>()
  const ids = new Map<number, number>()
  const known = new Set<number>()
  for (const { key } of claims) {
    const here = packages.get(key.packageId)
    if (key.kind !== 'package' || here === undefined) continue
    ids.set(here, key.packageId)
    if (states.get(formatKey(key))?.lastApplied !== null) known.add(here)
  }
  if (ids.size === 0) return made
  const where = { tag_id: tag.stagingId, package_id: [...ids.keys()] }
  const listsOf = [...ids].flatMap(([here, prodId]) => {
    const lists = prod.get(prodId)
    return lists === undefined ? [] : [{ lists, cells: { tag_id: tag.stagingId, package_id: here } }]
  })
  const settings = { catalog: deps.catalog, owner: deps.owner, policy: 'hold' } as const
  const { ops, removals, clashes, adopted } = await viewDifference(
    sql,
    settings,
    [
      {
        table: 'tag_packages',
        where,
        wanted: listsOf.flatMap(({ lists, cells }) =>
          lists.entries.map((row) => ({ cells: entryCells(cells, row), prodEvent: row.createEvent })),
        ),
      },
      {
        table: 'tag_package_owners',
        where,
        wanted: listsOf.flatMap(({ lists, cells }) =>
          lists.owners.map((row) => ({ cells: ownerCells(cells, row, users), prodEvent: row.createEvent })),
        ),
      },
    ],
    null,
  )
  const opsOf = new Map<number, Op[]>([...ids.keys()].map((id) => [id, []]))
  for (const op of ops) opsOf.get(packageOf(op))?.push(op)
  const odd = new Set([
    ...removals.map(packageOf),
    ...clashes.map(({ subject: text }) => Number(/package_id=(\d+)/.exec(text)?.[1])),
    ...(adopted ?? []).map(({ row }) => Number(row.cells.package_id)),
    // Blocked ones hide what is tagged: their own key looks for that.
    ...ops.flatMap((op) => (op.kind === 'create' && op.cells.blocked === true ? [packageOf(op)] : [])),
  ])
  for (const [here, prodId] of ids) {
    const lists = prod.get(prodId)
    const own = opsOf.get(here) ?? []
    if (odd.has(here) || lists === undefined || (known.has(here) && own.length > 0)) continue
    const events = [...lists.entries, ...lists.owners].map((row) => row.createEvent)
    made.set(prodId, { ops: own, prodEvent: events.length === 0 ? null : Math.max(...events) })
  }
  return made
}

function packageOf(op: Op): number {
  return Number((op.kind === 'create' ? op.cells : op.row.cells).package_id)
}
