import type { Database } from '../staging/database.ts'

/** What a `PostgresQueue` is made of. Durations are counted by the database's clock. */
export interface QueueOptions {
  readonly database: Database
  /** Who claims, for people who look at the table: host, process id. */
  readonly holder: string
  /** A number in [0, 1) for jitter. */
  readonly random: () => number
  /** Milliseconds of a monotonic clock, only to pace scans: never compared with the database's. */
  readonly monotonicMs: () => number
  readonly timing?: Partial<QueueTiming>
}

export interface QueueTiming {
  /** How long a claim lasts without `renew`. */
  readonly leaseMs: number
  /** Backoff of a key's own failures: base, doubled each time, up to the ceiling. */
  readonly backoffBaseMs: number
  readonly backoffCeilingMs: number
  /** Failures in a row after which a key is parked. */
  readonly maxAttempts: number
  /** When a parked key is tried again without a mark. */
  readonly parkedRetryMs: number
  /** When to look again at what prod does not show yet; the last one repeats. */
  readonly relookMs: readonly number[]
  /** Age at which an unmet expectation is dropped. */
  readonly expectationTtlMs: number
  /** How long a key waits for its dependencies at most: base, doubled each time, up to the ceiling. */
  readonly waitBaseMs: number
  readonly waitCeilingMs: number
  /** Waits in a row that end at once when the dependencies are done; later ones are paced. */
  readonly promptWaits: number
  /** Marks per transaction of `mark`. */
  readonly markChunk: number
  /** Pause between two claims that look at the whole index, at least. */
  readonly fullScanMs: number
}

export const QUEUE_TIMING: QueueTiming = {
  leaseMs: 60_000,
  backoffBaseMs: 1_000,
  backoffCeilingMs: 300_000,
  maxAttempts: 10,
  parkedRetryMs: 3_600_000,
  relookMs: [100, 1_000, 5_000, 30_000],
  expectationTtlMs: 600_000,
  waitBaseMs: 15_000,
  waitCeilingMs: 600_000,
  promptWaits: 5,
  markChunk: 1_000,
  fullScanMs: 1_000,
}

/** `base` doubled per attempt after the first, up to `ceiling`, less up to half of it by chance. `attempt` counts from 1. */
export function backoffMs(
  attempt: number,
  options: { baseMs: number; ceilingMs: number; random: () => number },
): number {
  const full = Math.min(options.ceilingMs, options.baseMs * 2 ** Math.max(0, attempt - 1))
  return full * (1 - options.random() / 2)
}
