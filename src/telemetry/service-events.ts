import type { Telemetry } from './events.ts'
import { PARTS } from './labels.ts'

/* Events of the process itself: its start, its configuration, its end; for the log, the metrics and whoever started it. */

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

export function httpListening({ log }: Telemetry, fields: { host: string; port: number }): void {
  log.info(fields, 'http listens')
}

export function httpFailed({ log }: Telemetry, error: Error): void {
  log.warn({ err: error }, 'http request failed')
}
