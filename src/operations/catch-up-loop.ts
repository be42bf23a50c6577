import { setTimeout as delay } from 'node:timers/promises'
import { asError, SafetyError } from '../errors.ts'
import type { Telemetry } from '../telemetry/events.ts'
import {
  catchUpFailed,
  catchUpFinished,
  catchUpPaced,
  catchUpRequested,
  catchUpStarted,
} from '../telemetry/finding-events.ts'
import type { CatchUpReason } from '../telemetry/labels.ts'

/** What catch-up did. */
export interface CaughtUp {
  readonly cursor: number
  readonly keys: number
  /** how long prod's hub was waited for */
  readonly hubMs: number
}

export interface CatchUpLoopOptions {
  /** tells of each step that was done: a hang is none, a slow hub is many */
  readonly catchUp: (signal: AbortSignal, onTurn: () => void) => Promise<CaughtUp>
  readonly intervalMs: number
  /** the pause is at least so many times `hubMs`: the hub scans tables for each look, and the larger prod is the longer */
  readonly restFactor: number
  readonly telemetry: Telemetry
  readonly onTurn: () => void
}

/** Pause after a request, so that a burst of them (connections coming up) is one catch-up. */
const SETTLE_MS = 500
const RETRY_MS = 5_000
/** However slow the hub is: what no message tells must not wait for longer. */
const MAX_REST_MS = 1_800_000

/**
 * Runs catch-up at start, on request (a reconnect, a silence, a loss) and at an interval. One at a time; a request during
 * one is remembered once. Failures are logged and tried again; a SafetyError ends it.
 */
export class CatchUpLoop {
  readonly #options: CatchUpLoopOptions
  #requested = true
  #wake: (() => void) | null = null

  constructor(options: CatchUpLoopOptions) {
    this.#options = options
  }

  request(reason: CatchUpReason): void {
    catchUpRequested(this.#options.telemetry, reason)
    this.#requested = true
    this.#wake?.()
  }

  /** Until the signal. Throws SafetyError. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs, restFactor, telemetry, onTurn } = this.#options
    while (!signal.aborted) {
      onTurn()
      if (this.#requested) await pause(SETTLE_MS, signal)
      if (signal.aborted) return
      this.#requested = false
      const startedMs = performance.now()
      catchUpStarted(telemetry)
      let pauseMs = intervalMs
      // Whoever asks waits so long all the same: a bus that reconnects over and over must not keep the hub busy.
      let leastMs = RETRY_MS
      try {
        const done = await this.#options.catchUp(signal, onTurn)
        catchUpFinished(telemetry, { ...done, elapsedMs: performance.now() - startedMs })
        pauseMs = Math.max(intervalMs, Math.min(restFactor * done.hubMs, MAX_REST_MS))
        leastMs = Math.min(done.hubMs, MAX_REST_MS)
        catchUpPaced(telemetry, { pauseMs, intervalMs, hubMs: done.hubMs })
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof SafetyError) throw error
        catchUpFailed(telemetry, asError(error))
        // A hub that is down fails at once; one that is too slow has worked for nothing all the while.
        pauseMs = Math.min(Math.max(RETRY_MS, performance.now() - startedMs), MAX_REST_MS)
      }
      await this.#idle(pauseMs, leastMs, signal)
    }
  }

  async #idle(ms: number, leastMs: number, signal: AbortSignal): Promise<void> {
    const begun = performance.now()
    const until = begun + ms
    while (!signal.aborted && performance.now() < (this.#requested ? begun + leastMs : until)) {
      this.#options.onTurn()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        const endMs = this.#requested ? begun + leastMs : until
        void pause(Math.min(1_000, endMs - performance.now()), signal).then(resolve)
      })
    }
    this.#wake = null
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(Math.max(0, ms), undefined, { signal }).catch(() => {})
}
