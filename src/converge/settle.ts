import { AgainError } from '../errors.ts'
import { formatKey } from '../model/key.ts'
import type { Expectation, Outcome } from '../model/outcome.ts'
import type { Claim } from '../queue/queue.ts'
import { type AdoptedRow, recordAdopted } from '../staging/adopted.ts'
import { recordClashes, resolveClashes } from '../staging/clashes.ts'
import type { Sql, Tx } from '../staging/database.ts'
import { lastMapped } from '../staging/events.ts'
import { spendRemovals } from '../staging/removal-budget.ts'
import { VERSIONED, type VersionedName } from '../staging/versioned-tables.ts'
import type { Converged, Deps } from './deps.ts'
import { applyOps, type Op } from './ops.ts'
import { type Clash, identity } from './versioned-diff.ts'
import { skipped } from './wait.ts'

/** What a key's two sides differ in, as read from staging a moment ago. */
export interface Difference {
  readonly ops: readonly Op[]
  /** Those of `ops` that remove a row for good: revokes without a replacement. */
  readonly removals: readonly Op[]
  readonly clashes: readonly Clash[]
  /** Local rows that equal prod's: they are recorded as ours. */
  readonly adopted?: readonly AdoptedRow[]
  /** Writes beside the versioned rows (an identity row, a name), done first. Counts its rows. */
  readonly before?: (tx: Tx) => Promise<number>
}

/** Why a removal is believed: prod's own revoke event, and the slot among the key's ops that it belongs to. */
export interface Proof {
  readonly prodEvent: number
  readonly slot: number
}

/** The proof of a removal; null: prod's list merely no longer shows it. */
export type Proofs = (removal: Op) => Proof | null

/** Instead of proofs: why the key is left as it is. */
export interface LeftAlone {
  readonly leftAlone: string
}

export interface Plan {
  readonly claim: Claim
  readonly unmet: readonly Expectation[]
  /** staging tags whose repos go stale by this */
  readonly tagIds: readonly number[]
  /** newest prod event that was applied before, where it has been read already, since the claim was taken */
  readonly lastApplied?: number | null
  /** newest prod event that staging shows of this key after this */
  readonly prodEvent: number | null
  /** false: something of the key's in prod is left out for now, so that staging does not show all up to `prodEvent` */
  readonly whole?: boolean
  /** Reads staging and diffs. Called before the transaction, inside it, and after. `lastApplied` is the newest prod event applied before. */
  difference(sql: Sql, lastApplied: number | null): Promise<Difference>
  /** Asks prod for the proofs of removals; asked only when there are any. */
  prove(removals: readonly Op[], lastApplied: number | null): Promise<Proofs | LeftAlone>
}

/**
 * Diff, and if there is a difference, apply it: the one way in which versioned rows of staging change.
 *
 * The diff is computed before the transaction (an equal key takes no lock and writes nothing), again inside it from
 * that read, and once more after the commit: if somebody changed the key meanwhile it is marked again.
 */
export async function settle(deps: Deps, plan: Plan): Promise<Converged> {
  const { claim, unmet } = plan
  const keyText = formatKey(claim.key)
  const lastApplied =
    plan.lastApplied === undefined ? await lastMapped(deps.database, keyText) : plan.lastApplied
  const first = await plan.difference(deps.database, lastApplied)
  const adopts = first.adopted !== undefined && first.adopted.length > 0
  if (first.ops.length === 0 && first.before === undefined && !adopts) {
    return { outcome: await withoutOps(deps, keyText, first.clashes), unmet, fenced: false }
  }
  const proofs = first.removals.length > 0 ? await plan.prove(first.removals, lastApplied) : null
  if (proofs !== null && typeof proofs !== 'function') return { ...skipped(proofs.leftAlone), unmet }

  const result = await deps.database.transaction('converge', async (tx) => {
    const now = await plan.difference(tx, lastApplied)
    if (proofs === null && now.removals.length > 0) {
      throw new AgainError('ROW_CHANGED', `${keyText}: rows came to be removed, for which prod was not asked`)
    }
    const gate = await passGate(tx, now, proofs ?? (() => null))
    const before = now.before === undefined ? 0 : await now.before(tx)
    const applied = await applyOps(tx, deps, gate.ops, {
      keyText,
      prodEvent: gate.stopped === 0 ? newest(plan.prodEvent, gate.prodEvent) : null,
      whole: plan.whole !== false && now.clashes.every((clash) => clash.decision === 'prod-won'),
      tagIds: plan.tagIds,
    })
    await recordAdopted(tx, now.adopted ?? [])
    await noteClashes(tx, keyText, now.clashes)
    await deps.queue.fence(tx, claim, { relook: unmet })
    return { rows: before + applied.rows, stopped: gate.stopped, held: heldReason(now.clashes) }
  })

  const after = await plan.difference(deps.database, plan.prodEvent)
  if (result.stopped === 0 && after.ops.length > 0) {
    await deps.queue.mark([{ key: claim.key, priority: claim.priority }])
  }
  return { outcome: outcomeOf(result), unmet, fenced: true }
}

