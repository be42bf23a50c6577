import { asError, StopError } from '../errors.ts'
import type { Struct } from '../model/value.ts'
import { openEnvelope } from './fedmsg-envelope.ts'
import { canonicalText } from './signature/canonical.ts'
import type { BusMessage, BusSource, SourceEvents } from './source.ts'

/** How a look back ended. */
export interface Replayed {
  /** seconds since 1970 */
  readonly start: number
  readonly end: number
  /** that were found; most of them will have come over the bus too */
  readonly messages: number
  /** null: it got to the end */
  readonly error: Error | null
}

/** How far the bus was read, kept over restarts: milliseconds since 1970 by this host's clock. */
export interface StoredPosition {
  /** null: nothing was noted yet */
  read(): Promise<number | null>
  /** Of several who write, the highest counts. */
  write(readUpToMs: number): Promise<void>
  /** Whether all that was handed on is durable by now. */
  isSettled(): boolean
}

export interface ReplayingSourceOptions {
  readonly live: BusSource
  /** Items of the past, oldest first; `start` and `end` in seconds since 1970. */
  readonly items: (start: number, end: number, signal: AbortSignal) => AsyncGenerator<Struct, void, undefined>
  /** How far back a look goes at most, and the first one after the start where no position is known. */
  readonly lookbackSeconds: number
  readonly position?: StoredPosition | undefined
  /** Between two notes of the position; default 30,000. */
  readonly noteEveryMs?: number
  readonly onReplayed: (replayed: Replayed) => void
  /** This host's clock, milliseconds since 1970. */
  readonly now?: () => number
}

/** Senders' clocks differ, messages are stored late, and a connection was dead before anybody noticed. */
const OVERLAP_SECONDS = 600
const NOTE_EVERY_MS = 30_000
const MAX_ITEM_BYTES = 4 * 1024 * 1024

/**
 * A source that, whenever its connection was made anew (or first), also hands on what was sent meanwhile, read from a store. Live
 * messages come between those of the past; whoever reads drops duplicates. What cannot be read is told and left: catch-up
 * asks prod itself.
 */
export class ReplayingSource implements BusSource {
  readonly #options: ReplayingSourceOptions
  readonly #now: () => number
  readonly #stop = new AbortController()
  #events: SourceEvents | null = null
  /** Since when something may be missing, milliseconds; null: nothing is. */
  #missingSinceMs: number | null = null
  #lastHeardMs: number | null = null
  /** Since when the look under way, or the last one that failed, has to look; null: there is none. */
  #lookingSinceMs: number | null = null
  #failedSinceMs: number | null = null
  /** A look has got to the end since the start. */
  #hasLooked = false
  #wake: (() => void) | null = null
  readonly #downSinceMs = new Map<string, number>()

