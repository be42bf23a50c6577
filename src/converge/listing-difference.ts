import type { Sql } from '../staging/database.ts'
import { type Listing, readListing } from '../staging/listing.ts'
import type { Deps } from './deps.ts'
import { diffListing, type WantedEntry } from './listing-diff.ts'
import type { Op } from './ops.ts'
import type { Difference } from './settle.ts'
import type { Clash } from './versioned-diff.ts'

/** Slots of this key are ordinals from 0; what goes for good goes before whatever is created. */
export const REVOKE_SLOT = -1

/** Reads one package's listing in staging and diffs it. */
export async function listingDifference(
  sql: Sql,
  deps: Pick<Deps, 'owner' | 'conflicts'>,
  list: { tagId: number; packageId: number; wanted: readonly WantedEntry[] },
  lastApplied: number | null,
): Promise<Difference> {
  const buildIds = list.wanted.map(({ buildId }) => buildId)
  return differenceOf(deps, list, await readListing(sql, { ...list, buildIds }, deps.owner), lastApplied)
}

/** Diffs a listing; untags by staging's people are settled by policy. */
export function differenceOf(
  { conflicts }: Pick<Deps, 'conflicts'>,
  list: { readonly tagId: number; readonly wanted: readonly WantedEntry[] },
  { entries: present, untagged }: Listing,
  lastApplied: number | null,
): Difference {
  const clashes: Clash[] = []
  const wanted = list.wanted.filter((entry) => {
    const here = untagged.has(entry.buildId) && (lastApplied === null || entry.prodEvent <= lastApplied)
    if (!here) return true
    const prodWins = conflicts.tag === 'prod-wins'
    clashes.push({
      subject: `tag_listing tag_id=${list.tagId} build_id=${entry.buildId}`,
      kind: 'removed',
      prod: { create_event: entry.prodEvent },
      local: null,
      decision: prodWins ? 'prod-won' : conflicts.tag === 'hold' ? 'held' : 'local-won',
    })
    return prodWins
  })

  // What prod has too is ours from now on, whoever tagged it: so that it goes when prod's goes.
  const wantedIds = new Set(wanted.map((entry) => entry.buildId))
  const change = diffListing(
    wanted,
    present.map((entry) => (wantedIds.has(entry.buildId) ? { ...entry, ours: true } : entry)),
  )
  const again = new Set(change.creates.map((create) => create.buildId))
  const adopted = present
    .filter((entry) => !entry.ours && wantedIds.has(entry.buildId) && !again.has(entry.buildId))
    .map(({ row }) => ({ table: 'tag_listing' as const, row }))
  const creates = change.creates.map(
    (create): Op => ({
      kind: 'create',
      table: 'tag_listing',
      cells: { tag_id: list.tagId, build_id: create.buildId },
      slot: create.slot,
      ...(create.replaces !== null && !create.replaces.ours ? { creatorId: create.replaces.creatorId } : {}),
    }),
  )
  const slotOfBuild = new Map(change.creates.map((create) => [create.buildId, create.slot]))
  const revokes = change.revokes.map(({ entry, again }) => ({
    again,
    op: {
      kind: 'revoke',
      table: 'tag_listing',
      row: entry.row,
      slot: again ? (slotOfBuild.get(entry.buildId) as number) : REVOKE_SLOT,
    } satisfies Op,
  }))
  return {
    ops: [...revokes.map(({ op }) => op), ...creates],
    removals: revokes.filter(({ again }) => !again).map(({ op }) => op),
    clashes,
    adopted,
  }
}
