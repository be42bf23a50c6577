import type { Drift } from '../model/drift.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { LastReconcile } from '../model/last-reconcile.ts'
import type { Telemetry } from './events.ts'
import type { CatchUpReason } from './labels.ts'

/* Events of what looks for differences that no message told of: catch-up, reconcile, scrub. */

export function catchUpRequested({ log, metrics }: Telemetry, reason: CatchUpReason): void {
  metrics.catchUpRequested.inc({ reason: metrics.reasonLabel(reason) })
  log.debug({ reason }, 'catch-up requested')
}

export function catchUpStarted({ log, metrics }: Telemetry): void {
  metrics.catchUpLastAttempt.setToCurrentTime()
  log.debug('catch-up started')
}

export function catchUpFinished(
  { log, metrics }: Telemetry,
  fields: { cursor: number; keys: number; elapsedMs: number },
): void {
  metrics.catchUpLastSuccess.setToCurrentTime()
  metrics.catchUpCursor.set(fields.cursor)
  metrics.catchUpKeys.inc(fields.keys)
  log[fields.keys > 0 ? 'info' : 'debug'](fields, 'catch-up finished')
}

/** When the next one comes; told where the hub's slowness makes it later than configured. */
export function catchUpPaced(
  { log, metrics }: Telemetry,
  { pauseMs, intervalMs, hubMs }: { pauseMs: number; intervalMs: number; hubMs: number },
): void {
  const seconds = (ms: number): number => Math.round(ms / 1000)
  metrics.catchUpPause.set(pauseMs / 1000)
  if (pauseMs <= intervalMs) return
  log.info({ pauseSeconds: seconds(pauseMs), hubSeconds: seconds(hubMs) }, 'catch-up slowed: prod is slow')
}

export function catchUpFailed({ log }: Telemetry, error: Error): void {
  log.warn({ err: error }, 'catch-up failed')
}

/** A difference that neither a message nor catch-up had told of. */
export function driftFound({ log, metrics }: Telemetry, drift: Drift): void {
  metrics.missed.inc({ kind: drift.kind })
  log.info({ key: formatKey(drift.key), kind: drift.kind, subject: drift.subject }, 'drift found')
}

/** Builds were looked at whole. */
export function scrubLooked(
  { log, metrics }: Telemetry,
  fields: { builds: number; done: number; total: number },
): void {
  metrics.scrubBuilds.inc(fields.builds)
  log.debug(fields, 'scrub looked')
}

/** A difference that the scrub found, and that neither a message, catch-up nor reconcile had told of. */
export function scrubFound({ log, metrics }: Telemetry, drift: Drift): void {
  metrics.scrubMissed.inc({ kind: drift.kind })
  const line = { key: formatKey(drift.key), kind: drift.kind, subject: drift.subject }
  // Prod's files are not ours to mend.
  if (drift.kind === 'files') log.warn({ ...line, files: drift.staging }, 'scrub found')
  else log.info(line, 'scrub found')
}

/** A build that could not be read or judged. */
export function scrubFailed({ log, metrics }: Telemetry, key: Key, error: Error): void {
  metrics.scrubFailed.inc()
  log.warn({ key: formatKey(key), err: error }, 'scrub failed for a build')
}

/** How fast the scrub goes; told when that changes. */
export function scrubPaced(
  { log, metrics }: Telemetry,
  fields: { perSecond: number; inTime: boolean; builds: number; done: number; days: number },
): void {
  metrics.scrubRate.set(fields.perSecond)
  const line = { ...fields, perSecond: Number(fields.perSecond.toPrecision(3)) }
  if (fields.inTime) log.info(line, 'scrub paced')
  else log.warn(line, 'scrub is too slow for scrub.days: raise scrub.builds_per_second')
}

export function scrubPassEnded({ log, metrics }: Telemetry, fields: { pass: number; builds: number }): void {
  metrics.scrubLastPass.setToCurrentTime()
  log.info(fields, 'scrub pass ended')
}

/** It goes on where it was. */
export function scrubInterrupted({ log }: Telemetry, error: Error): void {
  log.warn({ err: error }, 'scrub interrupted')
}

export function reconcileStarted({ log, metrics }: Telemetry): void {
  metrics.reconcileLastAttempt.setToCurrentTime()
  log.info('reconcile started')
}

/** Patterns of the configuration that cover no tag of prod. */
export function scopeIdle({ log }: Telemetry, patterns: readonly string[]): void {
  log.warn(
    { patterns },
    'scope.tags has patterns that no tag of prod matches: nothing is replicated for them',
  )
}

/** The daemon's own, of everything. What it found has been marked. */
export function reconcileFinished(
  { log, metrics }: Telemetry,
  fields: NonNullable<LastReconcile['found']> & { elapsedMs: number },
): void {
  metrics.reconcileLastSuccess.setToCurrentTime()
  log.info({ ...fields, elapsedMs: Math.round(fields.elapsedMs) }, 'reconcile finished')
}

export function reconcileFailed({ log }: Telemetry, error: Error): void {
  log.warn({ err: error }, 'reconcile failed')
}

/** A person lifted the budget of inferred removals for one reconcile. */
export function removalsAllowed({ log }: Telemetry, fields: { rows: number; by: string }): void {
  log.warn(fields, 'removals beyond the budget allowed')
}
