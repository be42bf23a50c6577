import type { Priority } from './outcome.ts'

/**
 * Where a key stands: `ready` to be taken, `delayed` (in backoff, or given back), `relook` (found or made equal, and looked at again at times since
 * prod does not show what a message told: most often another change came after it), `waiting` for other keys, `claimed`, `parked`.
 */
export type QueueState = 'ready' | 'delayed' | 'relook' | 'waiting' | 'claimed' | 'parked'

export const QUEUE_STATES: readonly QueueState[] = [
  'ready',
  'delayed',
  'relook',
  'waiting',
  'claimed',
  'parked',
]

/** Numbers of the queue, for metrics, the page and `status` alike. */
export interface QueueSample {
  readonly keys: Readonly<Record<QueueState, Readonly<Record<Priority, number>>>>
  /** parked keys by the code of the error that parked them */
  readonly parked: Readonly<Record<string, number>>
  /** age of the oldest mark that is due and not parked; 0: there is none */
  readonly oldestSeconds: number
}

/** Of both priorities. */
export function keysIn({ keys }: Pick<QueueSample, 'keys'>, state: QueueState): number {
  return keys[state].live + keys[state].sweep
}
