import type { ConflictPolicy } from '../config/config.ts'
import type { Cell } from '../staging/cell.ts'
import type { VersionedRow } from '../staging/versioned.ts'
import { VERSIONED, type VersionedName } from '../staging/versioned-tables.ts'
import type { Op } from './ops.ts'

/**
 * The difference between what prod shows of a versioned table and what staging shows, settled by policy. Pure.
 *
 * | prod    | staging | whose | last applied       | then                                                        |
 * | ------- | ------- | ----- | ------------------ | ----------------------------------------------------------- |
 * | row     | equal   | ours  |                    | nothing                                                     |
 * | row     | equal   | local |                    | adopted: ours from now on, so that it goes when prod's goes |
 * | row     | other   | ours  |                    | revoked, created                                            |
 * | row     | other   | local |                    | clash: `prod-wins` revokes theirs, else theirs stays        |
 * | row     | none    |       | ours, then revoked by somebody, prod unchanged since | clash: `prod-wins` creates it again |
 * | row     | none    |       | otherwise          | created                                                     |
 * | none    | row     | ours  |                    | revoked, through the removal gate                           |
 * | none    | row     | local |                    | stays: an addition is no clash                              |
 * | row     | slot taken by a local row  |  |     | clash: `prod-wins` revokes the local row, else ours is left out |
 */
export interface WantedRow {
  /** Columns by staging's ids; create and revoke columns excluded. */
  readonly cells: Readonly<Record<string, Cell>>
  readonly prodEvent: number
}

export interface TableState {
  readonly table: VersionedName
  readonly wanted: readonly WantedRow[]
  readonly active: readonly VersionedRow[]
  /** Latest revoked row of each key; those of keys that are active do not matter. */
  readonly revoked: readonly VersionedRow[]
}

export interface Clash {
  readonly subject: string
  readonly kind: string
  readonly prod: unknown
  readonly local: unknown
  readonly decision: 'prod-won' | 'local-won' | 'held'
}

export interface VersionedDiff {
  readonly ops: readonly Op[]
  /** Revokes without a replacement: they must pass the removal gate. Part of `ops`. */
  readonly removals: readonly Op[]
  readonly clashes: readonly Clash[]
  /** Local rows that equal prod's. */
  readonly adopted: readonly VersionedRow[]
}

export interface Judge {
  readonly isOurs: (row: VersionedRow) => boolean
  readonly revokedByUs: (row: VersionedRow) => boolean
  /** newest prod event of this key that was applied before; null: none is known */
  readonly lastApplied: number | null
  readonly policy: ConflictPolicy
}

/** A row that prod has and staging has not, or not so. */
interface Change {
  readonly want: WantedRow
  /** staging's row of the same key */
  readonly now: VersionedRow | undefined
}

export function diffVersioned(state: TableState, judge: Judge): VersionedDiff {
  const { table } = state
  const { key: keyColumns, values: valueColumns } = VERSIONED[table]
  const decision = judge.policy === 'prod-wins' ? 'prod-won' : judge.policy === 'hold' ? 'held' : 'local-won'
  const prodWins = judge.policy === 'prod-wins'
  const activeByKey = new Map(state.active.map((row) => [identity(row.cells, keyColumns), row]))
  const revokedByKey = new Map(state.revoked.map((row) => [identity(row.cells, keyColumns), row]))
  const wantedKeys = new Set(state.wanted.map((row) => identity(row.cells, keyColumns)))
  const newest = state.wanted.reduce((max, row) => Math.max(max, row.prodEvent), 0)
  const removals: Op[] = []
  const clashes: Clash[] = []
  const staying: VersionedRow[] = []
  const changes: Change[] = []
  const adopted: VersionedRow[] = []

  for (const row of state.active) {
    if (wantedKeys.has(identity(row.cells, keyColumns))) continue
    if (judge.isOurs(row)) removals.push({ kind: 'revoke', table, row, slot: newest })
    else staying.push(row)
  }
  for (const want of state.wanted) {
    const key = identity(want.cells, keyColumns)
    const now = activeByKey.get(key)
    const before = revokedByKey.get(key)
    const clash = (kind: string, local: unknown): unknown =>
      clashes.push({ subject: `${table} ${key}`, kind, prod: want.cells, local, decision })
    if (now !== undefined && sameValues(now.cells, want.cells, valueColumns)) {
      if (!judge.isOurs(now)) adopted.push(now)
      continue
    }
    if (now !== undefined && !judge.isOurs(now)) {
      clash('edited', now.cells)
      if (!prodWins) {
        staying.push(now)
        continue
      }
    }
    if (now === undefined && before !== undefined && isLocalRemoval(before, want, judge, valueColumns)) {
      clash('removed', null)
      if (!prodWins) continue
    }
    changes.push({ want, now })
  }
  const slots = settleSlots(table, changes, staying, { prodWins, decision })
  const replacing = slots.changes.flatMap(({ want, now }): Op[] => [
    ...(now === undefined ? [] : [{ kind: 'revoke', table, row: now, slot: want.prodEvent } as const]),
    { kind: 'create', table, cells: want.cells, slot: want.prodEvent },
  ])
  return {
    ops: [...removals, ...slots.ousted, ...replacing],
    removals,
    clashes: [...clashes, ...slots.clashes],
    adopted,
  }
}

