import type { Claimed } from './claiming.ts'

const BEGINNING = '-infinity'

/**
 * The longest pause between claims from the beginning. One during which this machine or the server stood still (a stopped process, a
 * virtual machine that was moved) looks as expensive as that was long: without this, keys before the window would wait nine times as long.
 */
const MAX_PAUSE_MS = 15_000

/**
 * Where claims begin to walk the index.
 *
 * While anybody holds a transaction open (Koji's hub does, for minutes or hours), rows that we have finished stay in the index
 * as dead entries, all of them before the first one that is ready; a claim from the beginning would visit them every
 * time, which is quadratic. So a claim begins where the last one ended: `due_at` is the time of the mark, hence new
 * keys come after that. What comes to stand before it (a mark committed late, a lease that ended, a row skipped because
 * it was locked) is found by claims from the beginning: at once when these are cheap, else so seldom that
 * they cost a tenth of the time at most, but every 15 s.
 */
export class ClaimWindow {
  readonly #fullScanMs: number
  #liveFrom = BEGINNING
  #sweepFrom = BEGINNING
  #credit = 0
  #mayAtMs = Number.NEGATIVE_INFINITY
  #mustAtMs = Number.NEGATIVE_INFINITY

  constructor(options: { fullScanMs: number }) {
    this.#fullScanMs = options.fullScanMs
  }

  /** Places for sweeps in a claim of `limit`: a tenth in the long run, also of claims of one. */
  nextSweepShare(limit: number): number {
    this.#credit = Math.min(this.#credit + limit / 10, limit)
    const share = Math.floor(this.#credit + 1e-9)
    this.#credit -= share
    return share
  }

  begin(scan: 'full' | 'range'): { liveFrom: string; sweepFrom: string } {
    if (scan === 'full') return { liveFrom: BEGINNING, sweepFrom: BEGINNING }
    return { liveFrom: this.#liveFrom, sweepFrom: this.#sweepFrom }
  }

  mustScanAll(nowMs: number): boolean {
    return nowMs >= this.#mustAtMs
  }

  mayScanAll(nowMs: number): boolean {
    return nowMs >= this.#mayAtMs
  }

  scannedAll(startMs: number, endMs: number): void {
    const pauseMs = Math.min(9 * (endMs - startMs), MAX_PAUSE_MS)
    this.#mayAtMs = endMs + pauseMs
    this.#mustAtMs = endMs + Math.max(this.#fullScanMs, pauseMs)
  }

  /** Remembers where a claim of `limit`, of which `sweepShare` for sweeps first, has ended. */
  ended(rows: readonly Claimed[], asked: { limit: number; sweepShare: number }, seenUntil: string): void {
    const live = rows.filter(({ priority }) => priority === 0)
    const sweeps = rows.filter(({ priority }) => priority !== 0)
    const full = rows.length >= asked.limit
    const lastLive = live.at(-1)?.due_at
    const lastSweep = sweeps.at(-1)?.due_at
    // Not full: both ranges were walked to their end. Full, with more sweeps than their share: the live range was.
    const liveWalked = !full || sweeps.length > asked.sweepShare
    const sweepWalked = !full || sweeps.length < Math.min(asked.sweepShare, asked.limit)
    this.#liveFrom = liveWalked ? seenUntil : (lastLive ?? this.#liveFrom)
    this.#sweepFrom = sweepWalked ? seenUntil : (lastSweep ?? this.#sweepFrom)
  }
}
