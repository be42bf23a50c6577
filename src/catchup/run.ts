import { setTimeout as sleep } from 'node:timers/promises'
import { AgainError, StopError } from '../errors.ts'
import type { Answers, Call, Hub } from '../hub/hub.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { Event } from '../model/tag-records.ts'
import type { Queue } from '../queue/queue.ts'
import type { Database, Tx } from '../staging/database.ts'

/** What a source has found so far, for a progress bar. */
export interface Progress {
  readonly source: string
  /** rows that the hub has answered, keys that were marked; of all sources together */
  readonly rows: number
  readonly keys: number
}

export interface RunOptions {
  readonly hub: Hub
  readonly database: Database
  readonly queue: Queue
  readonly signal: AbortSignal
  /** prod's last event, read before anything else */
  readonly now: Event
  /** the last event that staging shares with prod; null: nothing was copied */
  readonly seedEvent: number | null
  /** up to which the rows that were copied are still prod's: a prod that was restored has others since */
  readonly copiedEvent: number | null
  readonly limits: Limits
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** keys of a transaction that was committed */
  readonly onMarked?: ((keys: readonly Key[]) => void) | undefined
  /** told after each answer of the hub and each transaction */
  readonly onTurn?: (() => void) | undefined
}

/** How much is asked of the hub at once. */
export interface Limits {
  /** rows of each table and feed in the first request, which usually is the only one */
  readonly firstRows: number
  /** rows of a page after that: each page of history is a scan of its table on the hub, so few and large ones */
  readonly pageRows: number
  /** of the newest deleted, and of the newest canceled, builds */
  readonly stateRows: number
}

/** Tries of a transaction that lost a race for row locks. */
const TRIES = 5

/** One catch-up: reads prod at low priority, marks in transactions, counts. */
export class Run {
  readonly database: Database
  readonly now: Event
  readonly seedEvent: number | null
  readonly copiedEvent: number | null
  readonly limits: Limits
  rows = 0
  keys = 0
  /** how long the hub's answers were waited for */
  hubMs = 0
  readonly #options: RunOptions

  constructor(options: RunOptions) {
    this.database = options.database
    this.now = options.now
    this.seedEvent = options.seedEvent
    this.copiedEvent = options.copiedEvent
    this.limits = options.limits
    this.#options = options
  }

  async read<const C extends readonly Call<unknown>[]>(calls: C): Promise<Answers<C>> {
    const askedMs = performance.now()
    const answers = await this.#options.hub.read(calls, { priority: 'sweep', signal: this.#options.signal })
    this.hubMs += performance.now() - askedMs
    this.#options.onTurn?.()
    return answers
  }

  /**
   * One transaction: `find` remembers what is new and says its keys, which are marked, then `advance` moves the cursor
   * that this completes. `rows` of the hub's answers led here. A lost race is tried again. Throws StopError.
   */
  async commit(
    source: string,
    rows: number,
    find: (tx: Tx) => Promise<readonly Key[]>,
    advance?: (tx: Tx) => Promise<void>,
  ): Promise<void> {
    const marked = await this.#retried(() => this.#transaction(source, find, advance))
    this.rows += rows
    this.keys += marked.length
    this.#options.onMarked?.(marked)
    this.#options.onTurn?.()
    this.#options.onProgress?.({ source, rows: this.rows, keys: this.keys })
  }

  /** Waits for locks, and for as long as it takes: all of its rows are ours, none is Koji's. */
  #transaction(
    source: string,
    find: (tx: Tx) => Promise<readonly Key[]>,
    advance: ((tx: Tx) => Promise<void>) | undefined,
  ): Promise<readonly Key[]> {
    const work = async (tx: Tx): Promise<readonly Key[]> => {
      const keys = new Map((await find(tx)).map((key) => [formatKey(key), key]))
      const marks = [...keys.values()].map((key) => ({ key, priority: 'sweep' as const }))
      // Last but for the cursor: whoever converges these keys waits for us from here on.
      if (marks.length > 0) await this.#options.queue.markIn(tx, marks)
      await advance?.(tx)
      return marks.map(({ key }) => key)
    }
    return this.database.transaction(`catchup.${source}`, work, {
      lockTimeoutMs: 5_000,
      statementTimeoutMs: 120_000,
      patienceMs: Number.POSITIVE_INFINITY,
    })
  }

  async #retried<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      if (this.#options.signal.aborted) throw new StopError('CATCHUP_STOPPED', 'the catch-up was given up')
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof AgainError) || attempt >= TRIES) throw error
        await sleep(50 * attempt)
      }
    }
  }
}
