import { SyncError } from '../errors.ts'
import { type Key, parseKey } from '../model/key.ts'
import { parseExpectations } from './expectations.ts'
import type { Claim } from './queue.ts'

/** The columns that a Claim is made of, of a row `q` that was just claimed. */
export const CLAIM_COLUMNS = `q.key, q.token, q.generation, q.priority, q.attempts, q.waits, q.expect, q.only_expected,
    floor(extract(epoch from q.marked_at) * 1000)::float8 as marked_at_ms,
    case when q.depends_on = '{}' then '{}' else array(
      select d.key from staging_sync.queue d
      where d.key = any(q.depends_on) and d.parked_at is not null order by d.key) end as parked_dependencies`

export interface ClaimRow {
  readonly key: string
  readonly token: unknown
  readonly generation: unknown
  readonly priority: number
  readonly attempts: number
  readonly waits: number
  readonly expect: string | null
  readonly only_expected: boolean
  readonly marked_at_ms: number
  readonly parked_dependencies: readonly string[]
}

/** Throws KEY_INVALID or QUEUE_ROW_INVALID for a row that we did not write. */
export function claimOf(row: ClaimRow): Claim {
  return {
    key: parseKey(row.key),
    token: safeNumber(row.token, 'token'),
    generation: safeNumber(row.generation, 'generation'),
    priority: row.priority === 0 ? 'live' : 'sweep',
    attempts: row.attempts,
    expect: [...parseExpectations(row.expect)].map(([subject, [claim, sinceMs]]) => ({
      subject,
      claim,
      sinceMs,
    })),
    onlyExpected: row.only_expected,
    waits: row.waits,
    parkedDependencies: row.parked_dependencies.map((text): Key => parseKey(text)),
    markedAtMs: row.marked_at_ms,
  }
}

/** A bigint column as a number. Throws SyncError QUEUE_NUMBER_UNSAFE beyond 2^53, where numbers would be rounded. */
export function safeNumber(value: unknown, column: string): number {
  const number = typeof value === 'number' ? value : Number.NaN
  if (Number.isSafeInteger(number)) return number
  throw new SyncError(
    'QUEUE_NUMBER_UNSAFE',
    `staging_sync.queue.${column} is ${String(value)}: not a safe integer`,
  )
}
