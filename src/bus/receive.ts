import { LRUCache } from 'lru-cache'
import { asError, SyncError } from '../errors.ts'
import type { TopicLabel } from '../model/topics.ts'
import { Backlog, type Entry, type LossReason, type MarkMessages } from './backlog.ts'
import { type Decoded, Decoder, type DecoderOptions, type KojiMessage } from './decode.ts'
import { hintsOf, type KnownIds } from './hints.ts'
import type { BusMessage, BusSource, SourceEvents } from './source.ts'
import { labelOf, normalisePrefix } from './topics.ts'

/** What became of one message. `reason` is from a closed list, but for the names of our own schemas' members in it. */
export interface MessageOutcome {
  readonly topic: TopicLabel
  readonly outcome: 'marked' | 'ignored' | 'duplicate' | 'refused'
  /** '' for marked and duplicate. */
  readonly reason: string
}

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/** Whether the sender may say this: signatures. Throwing refuses the message. */
export type Verify = (message: BusMessage) => Verdict | Promise<Verdict>

/** Why messages may be missing. `overflow` comes when the first is dropped, and again when marking works again. */
export type CatchUpReason = 'connected' | 'silence' | 'overflow' | 'unmarkable'

export interface ReceiverOptions extends DecoderOptions {
  readonly source: BusSource
  readonly known: KnownIds
  /** Must have made the marks durable when it returns. */
  readonly mark: MarkMessages
  readonly onOutcome: (outcome: MessageOutcome) => void
  readonly onCatchUp: (reason: CatchUpReason) => void
  /** For status and metrics; `connected`: so many endpoints are, now. */
  readonly onConnection?: (endpoint: string, state: 'connected' | 'disconnected', connected: number) => void
  /**
   * Told each time the way of a message has come round: the source waits for the next one (at least every ten seconds while it
   * does), and no attempt to mark has been hanging for `stuckMs`.
   */
  readonly onTurn?: () => void
  /** Default: accepts everything. */
  readonly verify?: Verify
  /** Messages that are kept in memory while marking fails; default 50,000. */
  readonly maxPending?: number
  /** Messages that are marked in one call; default 500. */
  readonly maxBatch?: number
  /** Ids that duplicates are known by; default 100,000, half a day of Fedora's whole bus. */
  readonly rememberIds?: number
  /** An attempt to mark that takes longer is stuck; default 60,000. The database's own timeouts end it in the end. */
  readonly stuckMs?: number
  /** Waits between attempts to mark, doubling; default 100 to 5,000. */
  readonly retryMs?: { readonly first: number; readonly longest: number }
}

