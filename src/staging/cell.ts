import { KeyError } from '../errors.ts'
import type { Column } from './catalog.ts'

/**
 * What a column holds. Timestamps are text `YYYY-MM-DD HH:MM:SS.ffffff` in UTC, also for the columns without time
 * zone of Koji before 1.22.
 */
export type Cell = null | boolean | number | bigint | string | readonly (number | string)[]

const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?$/

const RANGES: Record<string, readonly [bigint, bigint]> = {
  smallint: [-(2n ** 15n), 2n ** 15n - 1n],
  integer: [-(2n ** 31n), 2n ** 31n - 1n],
  bigint: [-(2n ** 63n), 2n ** 63n - 1n],
}

export function isTimestamp(sqlType: string): boolean {
  return sqlType.startsWith('timestamp')
}

/**
 * A cell as json_to_recordset takes it, after checking that the column can hold it; the server would otherwise
 * refuse the whole statement without naming the column.
 *
 * Throws KeyError SCHEMA_CANNOT_HOLD (null where staging demands a value, longer or larger than the column) and
 * CELL_INVALID (a NUL character, half a surrogate pair, another type), both naming `table.column`.
 */
export function encodeCell(table: string, column: Column, cell: Cell): unknown {
  const where = `${table}.${column.name}`
  if (cell === null) {
    if (!column.nullable) throw cannotHold(where, 'null')
    return null
  }
  const range = RANGES[column.sqlType]
  if (range !== undefined) return encodeInteger(where, range, cell)
  if (column.sqlType === 'boolean') {
    if (typeof cell !== 'boolean') throw invalid(where, `a ${typeName(cell)}, expected a boolean`)
    return cell
  }
  if (column.sqlType.endsWith('[]')) {
    if (!isList(cell)) throw invalid(where, `a ${typeName(cell)}, expected a list`)
    for (const item of cell) if (typeof item === 'string') checkText(where, item)
    return cell
  }
  if (column.sqlType === 'double precision') {
    if (typeof cell !== 'number' || !Number.isFinite(cell))
      throw invalid(where, `a ${typeName(cell)}, expected a number`)
    return cell
  }
  if (typeof cell !== 'string') throw invalid(where, `a ${typeName(cell)}, expected text`)
  if (isTimestamp(column.sqlType)) {
    if (!TIME.test(cell)) throw invalid(where, `not a time in UTC: ${JSON.stringify(cell.slice(0, 40))}`)
    return cell
  }
  checkText(where, cell)
  // Koji's lengths count characters, not UTF-16 units.
  if (column.maxLength !== null && cell.length > column.maxLength && [...cell].length > column.maxLength) {
    throw cannotHold(where, `${[...cell].length} characters, it takes ${column.maxLength}`)
  }
  return cell
}

/** A cell that staging's schema has no place for: the object is parked and this is named. */
export function cannotHold(where: string, what: string): KeyError {
  return new KeyError('SCHEMA_CANNOT_HOLD', `staging's ${where} cannot hold what prod has: ${what}`, {
    detail: { column: where },
  })
}

export function isList(cell: unknown): cell is readonly (number | string)[] {
  return Array.isArray(cell)
}

function encodeInteger(where: string, range: readonly [bigint, bigint], cell: Cell): string {
  const exact = typeof cell === 'bigint' || (typeof cell === 'number' && Number.isSafeInteger(cell))
  if (!exact) throw invalid(where, `${typeName(cell)} ${String(cell).slice(0, 40)}, expected an integer`)
  const value = BigInt(cell as number | bigint)
  if (value < range[0] || value > range[1]) throw cannotHold(where, `the number ${value}`)
  return value.toString()
}

function checkText(where: string, text: string): void {
  if (text.includes('\0')) throw invalid(where, 'text with a NUL character, which PostgreSQL cannot store')
  if (/\p{Cs}/u.test(text)) throw invalid(where, 'text with half a surrogate pair')
}

function typeName(cell: Cell): string {
  return isList(cell) ? 'list' : typeof cell
}

function invalid(where: string, what: string): KeyError {
  return new KeyError('CELL_INVALID', `value for ${where}: ${what}`, { detail: { column: where } })
}
