import {
  type Activity,
  type ActivityMinute,
  MINUTE_MS,
  type RecentThing,
  SHOWN_MINUTES,
} from '../model/activity.ts'

const MAX_THINGS = 50
/** A burst must not push out what else happened: of one minute no more than this of each sort. */
const MAX_A_MINUTE = 20

type Counts = { arrived: number; applied: number; count: number; sum: number; max: number }

/** What this process did in the last hour: in memory, bounded. */
export class Recent {
  readonly #now: () => number
  readonly #things: RecentThing[] = []
  readonly #minutes = new Map<number, Counts>()
  readonly startedMs: number

  constructor(now: () => number = Date.now) {
    this.#now = now
    this.startedMs = now()
  }

  /** A message that marked keys. */
  arrived(topic: string): void {
    this.#minute().arrived += 1
    this.add('message', topic, '')
  }

  /** A key that was made equal by writing. */
  applied(key: string, detail: string): void {
    this.#minute().applied += 1
    this.add('applied', key, detail)
  }

  add(what: string, subject: string, detail: string): void {
    const atMs = this.#now()
    const since = Math.floor(atMs / MINUTE_MS) * MINUTE_MS
    const alike = this.#things.filter((thing) => thing.atMs >= since && thing.what === what)
    const [oldest] = alike
    if (alike.length >= MAX_A_MINUTE && oldest !== undefined)
      this.#things.splice(this.#things.indexOf(oldest), 1)
    this.#things.push({ atMs, what, subject: subject.slice(0, 200), detail: detail.slice(0, 300) })
    if (this.#things.length > MAX_THINGS) this.#things.shift()
  }

  /** Of a live change, in seconds. */
  lag(seconds: number): void {
    const minute = this.#minute()
    minute.count += 1
    minute.sum += seconds
    minute.max = Math.max(minute.max, seconds)
  }

  /** The last hour. */
  activity(): Activity {
    const from = this.#now() - SHOWN_MINUTES * MINUTE_MS
    const minutes = [...this.#minutes]
      .filter(([atMs]) => atMs > from)
      .sort(([a], [b]) => a - b)
      .map(
        ([atMs, { arrived, applied, count, sum, max }]): ActivityMinute => ({
          atMs,
          arrived,
          applied,
          lag: { count, sum, max },
        }),
      )
    return { minutes, things: this.#things.toReversed() }
  }

  #minute(): Counts {
    const atMs = Math.floor(this.#now() / MINUTE_MS) * MINUTE_MS
    const known = this.#minutes.get(atMs)
    if (known !== undefined) return known
    const made: Counts = { arrived: 0, applied: 0, count: 0, sum: 0, max: 0 }
    this.#minutes.set(atMs, made)
    for (const old of this.#minutes.keys())
      if (old <= atMs - SHOWN_MINUTES * MINUTE_MS) this.#minutes.delete(old)
    return made
  }
}
