import type { SeedNews } from '../model/seed.ts'
import type { Dump } from '../seed/dump-source.ts'

/** Not more often is it told how far the dump is read. */
const EVERY_MS = 500

/** How fast a dump is read, and how long that goes on. */
export class LoadPace {
  readonly #dump: Dump
  readonly #tell: (news: SeedNews) => void
  readonly #startedMs = performance.now()
  #lastMs = Number.NEGATIVE_INFINITY

  constructor(dump: Dump, tell: (news: SeedNews) => void) {
    this.#dump = dump
    this.#tell = tell
  }

  show(doing: string): void {
    const nowMs = performance.now()
    if (nowMs - this.#lastMs < EVERY_MS) return
    this.#lastMs = nowMs
    const bytes = this.#dump.readBytes()
    const { totalBytes } = this.#dump
    const bytesPerSecond = bytes / Math.max((nowMs - this.#startedMs) / 1000, 0.001)
    // What is read last, indexes and foreign keys, takes its time without being read.
    const left = totalBytes === null || bytesPerSecond === 0 ? null : (totalBytes - bytes) / bytesPerSecond
    this.#tell({ kind: 'loading', doing, bytes, totalBytes, bytesPerSecond, secondsLeft: left })
  }
}
