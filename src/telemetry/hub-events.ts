import type { Telemetry } from './events.ts'
import { type HubOutcome, MULTICALL, OTHER } from './labels.ts'
import type { Metrics } from './metrics.ts'

/** A request to prod's hub, as it ended. */
export function hubAnswered(
  { log, metrics }: Telemetry,
  fields: {
    /** one per call */
    readonly methods: readonly string[]
    /** those of the calls that were answered with a fault */
    readonly faults: readonly string[]
    readonly outcome: HubOutcome
    /** of the error of the whole request; null: none */
    readonly code: string | null
    readonly elapsedMs: number
    readonly bytes: number
  },
): void {
  const { methods, faults, outcome, code, elapsedMs, bytes } = fields
  const [first = OTHER] = methods
  const method = methods.every((one) => one === first) ? metrics.methodLabel(first) : MULTICALL
  metrics.hubRequests.inc({ method, outcome })
  metrics.hubRequestTime.inc({ method, outcome }, elapsedMs / 1000)
  countCalls(metrics, methods, faults, code === null ? 'ok' : 'failed')
  if (code !== null) metrics.hubFailures.inc({ code: metrics.hubCodeLabel(code) })
  metrics.hubSeconds.observe(elapsedMs / 1000)
  metrics.hubBytes.inc(bytes)
  log.trace({ calls: methods.length, outcome, code, elapsedMs, bytes }, 'hub answered')
}

function countCalls(
  metrics: Metrics,
  methods: readonly string[],
  faults: readonly string[],
  others: 'ok' | 'failed',
): void {
  const counts = new Map<string, number>()
  for (const method of methods) counts.set(method, (counts.get(method) ?? 0) + 1)
  for (const method of faults) {
    counts.set(method, (counts.get(method) ?? 0) - 1)
    metrics.hubCalls.inc({ method: metrics.methodLabel(method), outcome: 'fault' })
  }
  for (const [method, count] of counts)
    metrics.hubCalls.inc({ method: metrics.methodLabel(method), outcome: others }, Math.max(0, count))
}
