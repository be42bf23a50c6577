import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { asError, KeyError, StopError, SyncError } from '../errors.ts'
import type { Priority } from '../model/outcome.ts'
import type { Step } from '../step.ts'
import type { Ask } from './adapt.ts'
import { type AnswerLimits, maxAnswerBytes } from './answer-limits.ts'
import { Bisection } from './bisection.ts'
import { RequestFailure } from './failure.ts'
import type { Incoming } from './incoming.ts'
import type { Limiter } from './limiter.ts'
import { type BatchLimits, type CallAnswer, Piece, takeBatch } from './piece.ts'
import { answersOf, encodeRequest } from './request.ts'
import type { Transport } from './transport.ts'

/** One request to prod's hub, for metrics. */
export interface RequestReport {
  readonly priority: Priority
  /** One per call. */
  readonly methods: readonly string[]
  /** Of the calls that were answered with a fault. */
  readonly faults: readonly string[]
  readonly seconds: number
  /** `ok`, or the code of what went wrong with the request as a whole. */
  readonly outcome: string
  /** Of the answer, unpacked; 0 if there was none. */
  readonly bytes: number
}

export interface DispatcherOptions {
  readonly transport: Transport
  readonly limiter: Limiter
  readonly limits: BatchLimits
  readonly answerLimits: AnswerLimits
  /** Waits before a request whose connection failed is tried again; as many tries as waits. */
  readonly retryDelaysMs: readonly number[]
  readonly step: Step
  readonly onRequest: (report: RequestReport) => void
}

interface Batch {
  readonly pieces: readonly Piece[]
  readonly priority: Priority
  readonly attempt: number
  readonly bisection: Bisection | undefined
}

/** Why a request is broken off that nobody waits for. */
const GIVEN_UP = new StopError('HUB_STOPPED', 'nobody waits for this request any more')

/** Harmless, and as cheap as can be: whether the hub answers at all. */
const PROBE: Ask<unknown> = {
  kind: 'ask',
  method: 'getAPIVersion',
  params: [],
  bytes: 200,
  decode: (answer) => answer,
}

