import type { Sql } from '../staging/database.ts'
import { type ListedEntry, readListing } from '../staging/listing.ts'
import type { Deps } from './deps.ts'
import type { Op } from './ops.ts'
import type { Difference } from './settle.ts'
import type { Clash } from './versioned-diff.ts'
import { type View, viewDifference } from './versioned-plan.ts'

/** One package in one tag, by staging's ids. */
export interface EntryIds {
  readonly tag_id: number
  readonly package_id: number
}

/**
 * The difference of a package's entry in a tag. An entry that goes, or becomes blocked, makes Koji hide the package's builds
 * in the tag (kojihub.py readTaggedBuilds): builds that staging's people tagged there make it a clash, `on_removed`. `hold` keeps
 * the entry and its owner as they are.
 */
export async function packageDifference(
  sql: Sql,
  deps: Pick<Deps, 'catalog' | 'owner' | 'conflicts'>,
  ids: EntryIds,
  views: readonly View[],
  lastApplied: number | null,
): Promise<Difference> {
  const { catalog, owner, conflicts } = deps
  const settings = { catalog, owner, policy: conflicts.tag }
  const difference = await viewDifference(sql, settings, views, lastApplied)
  if (!hides(difference)) return difference
  const { entries } = await readListing(
    sql,
    { tagId: ids.tag_id, packageId: ids.package_id, buildIds: [] },
    owner,
  )
  const local = entries.filter((entry) => !entry.ours)
  if (local.length === 0) return difference
  const clashes = [...difference.clashes, clashOfUse(ids, local, conflicts.onRemoved)]
  if (conflicts.onRemoved === 'prod-wins') return { ...difference, clashes }
  return { ops: [], removals: [], clashes }
}

/** Is a listed entry about to go, or to be blocked? */
function hides({ ops, removals }: Difference): boolean {
  const entries = ops.filter((op) => op.table === 'tag_packages')
  const wasBlocked = entries.some((op) => op.kind === 'revoke' && op.row.cells.blocked === true)
  const isHiding = (op: Op): boolean =>
    op.kind === 'create' ? op.cells.blocked === true : removals.includes(op)
  return !wasBlocked && entries.some(isHiding)
}

function clashOfUse(
  ids: EntryIds,
  local: readonly ListedEntry[],
  policy: Deps['conflicts']['onRemoved'],
): Clash {
  return {
    subject: `tag_packages tag_id=${ids.tag_id} package_id=${ids.package_id}`,
    kind: 'removed-in-prod',
    prod: null,
    local: { builds: local.map(({ buildId }) => buildId) },
    decision: policy === 'hold' ? 'held' : 'prod-won',
  }
}
