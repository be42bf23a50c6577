import { DRIFT_KINDS } from '../model/drift.ts'
import type { LastReconcile } from '../model/last-reconcile.ts'
import { PLACEMENT_MODES, PLACEMENT_STATES, type PlacementUse } from '../model/placement-use.ts'
import { QUEUE_STATES, type QueueSample } from '../model/queue-sample.ts'
import type { Telemetry } from './events.ts'
import { CLASH_STATES, type ClashState, OTHER, ZERO_LABELS } from './labels.ts'

/* What is read from the database now and then: every series is set each time, so that what is gone is zero again. */

export function queueMeasured({ metrics }: Telemetry, { keys, parked, oldestSeconds }: QueueSample): void {
  for (const state of QUEUE_STATES) {
    for (const priority of ['live', 'sweep'] as const)
      metrics.queueKeys.set({ state, priority }, keys[state][priority])
  }
  const known = new Set<string>(ZERO_LABELS.parkedCodes)
  let other = 0
  for (const [code, count] of Object.entries(parked)) if (!known.has(code)) other += count
  for (const code of known) metrics.parkedKeys.set({ code }, parked[code] ?? 0)
  metrics.parkedKeys.set({ code: OTHER }, other)
  metrics.queueOldest.set(oldestSeconds)
  metrics.queueMeasured.setToCurrentTime()
}

/** Clashes that stand now, by what policy decided. */
export function clashesMeasured({ metrics }: Telemetry, open: ReadonlyMap<ClashState, number>): void {
  for (const state of CLASH_STATES) metrics.clashes.set({ state }, open.get(state) ?? 0)
}

/** What anyone's last comparison of everything found, as the database knows: also after a restart. */
export function reconcileMeasured({ metrics }: Telemetry, { atMs, found }: LastReconcile): void {
  metrics.reconcileLastSuccess.set(atMs / 1000)
  for (const kind of DRIFT_KINDS) metrics.drift.set({ kind }, found?.missed[kind] ?? 0)
}

/** How far the sources of catch-up were read, by anyone. */
export function cursorsMeasured(
  { metrics }: Telemetry,
  cursors: readonly { readonly source: string; readonly timeMs: number | null }[],
): void {
  for (const source of ZERO_LABELS.cursors) {
    const timeMs = cursors.find((one) => one.source === source)?.timeMs ?? 0
    metrics.catchUpCursorTime.set({ source }, timeMs / 1000)
  }
}

export function placementsMeasured({ metrics }: Telemetry, uses: readonly PlacementUse[]): void {
  for (const mode of PLACEMENT_MODES) {
    const use = uses.find((one) => one.mode === mode)
    for (const state of PLACEMENT_STATES)
      metrics.placementBuilds.set({ mode, state }, use?.builds[state] ?? 0)
    metrics.placementBytes.set({ mode }, use?.bytes ?? 0)
  }
  metrics.placementMeasured.setToCurrentTime()
}

export function daemonsMeasured({ metrics }: Telemetry, daemons: number): void {
  metrics.daemons.set(daemons)
}

/** Bytes of prod that were written into staging's tree. */
export function bytesCopied({ metrics }: Telemetry, mode: string, bytes: number): void {
  metrics.copiedBytes.inc({ mode }, bytes)
}