/**
 * Sends pieces: whatever is ready when a slot is free goes as one request. A request that failed as a whole is parted
 * (see failure.ts); the halves queue before new work and pass the limiter like any other.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #fresh: Record<Priority, Piece[]> = { live: [], sweep: [] }
  readonly #again: Record<Priority, Batch[]> = { live: [], sweep: [] }
  readonly #stopped = new AbortController()
  readonly #onTheWay = new Set<Incoming>()
  #pumping: NodeJS.Immediate | undefined
  #hurrying = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: DispatcherOptions) {
    this.#options = options
    // Every batch that is tried again waits on it.
    setMaxListeners(0, this.#stopped.signal)
  }

  /** Queues a piece; it settles when its answers are there, or what kept them away. */
  submit(piece: Piece): void {
    if (this.#stopped.signal.aborted) {
      piece.reject(this.#stopped.signal.reason)
      return
    }
    this.#fresh[piece.priority].push(piece)
    // Not at once: what else becomes ready travels along. Live work that finds nothing under way waits for no turn of the event loop.
    if (piece.priority === 'sweep' || this.#onTheWay.size > 0)
      this.#pumping ??= setImmediate(() => this.#pump())
    else if (!this.#hurrying) {
      this.#hurrying = true
      process.nextTick(() => {
        this.#hurrying = false
        if (!this.#stopped.signal.aborted) this.#pump()
      })
    }
  }

  /** Rejects everything with HUB_STOPPED, also what is on its way. */
  destroy(): void {
    const stopped = new StopError('HUB_STOPPED', 'the hub client was stopped')
    this.#stopped.abort(stopped)
    clearImmediate(this.#pumping)
    clearTimeout(this.#timer)
    const batches = [...this.#again.live.splice(0), ...this.#again.sweep.splice(0)]
    const pieces = [...this.#fresh.live.splice(0), ...this.#fresh.sweep.splice(0)]
    for (const incoming of this.#onTheWay) incoming.cancel(stopped)
    for (const piece of [...pieces, ...batches.flatMap((batch) => batch.pieces)]) piece.reject(stopped)
    for (const batch of batches) batch.bisection?.closed()
  }

  #pump(): void {
    clearImmediate(this.#pumping)
    this.#pumping = undefined
    clearTimeout(this.#timer)
    for (;;) {
      const now = performance.now()
      const granted = this.#options.limiter.take(
        { live: this.#waits('live'), sweep: this.#waits('sweep') },
        now,
      )
      if (granted === null) return
      if (typeof granted === 'number') {
        this.#timer = setTimeout(() => this.#pump(), granted)
        return
      }
      const batch = this.#again[granted].shift() ?? this.#freshBatch(granted)
      void this.#run(batch).finally(() => {
        this.#options.limiter.done(granted)
        if (!this.#stopped.signal.aborted) this.#pump()
      })
    }
  }

  #waits(priority: Priority): boolean {
    const fresh = this.#fresh[priority]
    while (fresh[0]?.settled === true) fresh.shift()
    return fresh.length > 0 || this.#again[priority].length > 0
  }

  #freshBatch(priority: Priority): Batch {
    const pieces = takeBatch(this.#fresh[priority], this.#options.limits)
    return { pieces, priority, attempt: 0, bisection: undefined }
  }

  /** Never throws: what happens goes to the pieces. */
  async #run(batch: Batch): Promise<void> {
    const pieces = batch.pieces.filter((piece) => !piece.settled)
    try {
      if (pieces.length > 0) await this.#exchange({ ...batch, pieces })
      batch.bisection?.worked()
    } catch (error) {
      if (error instanceof RequestFailure) this.#failed({ ...batch, pieces }, error)
      else for (const piece of pieces) piece.reject(asError(error))
    }
    batch.bisection?.closed()
  }

  async #exchange({ pieces, priority }: Batch): Promise<void> {
    const { transport, limits, answerLimits, step, onRequest } = this.#options
    const asks = pieces.flatMap((piece) => piece.asks)
    const methods = asks.map((ask) => ask.method)
    const gate = step('hub.request', { priority, methods })
    if (gate !== undefined) await gate
    const begun = performance.now()
    const report = { outcome: 'ok', bytes: 0, faults: [] as string[] }
    let incoming: Incoming | null = null
    try {
      // Live work asks for the history of one thing, which is quick: nobody waits longer for a hub that is silent then.
      const pace = priority === 'sweep' && methods.includes('queryHistory') ? 'slow' : 'usual'
      incoming = transport.post(encodedOr(asks, limits.maxBytes), maxAnswerBytes(methods, answerLimits), pace)
      this.#watch(incoming, pieces)
      const { answer, bytes } = await incoming.done
      report.bytes = bytes
      const answers = [...answersOf(asks, answer)]
      report.faults = methods.filter((_, index) => 'error' in (answers[index] as CallAnswer))
      const answered = step('hub.answer', { priority, methods })
      if (answered !== undefined) await answered
      for (const piece of pieces) piece.resolve(answers.splice(0, piece.asks.length))
    } catch (error) {
      report.outcome = outcomeOf(error)
      throw error
    } finally {
      if (incoming !== null) this.#onTheWay.delete(incoming)
      onRequest({ priority, methods, seconds: (performance.now() - begun) / 1000, ...report })
    }
  }

  /** It is broken off when nobody waits for any of it any more. */
  #watch(incoming: Incoming, pieces: readonly Piece[]): void {
    this.#onTheWay.add(incoming)
    const settled = (): void => {
      if (pieces.every((piece) => piece.settled)) incoming.cancel(GIVEN_UP)
    }
    for (const piece of pieces) piece.onSettled = settled
    // While it waited for its turn.
    settled()
    if (this.#stopped.signal.aborted) incoming.cancel(this.#stopped.signal.reason)
  }

  #failed(batch: Batch, failure: RequestFailure): void {
    const { pieces, attempt } = batch
    const retryDelayMs = this.#options.retryDelaysMs[attempt]
    if (failure.kind === 'connection' && retryDelayMs !== undefined) {
      void this.#later({ ...batch, attempt: attempt + 1 }, retryDelayMs)
    } else if (failure.kind === 'answer') {
      batch.bisection?.worked()
      if (pieces.length === 1) pieces[0]?.reject(failure.error)
      else this.#part(batch, batch.bisection)
    } else if (failure.kind === 'doubtful') {
      this.#doubt(batch, failure.error)
    } else {
      for (const piece of pieces) piece.reject(failure.error)
    }
  }

  /** A failure that may be one call's doing. */
  #doubt(batch: Batch, error: SyncError): void {
    const { pieces, priority } = batch
    const bisection = batch.bisection ?? new Bisection()
    bisection.failed()
    const [only, ...others] = pieces
    if (bisection.hopeless || only === undefined) {
      for (const piece of pieces) piece.reject(error)
    } else if (others.length > 0) {
      this.#part(batch, bisection)
    } else if (batch.bisection !== undefined) {
      bisection.suspect(only, error)
    } else {
      const probe = new Piece([PROBE], priority)
      probe.answers.catch(() => undefined)
      this.#resend([[only], [probe]], priority, bisection)
    }
  }

  #part(batch: Batch, bisection: Bisection | undefined): void {
    const middle = Math.ceil(batch.pieces.length / 2)
    const halves = [batch.pieces.slice(0, middle), batch.pieces.slice(middle)]
    this.#resend(halves, batch.priority, bisection)
  }

  #resend(parts: readonly (readonly Piece[])[], priority: Priority, bisection: Bisection | undefined): void {
    for (const pieces of parts) {
      bisection?.opened()
      this.#enqueue({ pieces, priority, attempt: 0, bisection })
    }
  }

  async #later(batch: Batch, delayMs: number): Promise<void> {
    batch.bisection?.opened()
    await delay(delayMs, undefined, { signal: this.#stopped.signal }).catch(() => undefined)
    this.#enqueue(batch)
  }

  #enqueue(batch: Batch): void {
    if (this.#stopped.signal.aborted) {
      for (const piece of batch.pieces) piece.reject(this.#stopped.signal.reason)
      batch.bisection?.closed()
      return
    }
    this.#again[batch.priority].push(batch)
    this.#pumping ??= setImmediate(() => this.#pump())
  }
}

/** A call that cannot be encoded must not take the others with it: they are parted like a bad answer. */
function encodedOr(asks: readonly Ask<unknown>[], maxBytes: number): Buffer {
  try {
    return encodeRequest(asks, maxBytes)
  } catch (error) {
    throw error instanceof KeyError ? new RequestFailure('answer', error) : error
  }
}

function outcomeOf(error: unknown): string {
  if (error instanceof RequestFailure) return error.error.code
  return error instanceof SyncError ? error.code : 'error'
}
