import type { OutageError, Part } from '../errors.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { Outcome } from '../model/outcome.ts'
import type { TopicLabel } from '../model/topics.ts'
import type { MessageOutcomeLabel, Pruned, TrustFile, TrustOutcome } from './labels.ts'
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
 * `debug` for each key and message, `warn` for what heals by itself, `error` for what needs a person. Here: messages and keys; the
 * process itself is in service-events.ts, what looks for differences in finding-events.ts.
 */

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
