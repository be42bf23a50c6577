import { ConfigError } from '../errors.ts'
import type { Catalog } from './catalog.ts'
import type { Sql } from './database.ts'

export interface SequenceReport {
  readonly name: string
  /** last number given */
  readonly from: number
  readonly to: number
}

/**
 * Moves every sequence of Koji's tables above the floor, above its table's own maximum and above what it gave already;
 * never downwards. Returns those that moved. Throws ConfigError SEQUENCE_EXHAUSTED naming one that has no room.
 */
export async function raiseSequences(sql: Sql, catalog: Catalog, idFloor: number): Promise<SequenceReport[]> {
  const moved: SequenceReport[] = []
  for (const { sequence, table, column, max } of catalog.sequences()) {
    const [now] = await sql.query<{ last: number; top: number }>(
      `sequences.read.${sequence}`,
      `select s.last_value as last, coalesce((select max("${column}") from "${table}"), 0)::bigint as top
         from ${sequence} s`,
      [],
      { prepare: false },
    )
    const last = now?.last ?? 0
    const to = Math.max(idFloor, now?.top ?? 0, last)
    if (to >= max) {
      throw new ConfigError(
        'SEQUENCE_EXHAUSTED',
        `staging's ${sequence} would stand at ${to}; it ends at ${max}`,
      )
    }
    if (to === last) continue
    // Compared again in the same statement: the hub may take numbers meanwhile.
    const set = await sql.query<{ to: number }>(
      `sequences.raise.${sequence}`,
      `select setval('${sequence}', $1) as to from ${sequence} where last_value < $1`,
      [to],
      { prepare: false },
    )
    if (set.length > 0) moved.push({ name: sequence, from: last, to })
  }
  return moved
}

/** Sequences that would give an id of prod's range, with their last value: empty after `init`, for `doctor`. */
export async function lowSequences(sql: Sql, catalog: Catalog, idFloor: number): Promise<string[]> {
  const low: string[] = []
  for (const { sequence } of catalog.sequences()) {
    const [row] = await sql.query<{ last: number }>(
      `sequences.check.${sequence}`,
      `select last_value as last from ${sequence}`,
      [],
      { prepare: false },
    )
    if (row !== undefined && row.last < idFloor) low.push(`${sequence} (${row.last})`)
  }
  return low
}
