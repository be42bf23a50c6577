import { formatKey } from '../model/key.ts'
import type { Expectation, Outcome } from '../model/outcome.ts'
import type { Claim } from '../queue/queue.ts'
import { type AdoptedRow, recordAdopted } from '../staging/adopted.ts'
import { recordClashes, resolveClashes } from '../staging/clashes.ts'
import type { Sql, Tx } from '../staging/database.ts'
import { type KeyState, readKeyState } from '../staging/key-state.ts'
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
  /** of the key, where it has been read already, since the claim was taken */
  readonly state?: KeyState
  /** newest prod event that staging shows of this key after this */
  readonly prodEvent: number | null
  /** false: something of the key's in prod is left out for now, so that staging does not show all up to `prodEvent` */
  readonly whole?: boolean
  /** Reads staging and diffs. Called before the transaction, inside it, and after. `lastApplied` is the newest prod event applied before. */
  difference(sql: Sql, lastApplied: number | null): Promise<Difference>
  /** Proofs of removals, where prod has told them already. */
  readonly proofs?: Proofs
  /** Asks prod for the proofs of removals; asked only when there are any, and none are known. */
  prove(removals: readonly Op[], lastApplied: number | null): Promise<Proofs | LeftAlone>
}

/**
 * Diff, and if there is a difference, apply it: the one way in which versioned rows of staging change.
 *
 * The diff that is applied is that of a read inside the transaction, and there is one more look after the commit: if somebody
 * changed the key meanwhile it is marked again. A key that is equal takes no lock and writes nothing. What a message claimed has
 * most likely changed, so it is read in the transaction at once; any other key has most likely not, and is read before.
 */
export async function settle(deps: Deps, plan: Plan): Promise<Converged> {
  const { database, queue } = deps
  const { claim, unmet } = plan
  const keyText = formatKey(claim.key)
  const state = plan.state ?? (await readKeyState(database, keyText))
  let toProve: readonly Op[] = []
  if (claim.expect.length === 0) {
    const first = await plan.difference(database, state.lastApplied)
    if (isNothing(first, state)) return { outcome: { kind: 'unchanged' }, unmet, fenced: false }
    if (plan.proofs === undefined) toProve = first.removals
  }
  let proofs = plan.proofs ?? null
  for (;;) {
    if (toProve.length > 0) {
      const proved = await plan.prove(toProve, state.lastApplied)
      if (typeof proved !== 'function') return { ...skipped(proved.leftAlone), unmet }
      proofs = proved
    }
    const attempt = { keyText, state, proofs }
    const result = await database.transaction('converge', (tx) => apply(tx, deps, plan, attempt))
    if (result === 'nothing') return { outcome: { kind: 'unchanged' }, unmet, fenced: false }
    if ('toProve' in result) {
      toProve = result.toProve
      continue
    }
    if (result.stopped === 0 && result.rows > 0) {
      const after = await plan.difference(database, plan.prodEvent)
      if (after.ops.length > 0) await queue.mark([{ key: claim.key, priority: claim.priority }])
    }
    return { outcome: outcomeOf(result), unmet, fenced: true }
  }
}

interface Attempt {
  readonly keyText: string
  readonly state: KeyState
  /** null: prod was not asked */
  readonly proofs: Proofs | null
}

/** Nothing is written when there is nothing to do, or when prod must be asked for proofs first. */
async function apply(
  tx: Tx,
  deps: Deps,
  plan: Plan,
  { keyText, state, proofs }: Attempt,
): Promise<Result | 'nothing' | { readonly toProve: readonly Op[] }> {
  const now = await plan.difference(tx, state.lastApplied)
  if (isNothing(now, state)) return 'nothing'
  if (proofs === null && now.removals.length > 0) return { toProve: now.removals }
  const gate = await passGate(tx, now, proofs ?? (() => null))
  const before = now.before === undefined ? 0 : await now.before(tx)
  const { rows, written } = await applyOps(tx, deps, gate.ops, {
    keyText,
    prodEvent: gate.stopped === 0 ? newest(plan.prodEvent, gate.prodEvent) : null,
    whole: plan.whole !== false && now.clashes.every((clash) => clash.decision === 'prod-won'),
    tagIds: plan.tagIds,
  })
  await Promise.all([
    written,
    recordAdopted(tx, now.adopted ?? []),
    now.clashes.length > 0 || state.clashesOpen ? noteClashes(tx, keyText, now.clashes) : null,
    deps.queue.fence(tx, plan.claim, { relook: plan.unmet }),
  ])
  return { rows: before + rows, stopped: gate.stopped, held: heldReason(now.clashes) }
}

function isNothing(difference: Difference, { clashesOpen }: KeyState): boolean {
  const { ops, before, adopted = [], clashes } = difference
  return (
    ops.length === 0 && before === undefined && adopted.length === 0 && clashes.length === 0 && !clashesOpen
  )
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

/** Writes what clashes now, and ends what no longer does. */
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
