import { request } from 'undici'
import { asError, OutageError, StopError } from '../errors.ts'
import { parseKojiJson } from '../model/koji-json-parse.ts'
import { isStruct, type Struct, type Value } from '../model/value.ts'
import type { Step } from '../step.ts'

export interface DatagrepperOptions {
  /** Address of its raw search: `https://apps.example.org/datagrepper/raw`. */
  readonly url: string
  /** Whole topics; it knows no prefixes. */
  readonly topics: readonly string[]
  readonly step: Step
  /** For one page; default 60,000. Long searches are cut off by proxies before it. */
  readonly timeoutMs?: number
}

/** More make it time out; what times out all the same is halved, down to a minute. */
const WINDOW_SECONDS = 3_600
const SHORTEST_SECONDS = 60
/** Its own limit. */
const ROWS = 100
/** 200,000 messages in an hour: no bus has so many, and an answer that says so ends somewhere. */
const MAX_PAGES = 2_000
const MAX_BYTES = 64 * 1024 * 1024
const TIMEOUT_MS = 60_000
/** It, or the proxy before it, had not the time. */
const TOO_LONG: ReadonlySet<number> = new Set([500, 502, 503, 504])

/** The search took too long, or the answer was too much: a shorter one may do. */
class TooMuch extends Error {}

/**
 * Reads messages of the past from a datagrepper (datagrepper's /raw): oldest first, in windows with both ends fixed, since its pages
 * are offsets, which shift when anything is added. Ends of windows belong to both; duplicates are for the reader to drop.
 */
export class Datagrepper {
  readonly #options: DatagrepperOptions

  constructor(options: DatagrepperOptions) {
    this.#options = options
  }

  /**
   * Items from `start` to `end`, whole seconds since 1970, as they were sent but for what datagrepper added. Throws OutageError
   * BUS_DATAGREPPER (cannot be reached, answers something else), the signal's reason.
   */
  async *items(start: number, end: number, signal: AbortSignal): AsyncGenerator<Struct, void, undefined> {
    let seconds = WINDOW_SECONDS
    for (let from = start; from < end; ) {
      const to = Math.min(from + seconds, end)
      try {
        yield* this.#window(from, to, signal)
        from = to
      } catch (error) {
        if (!(error instanceof TooMuch)) throw error
        if (to - from <= SHORTEST_SECONDS) throw this.#failed(error)
        seconds = Math.max(SHORTEST_SECONDS, Math.floor((to - from) / 2))
      }
    }
  }

  async *#window(start: number, end: number, signal: AbortSignal): AsyncGenerator<Struct, void, undefined> {
    for (let page = 1, pages = 1; page <= pages; page += 1) {
      const answer = await this.#page(start, end, page, signal)
      // Both ends are fixed, so the first answer counts; a later one cannot make this endless.
      if (page === 1) pages = answer.pages
      yield* answer.items
    }
  }

  async #page(
    start: number,
    end: number,
    page: number,
    signal: AbortSignal,
  ): Promise<{ pages: number; items: readonly Struct[] }> {
    const { url, topics, step, timeoutMs = TIMEOUT_MS } = this.#options
    const address = new URL(url)
    const parameters = { start, end, page, rows_per_page: ROWS, order: 'asc' }
    for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, String(value))
    for (const topic of topics) address.searchParams.append('topic', topic)
    await step('bus.datagrepper', { start, end, page })
    const timeout = AbortSignal.timeout(timeoutMs)
    try {
      const { statusCode, body } = await request(address, {
        headers: { accept: 'application/json' },
        signal: AbortSignal.any([signal, timeout]),
      })
      if (statusCode !== 200) {
        await body.dump()
        if (TOO_LONG.has(statusCode)) throw new TooMuch(`answered ${statusCode}`)
        throw new Error(`answered ${statusCode}`)
      }
      return readAnswer(await collect(body))
    } catch (error) {
      if (signal.aborted) throw new StopError('BUS_STOPPED', 'bus: stopped', { cause: error })
      if (timeout.aborted) throw new TooMuch(`no answer within ${timeoutMs} ms`)
      if (error instanceof TooMuch) throw error
      throw this.#failed(asError(error))
    }
  }

  #failed(error: Error): OutageError {
    const { url } = this.#options
    return new OutageError('bus', 'BUS_DATAGREPPER', `bus: datagrepper ${url}: ${error.message}`, {
      cause: error,
    })
  }
}

/** `{"raw_messages": [...], "pages": N, ...}`. Numbers keep their form: a message's signature depends on it. */
function readAnswer(bytes: Buffer): { pages: number; items: readonly Struct[] } {
  const answer: Value = parseKojiJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  if (!isStruct(answer)) throw new Error('answered no object')
  const { raw_messages: items, pages } = answer
  if (!Array.isArray(items) || !items.every(isStruct)) throw new Error('answered no raw_messages')
  if (typeof pages !== 'number' || pages < 0) throw new Error('answered no number of pages')
  if (pages > MAX_PAGES) throw new TooMuch(`says that there are ${pages} pages`)
  return { pages, items: items as readonly Struct[] }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of stream) {
    size += piece.length
    if (size > MAX_BYTES) throw new TooMuch(`a page has more than ${MAX_BYTES} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
