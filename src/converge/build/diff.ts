import { sameKojiJson } from '../../model/koji-json.ts'
import { parseKojiJson } from '../../model/koji-json-parse.ts'
import type { Cell } from '../../staging/cell.ts'
import { BUILD_TABLES, type BuildTable, type Row, type TableSpec, type Tables } from './tables.ts'

/** Rows of one table to write; updates hold the key and the columns that differ. */
export interface TableChange {
  readonly spec: TableSpec
  readonly inserts: readonly Row[]
  readonly updates: readonly Row[]
  readonly deletes: readonly Row[]
}

/** What must be written so that staging's rows of a build are the wanted ones; tables without change are left out. Pure. */
export function diffTables(wanted: Tables, present: Tables): TableChange[] {
  return BUILD_TABLES.map((spec) => diffTable(spec, wanted[spec.name], present[spec.name])).filter(
    (change) => change.inserts.length + change.updates.length + change.deletes.length > 0,
  )
}

export function changeOf(changes: readonly TableChange[], table: BuildTable): TableChange | undefined {
  return changes.find((change) => change.spec.name === table)
}

function diffTable(spec: TableSpec, wanted: readonly Row[], present: readonly Row[]): TableChange {
  const presentByKey = new Map(present.map((row) => [keyOf(spec, row), row]))
  const wantedByKey = new Map(wanted.map((row) => [keyOf(spec, row), row]))
  const inserts: Row[] = []
  const updates: Row[] = []
  for (const [key, row] of wantedByKey) {
    const now = presentByKey.get(key)
    if (now === undefined) {
      inserts.push(row)
      continue
    }
    const changed = spec.values.filter((column) => !sameCell(spec, column, row[column], now[column]))
    if (changed.length > 0) {
      updates.push(
        Object.fromEntries([...spec.key, ...changed].map((column) => [column, row[column] ?? null])),
      )
    }
  }
  const deletes = [...presentByKey].filter(([key]) => !wantedByKey.has(key)).map(([, row]) => row)
  return { spec, inserts, updates, deletes }
}

export function keyOf(spec: TableSpec, row: Row): string {
  return JSON.stringify(spec.key.map((column) => String(row[column] ?? null)))
}

export function sameCell(spec: TableSpec, column: string, a: Cell | undefined, b: Cell | undefined): boolean {
  const left = a ?? null
  const right = b ?? null
  if (left === null || right === null) return left === right
  if (spec.json.includes(column)) return sameJsonText(String(left), String(right))
  return String(left) === String(right)
}

/** Python and we may space and escape differently; a text that is no JSON is compared as it stands. */
function sameJsonText(a: string, b: string): boolean {
  if (a === b) return true
  try {
    return sameKojiJson(parseKojiJson(a), parseKojiJson(b))
  } catch {
    return false
  }
}
