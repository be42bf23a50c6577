export interface HealthState {
  readonly ok: boolean
  /** One line each; empty when ok. */
  readonly reasons: readonly string[]
}

export interface HealthOptions {
  /** Longer than this without a sign of progress of a loop is sick. */
  readonly staleAfterMs: number
  /** Milliseconds that only grow. */
  readonly now?: () => number
  /** Called whenever an expected loop has turned. */
  readonly onTurn?: () => void
}

/**
 * Whether the loops of the daemon still turn. A loop says so each time it comes round or has done a step, never by a timer beside
 * it, which would go on while the work hangs; also with nothing to do. A loop that
 * waits for a part that is down turns too, so an outage of the hub does not make the daemon sick: it would not help to restart it.
 */
export class Health {
  readonly #staleAfterMs: number
  readonly #now: () => number
  readonly #onTurn: (() => void) | undefined
  readonly #loops = new Map<string, { at: number; readonly staleAfterMs: number }>()
  #fatal: string | null = null

  constructor(options: HealthOptions) {
    this.#staleAfterMs = options.staleAfterMs
    this.#now = options.now ?? (() => performance.now())
    this.#onTurn = options.onTurn
  }

  /** From now on this loop must turn; one whose steps may take long says for how long it may seem to stand still. */
  expect(loop: string, staleAfterMs: number = this.#staleAfterMs): void {
    this.#loops.set(loop, { at: this.#now(), staleAfterMs })
  }

  /** A loop that is not expected, or has ended, is not waited for by this. */
  turned(loop: string): void {
    const found = this.#loops.get(loop)
    if (found === undefined) return
    found.at = this.#now()
    this.#onTurn?.()
  }

  /** The loop has ended in order and is not waited for any more. */
  ended(loop: string): void {
    this.#loops.delete(loop)
  }

  /** Writing has stopped for a reason that does not go away by itself. */
  stopped(reason: string): void {
    this.#fatal = reason
  }

  state(): HealthState {
    const now = this.#now()
    const stale = [...this.#loops]
      .filter(([, { at, staleAfterMs }]) => now - at > staleAfterMs)
      .map(([loop, { at }]) => `${loop}: no progress for ${Math.round((now - at) / 1000)} seconds`)
    const idle = this.#loops.size === 0 ? ['nothing runs'] : []
    const reasons = [...(this.#fatal === null ? [] : [this.#fatal]), ...idle, ...stale]
    return { ok: reasons.length === 0, reasons }
  }
}
