import type { OutageError, Part } from '../errors.ts'
import type { Drift } from '../model/drift.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { LastReconcile } from '../model/last-reconcile.ts'
import type { Outcome } from '../model/outcome.ts'
import type { TopicLabel } from '../model/topics.ts'
import {
  type CatchUpReason,
  type MessageOutcomeLabel,
  PARTS,
  type Pruned,
  type TrustFile,
  type TrustOutcome,
} from './labels.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Recent } from './recent.ts'
import type { ServiceManager } from './systemd/service-manager.ts'

/** What events go to. */
export interface Telemetry {
  readonly log: Log
  readonly metrics: Metrics
  /** what the page shows of the last hour; absent: nobody looks */
  readonly recent?: Recent
  /** who started the daemon and is told how it goes; absent: nobody */
  readonly manager?: ServiceManager
}

/*
 * One function per event: its log line and its counter, so that the two cannot diverge. `info` for a change of state,
 * `debug` for each key and message, `warn` for what heals by itself, `error` for what needs a person.
 */

export function serviceStarted(
  { log }: Telemetry,
  fields: { version: string; config: Readonly<Record<string, unknown>>; cautions: readonly string[] },
): void {
  log.info({ version: fields.version, config: fields.config }, 'service started')
  for (const caution of fields.cautions) log.warn({ caution }, 'configuration weakens a promise')
}

/** A step of the start, for whoever waits for it. */
export function serviceStarting({ log, manager }: Telemetry, what: string): void {
  manager?.status(what)
  manager?.progress(() => true)
  log.debug({ what }, 'service is starting')
}

/** Prod's hub, staging's database and both trees can be worked with. */
export function serviceReady({ log, manager }: Telemetry): void {
  manager?.ready()
  log.info('service ready')
}

/** A loop of the daemon has turned. */
export function loopTurned({ manager }: Telemetry, isWell: () => boolean): void {
  manager?.progress(isWell)
}

/** What a service manager shows beside the name. */
export function statusTold({ manager }: Telemetry, line: string): void {
  manager?.status(line)
}

/** How it goes cannot be told to who started us. Without READY systemd ends the start after a while. */
export function managerFailed({ log }: Telemetry, error: Error): void {
  log.warn({ err: error }, 'the service manager cannot be told how it goes')
}

export function reloadStarted({ log, manager }: Telemetry): void {
  manager?.reloading()
  log.info('configuration is read again')
}

/** Nothing of what ran runs any more: neither is anything connected nor waited for. */
export function workEnded({ metrics }: Telemetry): void {
  metrics.busConnected.set(0)
  for (const part of PARTS) metrics.breakerOpen.set({ part }, 0)
}

/** What is wrong with the new configuration, or why it cannot be worked with now; the running one stays, whole. */
export function reloadRefused({ log, metrics, manager }: Telemetry, error: Error): void {
  manager?.ready()
  metrics.reloads.inc({ outcome: 'refused' })
  metrics.reloadRefused.set(1)
  log.error({ err: error }, 'new configuration refused: the running one stays')
}

/** All that runs is made anew with the new configuration. */
export function reloadApplied(
  { log, metrics, manager }: Telemetry,
  fields: {
    config: Readonly<Record<string, unknown>>
    changed: readonly string[]
    cautions: readonly string[]
    /** until it works again, at most */
    pauseMs: number
  },
): void {
  manager?.pausing(fields.pauseMs)
  metrics.reloads.inc({ outcome: 'applied' })
  metrics.reloadRefused.set(0)
  log.info(
    { changed: fields.changed, config: fields.config },
    'new configuration: all work begins anew with it',
  )
  for (const caution of fields.cautions) log.warn({ caution }, 'configuration weakens a promise')
}

export function serviceStopping(
  { log, manager }: Telemetry,
  fields: { signal: string; graceMs: number },
): void {
  manager?.stopping()
  log.info(fields, 'service stopping')
}

export function serviceStopped({ log }: Telemetry): void {
  log.info('service stopped')
}

/** Writing stops until a person has looked. */
export function safetyStopped({ log, metrics }: Telemetry, error: Error): void {
  metrics.writingStopped.set(1)
  log.error({ err: error }, 'writing stopped for safety')
}

export function messageHandled(
  { log, metrics, recent }: Telemetry,
  message: { topic: TopicLabel; outcome: MessageOutcomeLabel; reason: string },
): void {
  const { topic, outcome, reason } = message
  metrics.messages.inc({ topic, outcome })
  metrics.busLastMessage.setToCurrentTime()
  if (outcome === 'refused') metrics.refused.inc({ reason: metrics.reasonLabel(reason) })
  if (outcome === 'marked') recent?.arrived(topic)
  log.debug({ topic, outcome, ...(reason === '' ? {} : { reason }) }, 'message handled')
}

/** Messages that nobody signed who may send them; told once in a while, for whoever reaches the bus can send any number. */
export function signatureRefused({ log }: Telemetry, fields: { reason: string; count: number }): void {
  log.warn(fields, 'messages refused: not signed as they should be')
}

/** The CA or the revocation list that messages are checked against was read, or could not be. */
export function trustRead(
  { log, metrics }: Telemetry,
  fields: {
    what: TrustFile
    outcome: TrustOutcome
    error: Error | null
  },
): void {
  const { what, outcome, error } = fields
  metrics.trustReads.inc({ file: what, outcome })
  if (outcome === 'failed')
    log.warn({ file: what, err: error }, 'what messages are checked against cannot be read')
  else if (outcome === 'changed') log.info({ file: what }, 'what messages are checked against was read')
}