/** source, decode, filter, verify, hints, mark: the whole way of a message to the durable queue. */
export class Receiver {
  readonly #options: ReceiverOptions
  readonly #decoder: Decoder
  readonly #prefix: string
  readonly #seen: LRUCache<string, true>
  readonly #backlog: Backlog
  #running: Promise<void> | null = null

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.#decoder = new Decoder(options)
    this.#prefix = normalisePrefix(options.topicPrefix)
    this.#seen = new LRUCache({ max: options.rememberIds ?? 100_000 })
    this.#backlog = new Backlog({
      mark: options.mark,
      maxPending: options.maxPending ?? 50_000,
      maxBatch: options.maxBatch ?? 500,
      retryMs: options.retryMs ?? { first: 100, longest: 5000 },
      onMarked: ({ topic }) => this.#report(topic, 'marked', ''),
      onLost: (entry, reason) => this.#lost(entry, reason),
      onOverflow: () => options.onCatchUp('overflow'),
      onRecovered: () => options.onCatchUp('overflow'),
    })
  }

  /**
   * Receives until `destroy`; then marks what is still pending, if marking works. Rejects with what says that
   * going on is wrong (SafetyError, ConfigError) or cannot be (a broken socket); the source is ended then.
   */
  run(): Promise<void> {
    this.#running ??= this.#run()
    return this.#running
  }

  /** Ends `run`, and waits for it. */
  async destroy(): Promise<void> {
    this.#options.source.destroy()
    this.#backlog.close()
    await this.#running?.catch(() => {})
  }

  /** Messages that wait in memory to be marked. */
  get pending(): number {
    return this.#backlog.size
  }

  /** How long ago the oldest of them came, milliseconds; 0: none waits. */
  get oldestPendingMs(): number {
    return this.#backlog.oldestMs
  }

  async #run(): Promise<void> {
    const { source } = this.#options
    const marking = this.#backlog.run().finally(() => source.destroy())
    marking.catch(() => {}) // awaited below, but only when the source has ended
    try {
      source.start(this.#sourceEvents())
      for await (const message of source) {
        const entry = await this.#entryOf(message)
        if (entry !== null) this.#backlog.push(entry)
      }
    } finally {
      source.destroy()
      this.#backlog.close()
      await marking
    }
  }

  #sourceEvents(): SourceEvents {
    const { onCatchUp, onConnection, onTurn, stuckMs = 60_000 } = this.#options
    // An endpoint that never answered is told as gone, too, each time.
    const connected = new Set<string>()
    const gone = (endpoint: string): void => {
      connected.delete(endpoint)
      onConnection?.(endpoint, 'disconnected', connected.size)
    }
    return {
      turned: () => {
        if (this.#backlog.attemptMs < stuckMs) onTurn?.()
      },
      connected: (endpoint) => {
        connected.add(endpoint)
        onConnection?.(endpoint, 'connected', connected.size)
        onCatchUp('connected')
      },
      disconnected: gone,
      silence: () => {
        // The source has thrown them all away.
        for (const endpoint of [...connected]) gone(endpoint)
        onCatchUp('silence')
      },
      refused: (topic, reason) => this.#report(labelOf(topic, this.#prefix), 'refused', reason),
    }
  }

  /** What of this message is to be marked; null, and reported, when there is nothing. */
  async #entryOf(bus: BusMessage): Promise<Entry | null> {
    const decoded = this.#decoder.decode(bus)
    if (decoded.kind !== 'message') return this.#reject(decoded)
    const { message } = decoded
    if (bus.id !== null && this.#seen.has(bus.id)) return this.#report(message.topic, 'duplicate', '')
    const verdict = await this.#verify(bus)
    if (!verdict.ok) return this.#report(message.topic, 'refused', verdict.reason)
    // Remembered only now: a forged copy that came first must not shadow the real one.
    if (bus.id !== null) this.#seen.set(bus.id, true)
    return this.#hint(bus, message)
  }

  #hint(bus: BusMessage, message: KojiMessage): Entry | null {
    const hints = hintsOf(message, this.#options.known)
    if (hints.kind !== 'marks') return this.#report(message.topic, hints.kind, hints.reason)
    const { id, receivedAtMs, sentAtMs } = bus
    return { topic: message.topic, id, receivedAtMs, sentAtMs, marks: hints.marks }
  }

  async #verify(bus: BusMessage): Promise<Verdict> {
    try {
      return (await this.#options.verify?.(bus)) ?? { ok: true }
    } catch (thrown) {
      const error = asError(thrown)
      return { ok: false, reason: error instanceof SyncError ? `verify:${error.code}` : 'verify:error' }
    }
  }

  #reject(decoded: Exclude<Decoded, { kind: 'message' }>): null {
    return this.#report(decoded.topic, decoded.kind, decoded.reason)
  }

  #lost(entry: Entry, reason: LossReason): void {
    if (entry.id !== null) this.#seen.delete(entry.id)
    this.#report(entry.topic, 'refused', reason)
    if (reason === 'unmarkable') this.#options.onCatchUp('unmarkable')
  }

  #report(topic: TopicLabel, outcome: MessageOutcome['outcome'], reason: string): null {
    this.#options.onOutcome({ topic, outcome, reason })
    return null
  }
}
