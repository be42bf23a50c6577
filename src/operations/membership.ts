import { setTimeout as delay } from 'node:timers/promises'
import { AgainError, ConfigError, SyncError } from '../errors.ts'
import { beatDaemon, DAEMON_GONE_SECONDS, type Daemon, joinDaemons } from '../staging/daemons.ts'
import type { Database } from '../staging/database.ts'
import { endOrphanClaims, isDead } from './dead-claims.ts'

const BEAT_MS = 15_000
const JOIN_TRIES = 20
/** Who waits for a silent daemon of another policy asks so often. */
const WAIT_SECONDS = 2

/** A sign of life that is younger proves that nobody has taken us for gone; half of the time after which somebody may. */
const PROOF_MS = (DAEMON_GONE_SECONDS * 1000) / 2

/** Milliseconds of two clocks of this host: one stands still while the host sleeps, the other is set by people. */
export interface MembershipClock {
  readonly monotonicMs: () => number
  readonly wallMs: () => number
}

const CLOCK: MembershipClock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() }

/**
 * Belonging to those who work on this staging with one scope and policy. Another policy may join only when all of the old one
 * count as gone, and takes their claims away then, so nothing that they still have in hand gets past its fence. Whoever was
 * stalled for so long that he may count as gone asks before he uses a new claim (`ensure`).
 */
export class Membership {
  readonly #database: Database
  readonly #clock: MembershipClock
  #daemon: Daemon | null = null
  #proven: { readonly monotonicMs: number; readonly wallMs: number } | null = null

  constructor(database: Database, clock: MembershipClock = CLOCK) {
    this.#database = database
    this.#clock = clock
  }

  /**
   * One that is just joining makes others wait a moment; one of another policy that has been silent for long is waited for until it
   * counts as gone. Throws ConfigError DAEMON_OTHER_POLICY.
   */
  async join(daemon: Daemon): Promise<void> {
    this.#daemon = daemon
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#join(daemon)
      } catch (error) {
        if (!(error instanceof AgainError) || tries >= JOIN_TRIES) throw error
        await delay(50 * tries)
      }
    }
  }

  /**
   * Stays joined until the signal. One that was away for long (its database was) joins anew: throws ConfigError
   * DAEMON_OTHER_POLICY if another policy has come meanwhile.
   */
  async stay(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#beat()
      } catch (error) {
        if (error instanceof ConfigError || !(error instanceof SyncError)) throw error
      }
      await delay(BEAT_MS, undefined, { signal }).catch(() => {})
    }
  }

  /** For claims that were taken just now: costs nothing unless this process was stalled. Throws as `join`, and OutageError. */
  async ensure(): Promise<void> {
    const proven = this.#proven
    const { monotonicMs, wallMs } = this.#clock
    const since = (before: number, now: number): number => Math.abs(now - before)
    if (
      proven !== null &&
      Math.max(since(proven.monotonicMs, monotonicMs()), since(proven.wallMs, wallMs())) < PROOF_MS
    ) {
      return
    }
    await this.#beat()
  }

  async #beat(): Promise<void> {
    const daemon = this.#daemon
    if (daemon === null) return
    const sent = this.#now()
    if (await beatDaemon(this.#database, daemon.id)) this.#proven = sent
    else await this.#join(daemon)
  }

  async #join(daemon: Daemon): Promise<void> {
    let sent = this.#now()
    for (;;) {
      const waitSeconds = await joinDaemons(this.#database, daemon, (other) => isDead(daemon, other))
      if (waitSeconds === 0) break
      // It may be heard of again meanwhile.
      await delay(Math.min(waitSeconds, WAIT_SECONDS) * 1000)
      sent = this.#now()
    }
    // Only now, so that a claim which this does not see yet is asked for after the row of its holder has gone.
    await endOrphanClaims(this.#database)
    this.#proven = sent
  }

  #now(): { monotonicMs: number; wallMs: number } {
    return { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() }
  }
}
