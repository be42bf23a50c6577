import { setTimeout as delay } from 'node:timers/promises'
import { AgainError, StopError } from '../errors.ts'
import { formatKey } from '../model/key.ts'
import type { Found } from './found.ts'

/** A comparison that can be made again. */
export type Unit = () => Promise<readonly Found[]>

/** Tries of a read that changes of prod tear. */
const TRIES = 5

/**
 * Compares, and what differs once more: both sides go on living, and the answers of a hub are no snapshot. What stands is a
 * difference. `confirmMs`: how long others, who work on the queue, may need for a fresh change. Throws StopError.
 */
export async function lookTwice(
  unit: Unit,
  confirmMs: number,
  signal: AbortSignal,
): Promise<readonly Found[]> {
  const first = await again(unit, signal)
  if (first.length === 0) return []
  // Where nobody else works on staging, what it has nothing of cannot have come meanwhile.
  const isSure = confirmMs === 0 && first.every(({ staging }) => staging === null)
  if (isSure) return first
  await delay(confirmMs, undefined, { signal }).catch(() => {})
  const stood = new Set(first.map(identityOf))
  return (await again(unit, signal)).filter((found) => stood.has(identityOf(found)))
}

/** What lost a race is done again, a few times. Throws StopError, AgainError. */
export async function again<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    if (signal.aborted) throw new StopError('RECONCILE_STOPPED', 'the comparison was given up')
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof AgainError) || attempt === TRIES) throw error
      await delay(200 * attempt, undefined, { signal }).catch(() => {})
    }
  }
}

function identityOf({ key, kind, subject, prod, staging }: Found): string {
  const text = (_name: string, value: unknown): unknown =>
    typeof value === 'bigint' ? value.toString() : value
  return JSON.stringify([formatKey(key), kind, subject, prod, staging], text)
}
