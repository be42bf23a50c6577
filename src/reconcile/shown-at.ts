import { identity } from '../converge/versioned-diff.ts'
import type { Cell } from '../staging/cell.ts'
import { VERSIONED, type VersionedName } from '../staging/versioned-tables.ts'
import { ALWAYS, intersection, outside, union, type Window, type Windows } from './windows.ts'

/** A row that prod showed at an event, by staging's ids; `cells` null: it refers to something that staging lacks. */
export interface ShownRow {
  readonly table: VersionedName
  readonly cells: Readonly<Record<string, Cell>> | null
  /** as people call it */
  readonly subject: string
  /** place in an ordered listing, of those with the same `list`: ascending */
  readonly place?: { readonly list: string; readonly order: readonly [event: number, buildId: number] }
}

/** One version of a row of staging, whoever made it. */
export interface StagingVersion {
  readonly table: VersionedName
  readonly cells: Readonly<Record<string, unknown>>
  readonly life: Window
  /** made by us, or copied with the seed: it must not be there where prod showed none */
  readonly ours: boolean
  readonly revokedByUs: boolean
  /** text of the key that it belongs to */
  readonly key: string
}

/** Of a key: up to which event of prod staging was equal, and from which event of its own. */
export interface Checkpoint {
  readonly prodEvent: number
  readonly stagingEvent: number
}

/** Columns that prod's history does not have, or that are staging's own affair. */
const UNKNOWN: Partial<Record<VersionedName, ReadonlySet<string>>> = {
  tag_external_repos: new Set(['arches']),
}

export interface Shown {
  readonly windows: Windows
  /** what staging never showed so; empty where there is no such thing */
  readonly reasons: readonly string[]
}

/**
 * During which events of staging its rows were those of prod, modulo rows of staging's own: each row of prod's there with its
 * values, none of ours besides, listings in prod's order. Pure.
 */
export function shownWindows(wanted: readonly ShownRow[], versions: readonly StagingVersion[]): Shown {
  const byIdentity = new Map<string, StagingVersion[]>()
  for (const version of versions) {
    const at = rowIdentity(version.table, version.cells)
    byIdentity.set(at, [...(byIdentity.get(at) ?? []), version])
  }
  const reasons: string[] = []
  const equal = new Set<StagingVersion>()
  let windows = ALWAYS
  for (const row of wanted) {
    const same =
      row.cells === null
        ? []
        : (byIdentity.get(rowIdentity(row.table, row.cells)) ?? []).filter((version) => isSame(row, version))
    for (const version of same) equal.add(version)
    if (same.length === 0) reasons.push(`${row.subject} (${row.table})`)
    windows = intersection(windows, union(same.map(({ life }) => life)))
  }
  const surplus = versions.filter((version) => version.ours && !equal.has(version))
  windows = intersection(windows, outside(surplus.map(({ life }) => life)))
  return { windows: inOrder(windows, wanted, byIdentity), reasons }
}

function isSame({ table, cells }: ShownRow, version: StagingVersion): boolean {
  const unknown = UNKNOWN[table]
  return VERSIONED[table].values.every(
    (column) => unknown?.has(column) === true || textOf(cells?.[column]) === textOf(version.cells[column]),
  )
}

/** NULL is not the text 'null'; 5 is 5n. */
function textOf(cell: unknown): string {
  return cell === null || cell === undefined ? '\0' : String(cell)
}

function rowIdentity(table: VersionedName, cells: Readonly<Record<string, unknown>>): string {
  return `${table} ${identity(cells as Readonly<Record<string, Cell>>, VERSIONED[table].key)}`
}

/** Those of the windows in which each listing had prod's order, by create event and then build id, as the hub shows it. */
function inOrder(
  windows: Windows,
  wanted: readonly ShownRow[],
  byIdentity: ReadonlyMap<string, readonly StagingVersion[]>,
): Windows {
  const lists = new Map<string, ShownRow[]>()
  for (const row of wanted) {
    if (row.place === undefined) continue
    lists.set(row.place.list, [...(lists.get(row.place.list) ?? []), row])
  }
  let left = windows
  for (const rows of lists.values()) {
    if (rows.length < 2 || left.length === 0) continue
    const sorted = rows.toSorted((a, b) => compare(a.place?.order ?? [0, 0], b.place?.order ?? [0, 0]))
    const versions = sorted.map((row) =>
      row.cells === null ? [] : (byIdentity.get(rowIdentity(row.table, row.cells)) ?? []),
    )
    const changes = new Set(versions.flat().map(({ life }) => life.from))
    left = left.flatMap((window) => segments(window, changes).filter(({ from }) => isOrdered(versions, from)))
  }
  return union(left)
}

/** A window cut at changes. */
function segments({ from, to }: Window, changes: ReadonlySet<number>): Window[] {
  const cuts = [from, ...[...changes].filter((event) => event > from && event < to).sort((a, b) => a - b), to]
  return cuts.slice(0, -1).map((start, index) => ({ from: start, to: cuts[index + 1] as number }))
}

function isOrdered(versions: readonly (readonly StagingVersion[])[], event: number): boolean {
  const orders = versions.map((some): readonly [number, number] => {
    const now = some.find(({ life }) => life.from <= event && event < life.to)
    return [now?.life.from ?? 0, Number(now?.cells.build_id)]
  })
  return orders.every((order, index) => index === 0 || compare(orders[index - 1] ?? [0, 0], order) < 0)
}

function compare(a: readonly [number, number], b: readonly [number, number]): number {
  return a[0] - b[0] || a[1] - b[1]
}

/**
 * During which events a key stood at a checkpoint that holds nothing of prod's newer than `prodEvent`: from the checkpoint on
 * until we changed something of it again. So an event inside of a transaction, and a state that left something out, is in none.
 * Before our first change after `base` (the seed's last event) a key is as it was copied, or not there.
 */
export function checkpointWindows(
  checkpoints: readonly Checkpoint[],
  versions: readonly StagingVersion[],
  prodEvent: number,
  base: number,
): Windows {
  const changes = versions
    .flatMap(({ life, ours, revokedByUs }) => [
      ...(ours ? [life.from] : []),
      ...(revokedByUs ? [life.to] : []),
    ])
    .sort((a, b) => a - b)
  const until = (event: number): number =>
    changes.find((change) => change > event) ?? Number.POSITIVE_INFINITY
  const stood = checkpoints
    .filter((checkpoint) => checkpoint.prodEvent <= prodEvent)
    .map(({ stagingEvent }) => ({ from: stagingEvent, to: until(stagingEvent) }))
  return union([{ from: 0, to: until(base) }, ...stood])
}