/** What messages are checked against from now on; when its revocation list ends, seconds since 1970. */
export function trustChanged({ metrics }: Telemetry, crlNextUpdate: number | null): void {
  metrics.crlNextUpdate.set(crlNextUpdate ?? 0)
}

/** A look for missed messages in datagrepper; what became of each is told as of those off the bus. */
export function datagrepperRead(
  { log }: Telemetry,
  fields: { start: number; end: number; messages: number; error: Error | null },
): void {
  const { error, ...rest } = fields
  if (error === null) log.info(rest, 'missed messages read')
  else log.warn({ ...rest, err: error }, 'missed messages cannot be read: catch-up finds what they told')
}

export function busConnectionChanged(
  { log, metrics }: Telemetry,
  fields: { endpoint: string; state: 'connected' | 'disconnected'; connected: number },
): void {
  metrics.busConnected.set(fields.connected)
  log.info(fields, 'bus connection changed')
}

export function converged(
  { log, metrics, recent }: Telemetry,
  key: Key,
  fields: {
    outcome: Outcome
    elapsedMs: number
    /** From the mark of a live key to its commit; null for sweeps and for what was not applied. */
    lagMs: number | null
  },
): void {
  const { outcome, elapsedMs, lagMs } = fields
  const { kind } = key
  metrics.keys.inc({ kind, outcome: outcome.kind })
  metrics.convergeLastAttempt.setToCurrentTime()
  if (outcome.kind === 'applied' || outcome.kind === 'unchanged')
    metrics.convergeLastSuccess.setToCurrentTime()
  metrics.convergeSeconds.observe({ kind }, elapsedMs / 1000)
  if ('rows' in outcome) metrics.rows.inc({ kind }, outcome.rows)
  if (lagMs !== null) {
    metrics.lagSeconds.observe(Math.max(0, lagMs) / 1000)
    recent?.lag(Math.max(0, lagMs) / 1000)
  }
  if (outcome.kind === 'applied') {
    const lag = lagMs === null ? '' : `, ${Math.round(lagMs)} ms after it came`
    recent?.applied(formatKey(key), `${outcome.rows} ${outcome.rows === 1 ? 'row' : 'rows'}${lag}`)
  } else if (outcome.kind === 'held') recent?.add('held', formatKey(key), outcome.reason)
  const line = { key: formatKey(key), outcome: outcome.kind, elapsedMs: Math.round(elapsedMs), lagMs }
  if (outcome.kind === 'applied') log.info({ ...line, rows: outcome.rows }, 'converged')
  else if (outcome.kind === 'held') log.warn({ ...line, reason: outcome.reason }, 'converged')
  else log.debug('reason' in outcome ? { ...line, reason: outcome.reason } : line, 'converged')
}

/** The key's own failure; `parked`: it is not tried again soon. */
export function keyFailed(
  { log, metrics, recent }: Telemetry,
  key: Key,
  fields: { error: Error; attempts: number; parked: boolean },
): void {
  if (fields.parked) recent?.add('parked', formatKey(key), fields.error.message)
  metrics.keys.inc({ kind: key.kind, outcome: fields.parked ? 'parked' : 'failed' })
  metrics.convergeLastAttempt.setToCurrentTime()
  const line = { key: formatKey(key), attempts: fields.attempts, err: fields.error }
  if (fields.parked) log.error(line, 'key parked')
  else log.warn(line, 'key failed')
}

/** Somebody else has taken the key meanwhile; nothing was written. */
export function claimLost({ log, metrics }: Telemetry, key: Key): void {
  metrics.keys.inc({ kind: key.kind, outcome: 'lost' })
  log.debug({ key: formatKey(key) }, 'claim lost')
}

/** The key was given back because a part is down. */
export function keyReturned({ log, metrics }: Telemetry, key: Key, error: OutageError): void {
  metrics.keys.inc({ kind: key.kind, outcome: 'outage' })
  log.debug({ key: formatKey(key), part: error.part, code: error.code }, 'key given back')
}

export function breakerOpened({ log, metrics }: Telemetry, error: OutageError): void {
  metrics.breakerOpen.set({ part: error.part }, 1)
  metrics.outages.inc({ part: error.part })
  log.warn({ part: error.part, err: error }, 'part is down, work waits')
}

export function breakerClosed({ log, metrics }: Telemetry, part: Part): void {
  metrics.breakerOpen.set({ part }, 0)
  log.info({ part }, 'part is up again')
}

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

/** A person decided for a key, or had keys tried anew. */
export function personDecided(
  { log }: Telemetry,
  fields: { what: string; key: string; detail: string; by: string },
): void {
  log.info(fields, 'decided by hand')
}

/** Staging's Koji was upgraded (or migrated) while we ran. */
export function schemaChanged({ log }: Telemetry): void {
  log.info("staging's schema changed")
}

/** Records of ours that were kept long enough. */
export function rowsPruned({ log, metrics }: Telemetry, what: Pruned, rows: number): void {
  metrics.pruned.inc({ what }, rows)
  if (rows > 0) log.info({ what, rows }, 'old records removed')
}

export function httpListening({ log }: Telemetry, fields: { host: string; port: number }): void {
  log.info(fields, 'http listens')
}

export function httpFailed({ log }: Telemetry, error: Error): void {
  log.warn({ err: error }, 'http request failed')
}
