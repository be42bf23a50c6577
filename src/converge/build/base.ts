import { createHash } from 'node:crypto'
import { toKojiJson } from '../../model/koji-json.ts'
import { parseKojiJson } from '../../model/koji-json-parse.ts'
import { sameCell } from './diff.ts'
import { BUILD_TABLES, type Row, type TableSpec } from './tables.ts'

/**
 * What was applied to a build row last, kept as the digest of its record: the fields of a build have no history, so an edit of
 * staging's people is seen by comparing three sides.
 */
export interface Base {
  /** staging's `create_event` of the row: another one means that staging's hub recycled it */
  readonly event: number
  /** prod's, of which it stands */
  readonly prodEvent: number
  /** column to a short digest of its cell; empty: the row was left bare by a removal */
  readonly cells: Readonly<Record<string, string>>
}

const BUILD = BUILD_TABLES[0] as TableSpec
/** The event says more than its time. */
const COLUMNS = BUILD.values.filter((name) => name !== 'creation_time')

export function cellsOf(row: Row): Base['cells'] {
  return Object.fromEntries(COLUMNS.map((name) => [name, digestOf(name, row)]))
}

export function formatBase(base: Base): string {
  return JSON.stringify(base)
}

/** null for no record, and for text that is none of ours. */
export function parseBase(text: string | null): Base | null {
  try {
    const base = JSON.parse(text ?? 'null') as Partial<Base> | null
    const isBase =
      typeof base?.event === 'number' &&
      typeof base.prodEvent === 'number' &&
      typeof base.cells === 'object' &&
      base.cells !== null
    return isBase ? (base as Base) : null
  } catch {
    return null
  }
}

/** Columns that staging's people changed since: neither what was applied, nor what prod has now. */
export function editedColumns(base: Base, present: Row, wanted: Row): string[] {
  return COLUMNS.filter(
    (name) =>
      base.cells[name] !== undefined &&
      base.cells[name] !== digestOf(name, present) &&
      !sameCell(BUILD, name, present[name], wanted[name]),
  )
}

function digestOf(column: string, row: Row): string {
  const cell = row[column] ?? null
  const text = cell === null ? 'null' : `=${column === 'extra' ? canonical(String(cell)) : String(cell)}`
  return createHash('sha256').update(text).digest('base64').slice(0, 12)
}

function canonical(text: string): string {
  try {
    return toKojiJson(parseKojiJson(text))
  } catch {
    return text
  }
}
