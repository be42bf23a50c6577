import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { Pool } from 'undici'
import { ConfigError } from '../errors.ts'
import { type Answer, AnswerDecoder, type DecodeLimits } from './decode.ts'
import { failureOf, failureOfPage } from './failure.ts'

export interface TransportOptions {
  /** http or https address of the hub; no user, password, query or fragment: we are anonymous. */
  readonly url: string
  /** PEM text of the certificates to trust instead of the system's. */
  readonly ca?: string | undefined
  readonly connections: number
  /** Silence of the hub, also between two pieces of an answer. */
  readonly timeoutMs: number
  /** One request with its whole answer. */
  readonly totalTimeoutMs: number
  readonly userAgent: string
}

/** An answer, and what it took. */
export interface Exchange {
  readonly answer: Answer
  /** Of the body, unpacked. */
  readonly bytes: number
}

/** As much of a body as is kept to say what came instead of an answer. */
const OPENING_BYTES = 400
/** Values nested deeper are nobody's data. */
const MAX_DEPTH = 200
const XML_TYPE = /^(?:text|application)\/xml\s*(?:;|$)/i
const OTHER_CHARSET = /;\s*charset\s*=\s*"?(?!utf-?8\b)/i

/** HTTP to the hub: one POST, one answer. No cookies, no session headers, no redirects. */
export class Transport {
  readonly #options: TransportOptions
  readonly #path: string
  readonly #pool: Pool

  /** Throws HUB_URL. */
  constructor(options: TransportOptions) {
    this.#options = options
    const url = parseUrl(options.url)
    this.#path = url.pathname
    this.#pool = new Pool(url.origin, {
      connections: options.connections,
      pipelining: 1,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      connect: { timeout: options.timeoutMs, ...(options.ca === undefined ? {} : { ca: options.ca }) },
    })
  }

  /** `maxBytes` of the answer, unpacked. Throws RequestFailure, or the reason of `signal`. */
  async post(body: Buffer, signal: AbortSignal, maxBytes: number): Promise<Exchange> {
    signal.throwIfAborted()
    const incoming = new Incoming({ maxDepth: MAX_DEPTH, maxBytes })
    const cancel = new AbortController()
    const giveUp = () => cancel.abort(signal.reason)
    signal.addEventListener('abort', giveUp, { once: true })
    const { totalTimeoutMs } = this.#options
    const deadline = setTimeout(() => cancel.abort(timeout(totalTimeoutMs)), totalTimeoutMs)
    try {
      const response = await this.#pool.request({
        path: this.#path,
        method: 'POST',
        headers: {
          'content-type': 'text/xml',
          accept: 'text/xml',
          'accept-encoding': 'gzip',
          'user-agent': this.#options.userAgent,
        },
        body,
        signal: cancel.signal,
      })
      const { 'content-type': type, 'content-encoding': encoding } = response.headers
      incoming.start(response.statusCode, String(type ?? ''))
      // A hub never compresses, but the httpd before it may.
      const read = (body: AsyncIterable<Buffer>) => incoming.read(body)
      if (/^(?:x-)?gzip$/i.test(String(encoding ?? ''))) await pipeline(response.body, createGunzip(), read)
      else await pipeline(response.body, read)
      return incoming.end()
    } catch (error) {
      signal.throwIfAborted()
      throw failureOf(cancel.signal.aborted ? cancel.signal.reason : error, incoming.opening)
    } finally {
      clearTimeout(deadline)
      signal.removeEventListener('abort', giveUp)
    }
  }

  async destroy(): Promise<void> {
    await this.#pool.destroy()
  }
}

/** A response while it arrives. */
class Incoming {
  readonly #decoder: AnswerDecoder
  #status = 0
  #contentType = ''
  #opening: Buffer | undefined
  #bytes = 0

  constructor(limits: DecodeLimits) {
    this.#decoder = new AnswerDecoder(limits)
  }

  /** How the body begins; undefined before the headers came. */
  get opening(): string | undefined {
    return this.#opening?.toString('utf8')
  }

  start(status: number, contentType: string): void {
    this.#status = status
    this.#contentType = contentType
    this.#opening = Buffer.alloc(0)
  }

  async read(body: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of body) {
      this.#bytes += chunk.length
      const opening = this.#opening ?? Buffer.alloc(0)
      if (opening.length < OPENING_BYTES)
        this.#opening = Buffer.concat([opening, chunk.subarray(0, OPENING_BYTES - opening.length)])
      if (this.#isAnswer()) this.#decoder.write(chunk)
      else if (this.#bytes >= OPENING_BYTES) throw this.#page()
    }
  }

  end(): Exchange {
    if (!this.#isAnswer()) throw this.#page()
    return { answer: this.#decoder.end(), bytes: this.#bytes }
  }

  #isAnswer(): boolean {
    const type = this.#contentType
    return this.#status === 200 && XML_TYPE.test(type) && !OTHER_CHARSET.test(type)
  }

  #page() {
    return failureOfPage(this.#status, this.#contentType, this.opening ?? '')
  }
}

function timeout(totalTimeoutMs: number): Error {
  return new DOMException(`no whole answer within ${totalTimeoutMs} ms`, 'TimeoutError')
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new ConfigError('HUB_URL', 'the hub address must be an http or https URL')
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new ConfigError('HUB_URL', 'the hub address must have no user, password, query or fragment')
  return url
}
