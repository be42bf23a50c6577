/** Something that came or was done, for people. */
export interface RecentThing {
  /** milliseconds since 1970 */
  readonly atMs: number
  readonly what: string
  readonly subject: string
  readonly detail: string
}

/** The lag of live changes in one minute, seconds. */
export interface LagMinute {
  /** the minute's begin, milliseconds since 1970 */
  readonly atMs: number
  readonly count: number
  readonly max: number
  readonly mean: number
}

const MINUTE_MS = 60_000
const MINUTES = 60
const MAX_THINGS = 50

/** What the page shows of the last hour: in memory, bounded, of this process. */
export class Recent {
  readonly #now: () => number
  readonly #things: RecentThing[] = []
  readonly #minutes = new Map<number, { count: number; sum: number; max: number }>()
  readonly startedMs: number
  #lastReconcile: Readonly<Record<string, number>> | null = null

  constructor(now: () => number = Date.now) {
    this.#now = now
    this.startedMs = now()
  }

  add(what: string, subject: string, detail: string): void {
    this.#things.push({
      atMs: this.#now(),
      what,
      subject: subject.slice(0, 200),
      detail: detail.slice(0, 300),
    })
    if (this.#things.length > MAX_THINGS) this.#things.shift()
  }

  lag(seconds: number): void {
    const minute = Math.floor(this.#now() / MINUTE_MS) * MINUTE_MS
    const known = this.#minutes.get(minute) ?? { count: 0, sum: 0, max: 0 }
    const { count, sum, max } = known
    this.#minutes.set(minute, { count: count + 1, sum: sum + seconds, max: Math.max(max, seconds) })
    for (const at of this.#minutes.keys()) if (at <= minute - MINUTES * MINUTE_MS) this.#minutes.delete(at)
  }

  reconciled(numbers: Readonly<Record<string, number>>): void {
    this.#lastReconcile = { ...numbers, atMs: this.#now() }
  }

  /** of the daemon's last one since it started: numbers, and `atMs`; null: none */
  get lastReconcile(): Readonly<Record<string, number>> | null {
    return this.#lastReconcile
  }

  /** Newest first. */
  things(): RecentThing[] {
    return this.#things.toReversed()
  }

  /** The last hour, oldest first; minutes without a live change are left out. */
  lags(): LagMinute[] {
    const from = this.#now() - MINUTES * MINUTE_MS
    return [...this.#minutes]
      .filter(([atMs]) => atMs > from)
      .sort(([a], [b]) => a - b)
      .map(([atMs, { count, sum, max }]) => ({ atMs, count, max, mean: sum / count }))
  }
}
