import { setTimeout as delay } from 'node:timers/promises'
import { asError, SafetyError } from '../errors.ts'
import type { Telemetry } from '../telemetry/events.ts'
import {
  catchUpFailed,
  catchUpFinished,
  catchUpRequested,
  catchUpStarted,
} from '../telemetry/finding-events.ts'
import type { CatchUpReason } from '../telemetry/labels.ts'

/** What catch-up did. */
export interface CaughtUp {
  readonly cursor: number
  readonly keys: number
}

export interface CatchUpLoopOptions {
  /** tells of each step that was done: a hang is none, a slow hub is many */
  readonly catchUp: (signal: AbortSignal, onTurn: () => void) => Promise<CaughtUp>
  readonly intervalMs: number
  readonly telemetry: Telemetry
  readonly onTurn: () => void
}

/** Pause after a request, so that a burst of them (connections coming up) is one catch-up. */
const SETTLE_MS = 500
const RETRY_MS = 5_000

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
    const { intervalMs, telemetry, onTurn } = this.#options
    while (!signal.aborted) {
      onTurn()
      if (this.#requested) await pause(SETTLE_MS, signal)
      if (signal.aborted) return
      this.#requested = false
      const startedMs = performance.now()
      catchUpStarted(telemetry)
      try {
        const done = await this.#options.catchUp(signal, onTurn)
        catchUpFinished(telemetry, { ...done, elapsedMs: performance.now() - startedMs })
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof SafetyError) throw error
        catchUpFailed(telemetry, asError(error))
        await pause(RETRY_MS, signal)
        continue
      }
      await this.#idle(intervalMs, signal)
    }
  }

  async #idle(ms: number, signal: AbortSignal): Promise<void> {
    const until = performance.now() + ms
    while (!this.#requested && !signal.aborted && performance.now() < until) {
      this.#options.onTurn()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        void pause(Math.min(1_000, until - performance.now()), signal).then(resolve)
      })
    }
    this.#wake = null
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(Math.max(0, ms), undefined, { signal }).catch(() => {})
}
