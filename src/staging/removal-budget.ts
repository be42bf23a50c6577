import type { Tx } from './database.ts'
import { spendGrant } from './removal-grants.ts'

/** The window over which inferred removals are counted. */
const WINDOW = `interval '1 hour'`

/** What may always be removed in an hour, rows of a kind. */
export const REMOVALS_FLOOR = 1000

/** The share of the owned rows of a kind that may be removed in an hour. */
const REMOVALS_SHARE = 0.05

/**
 * Spends of the hourly budget of *inferred* removals (prod's list merely no longer shows a row), which all daemons
 * share. `kind` is the name of a versioned table or a kind of `staging_sync.owned`. What was allowed counts only if
 * the transaction commits. Takes the kind's gate, so ask for it before taking locks of Koji's rows.
 *
 * What is over the budget is taken from what a person allowed for a reconcile that runs (`removal-grants.ts`).
 *
 * `ownedTotal`: rows of that kind that are ours; when absent as counted last (`owned-counts.ts`), and the floor alone where
 * nobody has counted yet.
 */
export async function spendRemovals(
  tx: Tx,
  kind: string,
  count: number,
  ownedTotal?: number,
): Promise<{ allowed: number }> {
  if (count <= 0) return { allowed: 0 }
  await tx.query(
    'removals.gate',
    `insert into staging_sync.removal_gate as g (kind) values ($1) on conflict (kind) do update set kind = g.kind`,
    [kind],
  )
  const [spent] = await tx.query<{ count: number }>(
    'removals.spent',
    `select coalesce(sum(count), 0)::bigint as count from staging_sync.removal
      where kind = $1 and removed_at > clock_timestamp() - ${WINDOW}`,
    [kind],
  )
  const used = spent?.count ?? 0
  let budget = REMOVALS_FLOOR
  if (used + count > budget) {
    const owned = ownedTotal ?? (await readCount(tx, kind))
    budget = Math.max(budget, Math.floor(owned * REMOVALS_SHARE))
  }
  const allowed = Math.max(0, Math.min(count, budget - used))
  if (allowed > 0) {
    await tx.query(
      'removals.spend',
      `with forgotten as (delete from staging_sync.removal where kind = $1 and removed_at < clock_timestamp() - ${WINDOW})
       insert into staging_sync.removal (kind, count) values ($1, $2)`,
      [kind, allowed],
    )
  }
  // Beside the hourly budget: a person has looked at these.
  return { allowed: allowed < count ? allowed + (await spendGrant(tx, count - allowed)) : allowed }
}

/** Counted beforehand: counting would scan a table of Koji's while the gate is held. */
async function readCount(tx: Tx, kind: string): Promise<number> {
  const [row] = await tx.query<{ count: number }>(
    'removals.owned-count',
    'select count from staging_sync.owned_count where kind = $1',
    [kind],
  )
  return row?.count ?? 0
}
