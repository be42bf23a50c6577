import { setTimeout as sleep } from 'node:timers/promises'
import { AgainError, asError, ConfigError, OutageError, SafetyError, StopError } from '../errors.ts'
import type { Mark } from '../model/outcome.ts'
import type { TopicName } from '../model/topics.ts'
import { mergeMarks } from './hints.ts'

/** A message that has keys, as it waits to be marked. */
export interface Entry {
  readonly topic: TopicName
  readonly id: string | null
  /** Milliseconds since 1970, by this host's clock and by the sender's. */
  readonly receivedAtMs: number
  readonly sentAtMs: number | null
  readonly marks: readonly Mark[]
}

/** Marks the keys of some messages, one mark per key; durable when it returns. */
export type MarkMessages = (marks: readonly Mark[], messages: readonly Entry[]) => Promise<void>

/** `overflow`: the oldest when too many wait; `unmarkable`: the queue refused this one; `shutdown`: no time left. */
export type LossReason = 'overflow' | 'unmarkable' | 'shutdown'

export interface BacklogOptions {
  readonly mark: MarkMessages
  readonly maxPending: number
  readonly maxBatch: number
  readonly retryMs: { readonly first: number; readonly longest: number }
  readonly onMarked: (entry: Entry) => void
  readonly onLost: (entry: Entry, reason: LossReason) => void
  /** The first entry of an outage was dropped. */
  readonly onOverflow: () => void
  /** Marking works again after entries were dropped. */
  readonly onRecovered: () => void
}

/**
 * The messages between the bus and the durable queue. Whatever has arrived is marked in one call, without waiting for
 * more. While the database is down they wait here up to a bound; every one that is given up is told.
 */
export class Backlog {
  readonly #options: BacklogOptions
  #waiting: (Entry | undefined)[] = []
  /** Index of the oldest in `#waiting`; what is before it has gone. */
  #head = 0
  /** The batch that was taken last; the next take, which may be empty, ends it. */
  #inFlight: readonly Entry[] = []
  #dropping = false
  /** When the attempt to mark that is under way began, on the monotonic clock; null: none is. */
  #attemptSinceMs: number | null = null
  readonly #closing = new AbortController()
  #wake: (() => void) | null = null

  constructor(options: BacklogOptions) {
    this.#options = options
  }

  /** Entries that are not durable yet. */
  get size(): number {
    return this.#waiting.length - this.#head + this.#inFlight.length
  }

  /** How long ago the oldest of them came, milliseconds; 0: none waits. */
  get oldestMs(): number {
    const oldest = this.#inFlight[0] ?? this.#waiting[this.#head]
    return oldest === undefined ? 0 : Math.max(0, Date.now() - oldest.receivedAtMs)
  }

  /** For how long the attempt to mark that is under way has been going on, milliseconds; 0: none is. */
  get attemptMs(): number {
    return this.#attemptSinceMs === null ? 0 : performance.now() - this.#attemptSinceMs
  }

  push(entry: Entry): void {
    this.#waiting.push(entry)
    if (this.size > this.#options.maxPending) this.#drop()
    this.#wake?.()
  }

  /** No more entries come: `run` marks what is there, gives up at the first failure, and ends. */
  close(): void {
    this.#closing.abort()
    this.#wake?.()
  }

  /** Marks until `close`. Rejects with a SafetyError or ConfigError of `mark`; what waits is then told as lost. */
  async run(): Promise<void> {
    try {
      for (;;) {
        const batch = this.#take()
        if (batch.length > 0) await this.#markAll(batch)
        else if (this.#closing.signal.aborted) return
        else await this.#arrival()
      }
    } catch (error) {
      for (let rest = this.#take(); rest.length > 0; rest = this.#take()) this.#lose(rest, 'shutdown')
      if (!(error instanceof StopError)) throw error
    }
  }

  /** Marks a batch; halves it when the queue refuses it, until the entry at fault is alone. */
  async #markAll(batch: readonly Entry[]): Promise<void> {
    const error = await this.#tryMark(batch)
    if (error === null) {
      this.#done(batch)
    } else if (error instanceof SafetyError || error instanceof ConfigError || error instanceof StopError) {
      this.#lose(batch, 'shutdown')
      throw error
    } else if (batch.length === 1) {
      this.#lose(batch, 'unmarkable')
    } else {
      const middle = batch.length >> 1
      const halves = [batch.slice(0, middle), batch.slice(middle)]
      const [first = [], second = []] = halves
      try {
        await this.#markAll(first)
      } catch (stop) {
        this.#lose(second, 'shutdown')
        throw stop
      }
      await this.#markAll(second)
    }
  }

  /** Outlasts outages and races. Resolves with any other error; StopError when it was closed during an outage. */
  async #tryMark(batch: readonly Entry[]): Promise<Error | null> {
    const marks = mergeMarks(batch.flatMap((entry) => entry.marks))
    const { first, longest } = this.#options.retryMs
    for (let waitMs = first; ; waitMs = Math.min(waitMs * 2, longest)) {
      const last = this.#closing.signal.aborted
      this.#attemptSinceMs = performance.now()
      try {
        await this.#options.mark(marks, batch)
        return null
      } catch (thrown) {
        const error = asError(thrown)
        if (!(error instanceof OutageError || error instanceof AgainError)) return error
        if (last)
          return new StopError('BUS_STOPPED', 'bus: stopped while marks could not be made', { cause: error })
      } finally {
        this.#attemptSinceMs = null
      }
      await sleep(waitMs, undefined, { signal: this.#closing.signal }).catch(() => {})
    }
  }

  #take(): Entry[] {
    const end = Math.min(this.#head + this.#options.maxBatch, this.#waiting.length)
    const batch = this.#waiting.slice(this.#head, end) as Entry[]
    this.#waiting.fill(undefined, this.#head, end)
    this.#advance(end)
    this.#inFlight = batch
    return batch
  }

  #drop(): void {
    const oldest = this.#waiting[this.#head]
    if (oldest === undefined) return
    this.#waiting[this.#head] = undefined
    this.#advance(this.#head + 1)
    this.#options.onLost(oldest, 'overflow')
    if (!this.#dropping) this.#options.onOverflow()
    this.#dropping = true
  }

  #advance(head: number): void {
    this.#head = head
    if (head < 1024 || head * 2 < this.#waiting.length) return
    this.#waiting = this.#waiting.slice(head)
    this.#head = 0
  }

  #done(entries: readonly Entry[]): void {
    for (const entry of entries) this.#options.onMarked(entry)
    if (!this.#dropping) return
    this.#dropping = false
    this.#options.onRecovered()
  }

  #lose(entries: readonly Entry[], reason: LossReason): void {
    for (const entry of entries) this.#options.onLost(entry, reason)
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null
        resolve()
      }
    })
  }
}
