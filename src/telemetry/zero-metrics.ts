import { DRIFT_KINDS } from '../model/drift.ts'
import { PLACEMENT_MODES, PLACEMENT_STATES } from '../model/placement-use.ts'
import { QUEUE_STATES } from '../model/queue-sample.ts'
import { CLASH_STATES, MULTICALL, OTHER, PARTS, PRUNED, ZERO_LABELS } from './labels.ts'
import type { Metrics } from './metrics.ts'

/** Makes every series that is known beforehand, at zero: a rate is never missing, and an alert never silent. */
export function zeroMetrics(metrics: Metrics): void {
  const {
    topics,
    messageOutcomes,
    kinds,
    keyOutcomes,
    hubCodes,
    parkedCodes,
    cursors,
    copyModes,
    refusals,
    trustFiles,
    trustOutcomes,
    catchUpReasons,
  } = ZERO_LABELS
  for (const topic of topics)
    for (const outcome of messageOutcomes) metrics.messages.inc({ topic, outcome }, 0)
  for (const reason of refusals) metrics.refused.inc({ reason: metrics.reasonLabel(reason) }, 0)
  for (const file of trustFiles) {
    for (const outcome of trustOutcomes) metrics.trustReads.inc({ file, outcome }, 0)
  }
  for (const kind of kinds) {
    for (const outcome of keyOutcomes) metrics.keys.inc({ kind, outcome }, 0)
    metrics.convergeSeconds.zero({ kind })
    metrics.rows.inc({ kind }, 0)
  }
  for (const code of [...hubCodes, OTHER]) metrics.hubFailures.inc({ code }, 0)
  for (const state of QUEUE_STATES) {
    for (const priority of ['live', 'sweep']) metrics.queueKeys.set({ state, priority }, 0)
  }
  for (const priority of ['live', 'sweep']) {
    metrics.queueMarks.inc({ priority }, 0)
    metrics.queueClaims.inc({ priority }, 0)
  }
  for (const outcome of ['applied', 'refused']) metrics.reloads.inc({ outcome }, 0)
  for (const code of [...parkedCodes, OTHER]) metrics.parkedKeys.set({ code }, 0)
  for (const source of cursors) metrics.catchUpCursorTime.set({ source }, 0)
  for (const mode of copyModes) metrics.copiedBytes.inc({ mode }, 0)
  for (const mode of PLACEMENT_MODES) {
    for (const state of PLACEMENT_STATES) metrics.placementBuilds.set({ mode, state }, 0)
    metrics.placementBytes.set({ mode }, 0)
  }
  for (const state of CLASH_STATES) metrics.clashes.set({ state }, 0)
  for (const reason of catchUpReasons) metrics.catchUpRequested.inc({ reason }, 0)
  for (const kind of DRIFT_KINDS) {
    metrics.drift.set({ kind }, 0)
    metrics.missed.inc({ kind }, 0)
    metrics.scrubMissed.inc({ kind }, 0)
  }
  for (const what of PRUNED) metrics.pruned.inc({ what }, 0)
  for (const part of PARTS) {
    metrics.breakerOpen.set({ part }, 0)
    metrics.outages.inc({ part }, 0)
  }
}

/** The same for a method of the hub. */
export function zeroMethod(metrics: Metrics, method: string): void {
  for (const outcome of ZERO_LABELS.hubOutcomes) {
    metrics.hubRequests.inc({ method, outcome }, 0)
    metrics.hubRequestTime.inc({ method, outcome }, 0)
  }
  if (method === MULTICALL) return
  for (const outcome of ZERO_LABELS.callOutcomes) metrics.hubCalls.inc({ method, outcome }, 0)
}