  constructor(options: ReplayingSourceOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  start(events: SourceEvents): void {
    this.#events = events
    const turned = (): void => events.turned?.()
    this.#options.live.start({
      connected: (endpoint) => {
        this.#missing(this.#downSinceMs.get(endpoint) ?? this.#lastHeardMs)
        this.#downSinceMs.delete(endpoint)
        events.connected(endpoint)
      },
      disconnected: (endpoint) => {
        const since = Math.min(this.#lastHeardMs ?? this.#now(), this.#now())
        if (!this.#downSinceMs.has(endpoint)) this.#downSinceMs.set(endpoint, since)
        events.disconnected(endpoint)
      },
      silence: (silentMs) => {
        this.#missing(this.#lastHeardMs)
        events.silence(silentMs)
      },
      refused: (topic, reason) => events.refused(topic, reason),
      turned,
    })
  }

  destroy(): void {
    this.#stop.abort(new StopError('BUS_STOPPED', 'bus: stopped'))
    this.#options.live.destroy()
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<BusMessage, void, undefined> {
    const live = new Lookahead(this.#options.live[Symbol.asyncIterator](), () => this.#wake?.())
    let past: Lookahead<BusMessage> | null = null
    const notes = setInterval(() => void this.#note(), this.#options.noteEveryMs ?? NOTE_EVERY_MS).unref()
    try {
      for (;;) {
        if (past === null && this.#missingSinceMs !== null)
          past = new Lookahead(this.#replay(), () => this.#wake?.())
        // Live ones first; those of the past are late already.
        const next = live.take() ?? past?.take()
        if (next === undefined) await this.#arrival(() => live.ready || past?.ready === true)
        else if (next.from === live && next.result.done !== true) {
          this.#lastHeardMs = this.#now()
          yield next.result.value
        } else if (next.from === live) return
        else if (next.result.done === true) past = null
        else yield next.result.value
      }
    } finally {
      clearInterval(notes)
      this.#stop.abort(new StopError('BUS_STOPPED', 'bus: stopped'))
    }
  }

  /** What was sent before this has been read, but for what the overlap covers; null: that is not known. */
  get readUpToMs(): number | null {
    const open = [
      this.#missingSinceMs,
      this.#lookingSinceMs,
      this.#failedSinceMs,
      ...this.#downSinceMs.values(),
    ]
    if (!this.#hasLooked) return null
    return Math.min(this.#now(), ...open.filter((ms) => ms !== null))
  }

  /** Never rejects: a position that cannot be noted makes the next start look further back. */
  async #note(): Promise<void> {
    const { position } = this.#options
    const readUpToMs = this.readUpToMs
    if (position === undefined || readUpToMs === null || !position.isSettled()) return
    await position.write(readUpToMs).catch(() => {})
  }

  #arrival(ready: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      if (ready()) resolve()
    })
  }

  #missing(sinceMs: number | null): void {
    const earliest = sinceMs ?? Number.NEGATIVE_INFINITY
    this.#missingSinceMs = Math.min(this.#missingSinceMs ?? earliest, earliest)
    // Who waits looks anew.
    this.#wake?.()
  }

  /** Never throws. */
  async *#replay(): AsyncGenerator<BusMessage, void, undefined> {
    const { items, lookbackSeconds, onReplayed } = this.#options
    const wantedMs = Math.min(this.#missingSinceMs ?? this.#now(), this.#failedSinceMs ?? this.#now())
    this.#missingSinceMs = null
    this.#lookingSinceMs = wantedMs
    const sinceMs = wantedMs === Number.NEGATIVE_INFINITY ? await this.#storedMs() : wantedMs
    const end = Math.floor(this.#now() / 1000)
    const start = Math.max(Math.floor(sinceMs / 1000) - OVERLAP_SECONDS, end - lookbackSeconds)
    let messages = 0
    this.#failedSinceMs = wantedMs
    try {
      for await (const item of items(start, end, this.#stop.signal)) {
        const message = this.#open(item)
        if (message === null) continue
        messages += 1
        yield message
      }
      this.#failedSinceMs = null
      this.#hasLooked = true
      onReplayed({ start, end, messages, error: null })
    } catch (error) {
      if (!this.#stop.signal.aborted) onReplayed({ start, end, messages, error: asError(error) })
    } finally {
      this.#lookingSinceMs = null
    }
  }

  /** How far the process before this one had read; a clock that was ahead then does not count. */
  async #storedMs(): Promise<number> {
    const stored = await this.#options.position?.read().catch(() => null)
    return stored == null ? Number.NEGATIVE_INFINITY : Math.min(stored, this.#now())
  }

  #open(item: Struct): BusMessage | null {
    const { topic } = item
    const topicFrame = Buffer.from(typeof topic === 'string' ? topic : '')
    const body = Buffer.from(canonicalText(item), 'latin1')
    const opened = openEnvelope([topicFrame, body], {
      maxMessageBytes: MAX_ITEM_BYTES,
      receivedAtMs: this.#now(),
    })
    // It is late by the outage, which is no delay of ours: no lag is told from it.
    if ('message' in opened) return { ...opened.message, sentAtMs: null, stored: true }
    this.#events?.refused(opened.topic, opened.reason)
    return null
  }
}

/** Waits for the next of an iteration while others are looked at; asks for one only when the one before was taken. */
class Lookahead<T> {
  readonly #iterator: AsyncIterator<T, void, undefined>
  readonly #onReady: () => void
  #result: IteratorResult<T, void> | null = null
  #error: { readonly thrown: unknown } | null = null
  #asked = false

  constructor(iterator: AsyncIterator<T, void, undefined>, onReady: () => void) {
    this.#iterator = iterator
    this.#onReady = onReady
  }

  get ready(): boolean {
    return this.#result !== null || this.#error !== null
  }

  /** undefined: not yet. Throws what the iteration threw. */
  take(): { readonly from: Lookahead<T>; readonly result: IteratorResult<T, void> } | undefined {
    if (this.#error !== null) throw this.#error.thrown
    const result = this.#result
    this.#result = null
    if (result !== null) {
      this.#asked = false
      return { from: this, result }
    }
    if (!this.#asked) this.#ask()
    return undefined
  }

  #ask(): void {
    this.#asked = true
    this.#iterator
      .next()
      .then(
        (result) => {
          this.#result = result
        },
        (thrown: unknown) => {
          this.#error = { thrown }
        },
      )
      .finally(this.#onReady)
  }
}
