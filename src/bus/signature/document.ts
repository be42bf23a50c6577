import { createReadStream } from 'node:fs'
import { request } from 'undici'
import { asError, OutageError } from '../../errors.ts'
import type { Step } from '../../step.ts'

export interface DocumentOptions {
  /** A path, or an http:// or https:// address. */
  readonly location: string
  readonly step: Step
  /** Older contents are read again, in the background. */
  readonly maxAgeMs: number
  /** Between two attempts at least, however often somebody asks. */
  readonly retryMs: number
  /** A clock that never jumps, milliseconds. */
  readonly monotonicMs: () => number
  readonly onRead: (outcome: 'changed' | 'unchanged' | 'failed', error: Error | null) => void
}

/** A revocation list of this size has 400,000 entries. */
const MAX_BYTES = 16 * 1024 * 1024
const TIMEOUT_MS = 10_000
const MAX_REDIRECTS = 3

/** A small file somewhere that may change under us. What was read last is kept when it cannot be read again. */
export class Document {
  readonly #options: DocumentOptions
  #content: Buffer | null = null
  #error: Error | null = null
  #attemptedAtMs = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | null = null

  constructor(options: DocumentOptions) {
    this.#options = options
  }

  /** The content; waits only for the first. Throws OutageError BUS_TRUST while there is none; asked too soon, the last one. */
  async content(): Promise<Buffer> {
    const { maxAgeMs, retryMs } = this.#options
    if (this.#content === null && (this.#error === null || this.#ageMs() >= retryMs)) await this.#read()
    else if (this.#ageMs() >= Math.max(maxAgeMs, retryMs)) void this.#read()
    if (this.#content !== null) return this.#content
    throw this.#error
  }

  /** Reads again now and waits for it, unless the last attempt was just made. */
  async again(): Promise<void> {
    if (this.#ageMs() >= this.#options.retryMs) await this.#read()
  }

  #ageMs(): number {
    return this.#options.monotonicMs() - this.#attemptedAtMs
  }

  /** Never rejects. One at a time. */
  #read(): Promise<void> {
    this.#reading ??= this.#attempt().finally(() => {
      this.#reading = null
    })
    return this.#reading
  }

  async #attempt(): Promise<void> {
    const { location, step, monotonicMs, onRead } = this.#options
    this.#attemptedAtMs = monotonicMs()
    try {
      await step('bus.trust', { location })
      const content = await (/^https?:/.test(location) ? fetchBytes(location) : readBytes(location))
      const changed = this.#content === null || !this.#content.equals(content)
      // Who holds the old one must see by its identity whether anything is new.
      if (changed) this.#content = content
      this.#error = null
      onRead(changed ? 'changed' : 'unchanged', null)
    } catch (error) {
      const text = `bus: ${location} cannot be read: ${asError(error).message}`
      this.#error = new OutageError('bus', 'BUS_TRUST', text, { detail: { location }, cause: error })
      onRead('failed', this.#error)
    }
  }
}

function readBytes(path: string): Promise<Buffer> {
  return collect(createReadStream(path))
}

async function fetchBytes(url: string, redirects = MAX_REDIRECTS): Promise<Buffer> {
  const { statusCode, headers, body } = await request(url, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  })
  if (statusCode === 200) return collect(body)
  await body.dump()
  const { location } = headers
  if (statusCode >= 301 && statusCode <= 308 && typeof location === 'string' && redirects > 0) {
    const next = new URL(location, url)
    // Never from https to http, nor to anything else.
    if (next.protocol === 'https:' || (next.protocol === 'http:' && url.startsWith('http:'))) {
      return fetchBytes(next.href, redirects - 1)
    }
  }
  throw new Error(`answered ${statusCode}`)
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of stream) {
    size += piece.length
    if (size > MAX_BYTES) throw new Error(`larger than ${MAX_BYTES} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
