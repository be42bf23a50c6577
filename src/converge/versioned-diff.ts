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
 * | row     | equal   | any   |                    | nothing                                                     |
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
}

export interface Judge {
  readonly isOurs: (row: VersionedRow) => boolean
  readonly revokedByUs: (row: VersionedRow) => boolean
  /** newest prod event of this key that was applied before; null: none is known */
  readonly lastApplied: number | null
  readonly policy: ConflictPolicy
}

export function diffVersioned(state: TableState, judge: Judge): VersionedDiff {
  const ops: Op[] = []
  const removals: Op[] = []
  const clashes: Clash[] = []
  const decision = judge.policy === 'prod-wins' ? 'prod-won' : judge.policy === 'hold' ? 'held' : 'local-won'
  const prodWins = judge.policy === 'prod-wins'
  const { table } = state
  const { key: keyColumns, values: valueColumns, uniques } = VERSIONED[table]
  const activeByKey = new Map(state.active.map((row) => [identity(row.cells, keyColumns), row]))
  const revokedByKey = new Map(state.revoked.map((row) => [identity(row.cells, keyColumns), row]))
  const wantedKeys = new Set(state.wanted.map((row) => identity(row.cells, keyColumns)))
  const newest = state.wanted.reduce((max, row) => Math.max(max, row.prodEvent), 0)
  const going = new Set<VersionedRow>()
  const staying: VersionedRow[] = []

  for (const row of state.active) {
    if (wantedKeys.has(identity(row.cells, keyColumns))) continue
    if (judge.isOurs(row)) {
      const op: Op = { kind: 'revoke', table, row, slot: newest }
      ops.push(op)
      removals.push(op)
      going.add(row)
    } else {
      staying.push(row)
    }
  }

  const create = (want: WantedRow, replaces: VersionedRow | undefined): void => {
    for (const slotColumns of uniques) {
      const slot = identity(want.cells, slotColumns)
      const tenant = staying.find((row) => !going.has(row) && identity(row.cells, slotColumns) === slot)
      if (tenant === undefined) continue
      const subject = `${table} ${slot}`
      clashes.push({ subject, kind: 'slot', prod: want.cells, local: tenant.cells, decision })
      if (!prodWins) return
      ops.push({ kind: 'revoke', table, row: tenant, slot: want.prodEvent })
      going.add(tenant)
    }
    if (replaces !== undefined) ops.push({ kind: 'revoke', table, row: replaces, slot: want.prodEvent })
    ops.push({ kind: 'create', table, cells: want.cells, slot: want.prodEvent })
  }

  for (const want of state.wanted) {
    const key = identity(want.cells, keyColumns)
    const now = activeByKey.get(key)
    if (now !== undefined) {
      if (sameValues(now.cells, want.cells, valueColumns)) continue
      if (!judge.isOurs(now)) {
        clashes.push({
          subject: `${table} ${key}`,
          kind: 'edited',
          prod: want.cells,
          local: now.cells,
          decision,
        })
        if (!prodWins) continue
      }
      create(want, now)
      continue
    }
    const before = revokedByKey.get(key)
    const removedHere =
      before !== undefined &&
      judge.isOurs(before) &&
      !judge.revokedByUs(before) &&
      (judge.lastApplied === null || want.prodEvent <= judge.lastApplied) &&
      sameValues(before.cells, want.cells, valueColumns)
    if (removedHere) {
      clashes.push({ subject: `${table} ${key}`, kind: 'removed', prod: want.cells, local: null, decision })
      if (!prodWins) continue
    }
    create(want, undefined)
  }
  return { ops, removals, clashes }
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
