import type { Priority } from '../model/outcome.ts'
import type { Telemetry } from './events.ts'

/** What the queue has counted since it began; see `QueueCounts` in queue/queue.ts. */
interface Counted {
  readonly leasesExpired: number
  readonly expectationsExpired: number
  readonly expectationsDropped: number
  readonly parkings: number
}

/** Keys were marked by this daemon, whoever told of them. */
export function keysMarked(
  { metrics }: Pick<Telemetry, 'metrics'>,
  marks: readonly { readonly priority: Priority }[],
): void {
  for (const { priority } of marks) metrics.queueMarks.inc({ priority })
}

/** Keys were taken to be worked on. */
export function keysClaimed(
  { metrics }: Pick<Telemetry, 'metrics'>,
  claims: readonly { readonly priority: Priority }[],
): void {
  for (const { priority } of claims) metrics.queueClaims.inc({ priority })
}

/** What was counted since the last look. */
export function queueCounted({ metrics }: Pick<Telemetry, 'metrics'>, now: Counted, before: Counted): void {
  metrics.queueLeasesExpired.inc(now.leasesExpired - before.leasesExpired)
  metrics.queueExpectationsExpired.inc(now.expectationsExpired - before.expectationsExpired)
  metrics.queueExpectationsDropped.inc(now.expectationsDropped - before.expectationsDropped)
  metrics.queueParkings.inc(now.parkings - before.parkings)
}