/** Did somebody in staging revoke what prod still has as it was? */
function isLocalRemoval(
  before: VersionedRow,
  want: WantedRow,
  judge: Judge,
  valueColumns: readonly string[],
): boolean {
  return (
    judge.isOurs(before) &&
    !judge.revokedByUs(before) &&
    (judge.lastApplied === null || want.prodEvent <= judge.lastApplied) &&
    sameValues(before.cells, want.cells, valueColumns)
  )
}

/**
 * Settles further unique columns, of which each value is one slot: a change whose slot a staying row has is a clash. One
 * that is not made lets its own row stay, which may be in the way of the next: until nothing moves.
 */
function settleSlots(
  table: VersionedName,
  changes: readonly Change[],
  staying: readonly VersionedRow[],
  policy: { readonly prodWins: boolean; readonly decision: Clash['decision'] },
): { changes: readonly Change[]; ousted: readonly Op[]; clashes: readonly Clash[] } {
  const { uniques } = VERSIONED[table]
  const ousted = new Map<VersionedRow, Op>()
  const clashes: Clash[] = []
  let open = [...changes]
  const tenants = [...staying]
  for (let moved = uniques.length > 0; moved; ) {
    moved = false
    for (const change of open) {
      const taken = uniques.flatMap((columns) => {
        const slot = identity(change.want.cells, columns)
        const tenant = tenants.find((row) => !ousted.has(row) && identity(row.cells, columns) === slot)
        return tenant === undefined ? [] : [{ slot, tenant }]
      })
      for (const { slot, tenant } of taken) {
        clashes.push({
          subject: `${table} ${slot}`,
          kind: 'slot',
          prod: change.want.cells,
          local: tenant.cells,
          decision: policy.decision,
        })
        if (policy.prodWins) {
          ousted.set(tenant, { kind: 'revoke', table, row: tenant, slot: change.want.prodEvent })
        }
      }
      if (taken.length === 0 || policy.prodWins) continue
      open = open.filter((other) => other !== change)
      if (change.now !== undefined) tenants.push(change.now)
      moved = true
      break
    }
  }
  return { changes: open, ousted: [...ousted.values()], clashes }
}

/** The values of some columns as one text. */
export function identity(cells: Readonly<Record<string, Cell>>, columns: readonly string[]): string {
  return columns.map((column) => `${column}=${cellText(cells[column])}`).join(' ')
}

/** NULL and the text 'null' differ; 5 and 5n do not. */
function cellText(cell: Cell | undefined): string {
  return cell === null || cell === undefined ? '\0' : String(cell)
}

function sameValues(
  a: Readonly<Record<string, Cell>>,
  b: Readonly<Record<string, Cell>>,
  columns: readonly string[],
): boolean {
  return columns.every((column) => cellText(a[column]) === cellText(b[column]))
}