interface Result {
  readonly rows: number
  readonly stopped: number
  readonly held: string | null
}

function outcomeOf(result: Result): Outcome {
  if (result.stopped > 0) {
    return {
      kind: 'held',
      reason: `${result.stopped} unproved removals are over the budget`,
      rows: result.rows,
    }
  }
  if (result.held !== null) return { kind: 'held', reason: result.held, rows: result.rows }
  return result.rows > 0 ? { kind: 'applied', rows: result.rows } : { kind: 'unchanged' }
}

/**
 * The one gate for removals. A revoke in prod's own history is proof and gives the slot; what prod's list merely no longer
 * shows counts against the hourly budget, and past that it stops while the rest goes on.
 */
async function passGate(
  tx: Tx,
  difference: Difference,
  proofs: Proofs,
): Promise<{ ops: readonly Op[]; stopped: number; prodEvent: number | null }> {
  if (difference.removals.length === 0) return { ops: difference.ops, stopped: 0, prodEvent: null }
  const removals = new Set(difference.removals)
  const slots = new Map<Op, number>()
  const inferred = new Map<VersionedName, Op[]>()
  let prodEvent: number | null = null
  for (const op of difference.removals) {
    const proof = proofs(op)
    if (proof !== null) {
      slots.set(op, proof.slot)
      prodEvent = newest(prodEvent, proof.prodEvent)
    } else inferred.set(op.table, [...(inferred.get(op.table) ?? []), op])
  }
  let stopped = 0
  for (const [table, ops] of inferred) {
    const { allowed } = await spendRemovals(tx, table, ops.length)
    for (const op of ops.slice(0, allowed)) slots.set(op, op.slot)
    stopped += ops.length - allowed
  }
  const ops = difference.ops.flatMap((op) => {
    if (!removals.has(op)) return [op]
    const slot = slots.get(op)
    return slot === undefined ? [] : [{ ...op, slot }]
  })
  const stoppedOps = difference.removals.filter((op) => !slots.has(op))
  return { ops: withoutBlocked(ops, stoppedOps), stopped, prodEvent }
}

/** Leaves out what wants a unique slot (a priority) that a row has which was to go and stays. */
function withoutBlocked(ops: readonly Op[], stopped: readonly Op[]): readonly Op[] {
  const tenants = stopped.flatMap((op) => (op.kind === 'revoke' ? [op] : []))
  let open = ops
  for (const tenant of tenants) {
    const { key, uniques } = VERSIONED[tenant.table]
    const blocked = open.find(
      (op) =>
        op.kind === 'create' &&
        op.table === tenant.table &&
        uniques.some((columns) => identity(op.cells, columns) === identity(tenant.row.cells, columns)),
    )
    if (blocked?.kind !== 'create') continue
    const its = identity(blocked.cells, key)
    const isOwn = (op: Op): boolean => op.kind === 'revoke' && identity(op.row.cells, key) === its
    // Its old row stays as well, and may be in the way of the next.
    for (const op of open)
      if (op.table === tenant.table && op.kind === 'revoke' && isOwn(op)) tenants.push(op)
    open = open.filter((op) => op !== blocked && !(op.table === tenant.table && isOwn(op)))
  }
  return open
}

function newest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b)
}

async function withoutOps(deps: Deps, keyText: string, clashes: readonly Clash[]): Promise<Outcome> {
  await noteClashes(deps.database, keyText, clashes)
  const held = heldReason(clashes)
  return held === null ? { kind: 'unchanged' } : { kind: 'held', reason: held, rows: 0 }
}

export async function noteClashes(sql: Sql, keyText: string, clashes: readonly Clash[]): Promise<void> {
  if (clashes.length > 0) await recordClashes(sql, keyText, clashes)
  await resolveClashes(
    sql,
    keyText,
    clashes.map((clash) => clash.subject),
  )
}

function heldReason(clashes: readonly Clash[]): string | null {
  const held = clashes.filter((clash) => clash.decision === 'held')
  return held.length === 0 ? null : held.map((clash) => `${clash.kind}: ${clash.subject}`).join('; ')
}
