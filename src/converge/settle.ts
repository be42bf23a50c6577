import { formatKey } from '../model/key.ts'
import type { Expectation, Outcome } from '../model/outcome.ts'
import { type Claim, isFenceBusy } from '../queue/queue.ts'
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
  /** Asks prod for the proofs of removals; asked only when there are any. */
  prove(removals: readonly Op[], lastApplied: number | null): Promise<Proofs | LeftAlone>
}

/** What is to be done, by one read of staging. */
export interface Reading extends Pick<Plan, 'tagIds' | 'prodEvent' | 'whole'> {
  readonly state: KeyState
  readonly difference: Difference
  /** of removals, where prod has told them already */
  readonly proofs?: Proofs | null
}

/** There is nothing to apply: how the round ends instead. It may ask prod, and is called outside of any transaction. */
export interface Stop {
  readonly stop: () => Promise<Converged>
}

export interface Work {
  readonly claim: Claim
  readonly unmet: readonly Expectation[]
  /**
   * Reads staging. Called before the transaction, inside it, and after, when `after` is true. Inside, it may answer at once from a look that was
   * taken since the claim, if the one after is as whole as that.
   */
  read(sql: Sql, after: boolean): Promise<Reading | Stop>
  /** Asks prod for the proofs of removals; asked only when there are any, and none are known. */
  prove(lastApplied: number | null, removals: readonly Op[]): Promise<Proofs | LeftAlone>
}

/** `settleReading` for keys whose difference alone is read anew. */
export async function settle(deps: Deps, plan: Plan): Promise<Converged> {
  const { claim, unmet } = plan
  const state = plan.state ?? (await readKeyState(deps.database, formatKey(claim.key)))
  return settleReading(deps, {
    claim,
    unmet,
    read: async (sql, after) => ({
      ...plan,
      state,
      difference: await plan.difference(sql, after ? plan.prodEvent : state.lastApplied),
    }),
    prove: (lastApplied, removals) => plan.prove(removals, lastApplied),
  })
}

/**
 * Diff, and if there is a difference, apply it: the one way in which versioned rows of staging change.
 *
 * The diff that is applied is that of a read inside the transaction (or a moment before it, `tagged-ahead.ts`: what it revokes must still
 * stand as it was read), and there is one more look after the commit: if somebody changed the key meanwhile it is marked again. A key that is equal takes no lock and writes nothing. What a message claimed has
 * most likely changed, so it is read in the transaction at once; any other key has most likely not, and is read before.
 */
export async function settleReading(deps: Deps, work: Work): Promise<Converged> {
  const { database, queue } = deps
  const { claim, unmet } = work
  let toProve: ToProve | null = null
  if (claim.expect.length === 0) {
    const first = await work.read(database, false)
    if ('stop' in first) return first.stop()
    if (isNothing(first)) return { outcome: { kind: 'unchanged' }, unmet, fenced: false }
    toProve = unproved(first)
  }
  let proofs: Proofs | null = null
  let isQuick = true
  for (;;) {
    if (toProve !== null) {
      const proved = await work.prove(toProve.lastApplied, toProve.removals)
      if (typeof proved !== 'function') return { ...skipped(proved.leftAlone), unmet }
      proofs = proved
    }
    const attempt = { proofs, isQuick }
    const result = await database
      .transaction('converge', (tx) => apply(tx, deps, work, attempt))
      .catch((error: unknown) => {
        if (!isFenceBusy(error)) throw error
        return 'busy' as const
      })
    if (result === 'busy') {
      isQuick = false
      toProve = null
      continue
    }
    if (result === 'nothing') return { outcome: { kind: 'unchanged' }, unmet, fenced: false }
    if ('stop' in result) return result.stop()
    if ('removals' in result) {
      toProve = result
      continue
    }
    if (result.stopped === 0 && result.rows > 0) {
      const after = result.after ?? (await work.read(database, true))
      if ('stop' in after || after.difference.ops.length > 0)
        await queue.mark([{ key: claim.key, priority: claim.priority }])
    }
    return { outcome: outcomeOf(result), unmet, fenced: true }
  }
}

/** Removals that prod must be asked about. */
interface ToProve {
  readonly lastApplied: number | null
  readonly removals: readonly Op[]
}

function unproved({ difference, proofs, state }: Reading): ToProve | null {
  const { removals } = difference
  return removals.length === 0 || proofs != null ? null : { lastApplied: state.lastApplied, removals }
}

/** Nothing is written when there is nothing to do, or when prod must be asked for proofs first. */
async function apply(
  tx: Tx,
  deps: Deps,
  work: Work,
  attempt: { readonly proofs: Proofs | null; readonly isQuick: boolean },
): Promise<Result | 'nothing' | ToProve | Stop> {
  const now = await work.read(tx, false)
  if ('stop' in now) return now
  if (isNothing(now)) return 'nothing'
  const { difference, state } = now
  const proofs = now.proofs ?? attempt.proofs
  if (proofs === null && difference.removals.length > 0)
    return { lastApplied: state.lastApplied, removals: difference.removals }
  const keyText = formatKey(work.claim.key)
  const gate = await passGate(tx, difference, proofs ?? (() => null))
  const before = difference.before === undefined ? 0 : await difference.before(tx)
  const clashes = difference.clashes
  const { rows, written } = applyOps(tx, deps, gate.ops, {
    keyText,
    prodEvent: gate.stopped === 0 ? newest(now.prodEvent, gate.prodEvent) : null,
    whole: now.whole !== false && clashes.every((clash) => clash.decision === 'prod-won'),
    tagIds: now.tagIds,
  })
  const writes = [written, recordAdopted(tx, difference.adopted ?? [])]
  const result = { rows: before + rows, stopped: gate.stopped, held: heldReason(clashes) }
  const hasClashes = clashes.length > 0 || state.clashesOpen
  if (attempt.isQuick && !hasClashes && gate.stopped === 0 && work.unmet.length === 0) {
    writes.push(deps.queue.fenceAtOnce(tx, work.claim))
    const [after] = await Promise.all([tx.commit((sql) => work.read(sql, true)), ...writes])
    return { ...result, after }
  }
  if (hasClashes) writes.push(noteClashes(tx, keyText, clashes))
  writes.push(deps.queue.fence(tx, work.claim, { relook: work.unmet }))
  await Promise.all(writes)
  return { ...result, after: null }
}

function isNothing({ difference, state }: Reading): boolean {
  const { ops, before, adopted = [], clashes } = difference
  const isEqual = ops.length === 0 && before === undefined && adopted.length === 0
  return isEqual && clashes.length === 0 && !state.clashesOpen
}

interface Result {
  readonly rows: number
  readonly stopped: number
  readonly held: string | null
  /** the look after the commit; null: it is to be taken */
  readonly after: Reading | Stop | null
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
