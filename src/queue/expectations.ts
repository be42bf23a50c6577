import { SyncError } from '../errors.ts'
import type { Expectation } from '../model/outcome.ts'
import type { ClaimedExpectation } from './queue.ts'

/** Subjects per key; the newest are kept. */
export const MAX_EXPECTATIONS = 64

const MAX_TEXT = 512

/** The row's column: subject to [claim, milliseconds since 1970]. */
export type StoredExpectations = ReadonlyMap<string, readonly [claim: string, sinceMs: number]>

/**
 * The newest claim per subject, the last of the list being the newest, at most MAX_EXPECTATIONS; what is beyond that, or
 * can't be stored as jsonb (NUL, half a surrogate pair, too long), is dropped: an expectation only schedules re-looks.
 */
export function mergeExpectations(list: readonly Expectation[]): { kept: Expectation[]; dropped: number } {
  const bySubject = new Map<string, Expectation>()
  let dropped = 0
  for (const expectation of list) {
    if (!isStorable(expectation.subject) || !isStorable(expectation.claim)) {
      dropped += 1
      continue
    }
    bySubject.delete(expectation.subject)
    bySubject.set(expectation.subject, expectation)
  }
  const all = [...bySubject.values()]
  const kept = all.slice(-MAX_EXPECTATIONS)
  return { kept, dropped: dropped + all.length - kept.length }
}

/** Whether PostgreSQL's text and jsonb take it. */
export function isStorable(text: string): boolean {
  return text.length <= MAX_TEXT && !text.includes('\0') && !/\p{Surrogate}/u.test(text)
}

/** Reads the column. Throws SyncError QUEUE_ROW_INVALID for what we never wrote. */
export function parseExpectations(json: string | null): StoredExpectations {
  const stored = new Map<string, readonly [string, number]>()
  if (json === null) return stored
  for (const [subject, value] of Object.entries(JSON.parse(json) as Record<string, unknown>)) {
    const [claim, sinceMs] = Array.isArray(value) ? value : []
    if (typeof claim !== 'string' || typeof sinceMs !== 'number') {
      throw new SyncError('QUEUE_ROW_INVALID', `staging_sync.queue.expect: not [claim, time] at ${subject}`)
    }
    stored.set(subject, [claim, sinceMs])
  }
  return stored
}

export function formatExpectations(stored: StoredExpectations): string | null {
  // Object.fromEntries defines members, also one that is named __proto__.
  return stored.size === 0 ? null : JSON.stringify(Object.fromEntries(stored))
}

export interface Settled {
  readonly kept: StoredExpectations
  /** Those that were given up for their age. */
  readonly expired: number
  /** When to look again; null: nothing is expected any more. */
  readonly relookMs: number | null
}

/**
 * What is still expected after a round. Of those that the claim had seen, `relook` stay; those that came after the
 * claim stay too, since this round's read may be older than they are. All of them end at their time to live.
 */
export function settleExpectations(
  stored: StoredExpectations,
  seen: readonly ClaimedExpectation[],
  relook: readonly Expectation[],
  options: { nowMs: number; ttlMs: number; delaysMs: readonly number[] },
): Settled {
  const unmet = new Set(relook.map(({ subject, claim }) => JSON.stringify([subject, claim])))
  const known = new Map(seen.map((expectation) => [expectation.subject, expectation]))
  const kept = new Map<string, readonly [string, number]>()
  let expired = 0
  let relookMs: number | null = null
  for (const [subject, [claim, sinceMs]] of stored) {
    const before = known.get(subject)
    const wasSeen = before?.claim === claim && before.sinceMs === sinceMs
    if (wasSeen && !unmet.has(JSON.stringify([subject, claim]))) continue
    const ageMs = options.nowMs - sinceMs
    if (ageMs >= options.ttlMs) {
      expired += 1
      continue
    }
    kept.set(subject, [claim, sinceMs])
    relookMs = Math.min(relookMs ?? Number.POSITIVE_INFINITY, relookDelayMs(ageMs, options.delaysMs))
  }
  return { kept, expired, relookMs }
}

/** The first delay that is longer than it has been unmet, so that looks come after about 0.1, 1, 6, 36 s. */
export function relookDelayMs(ageMs: number, delaysMs: readonly number[]): number {
  return delaysMs.find((delayMs) => ageMs < delayMs) ?? delaysMs.at(-1) ?? 0
}
