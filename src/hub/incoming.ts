import type { IncomingHttpHeaders } from 'node:http'
import { createGunzip, type Gunzip } from 'node:zlib'
import type { Dispatcher } from 'undici'
import { AnswerDecoder, type DecodeLimits } from './decode.ts'
import { failureOf, failureOfPage } from './failure.ts'
import type { Answer } from './undecodable.ts'

/** An answer, and what it took. */
export interface Exchange {
  readonly answer: Answer
  /** Of the body, unpacked. */
  readonly bytes: number
}

/** As much of a body as is kept to say what came instead of an answer. */
const OPENING_BYTES = 400
const XML_TYPE = /^(?:text|application)\/xml\s*(?:;|$)/i
const OTHER_CHARSET = /;\s*charset\s*=\s*"?(?!utf-?8\b)/i

/**
 * A response while it arrives, read as it comes and without a stream between: an answer to one call is small, and a stream
 * would cost as much as the decoding. `done` rejects with RequestFailure, or with what it was cancelled with.
 */
export class Incoming implements Dispatcher.DispatchHandler {
  readonly done: Promise<Exchange>
  readonly #decoder: AnswerDecoder
  readonly #deadline: NodeJS.Timeout
  #resolve: (exchange: Exchange) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined
  #controller: Dispatcher.DispatchController | null = null
  #gunzip: Gunzip | null = null
  #status = 0
  #contentType = ''
  #opening: Buffer | undefined
  #bytes = 0
  #ended = false

  constructor({
    limits,
    totalTimeoutMs,
  }: { readonly limits: DecodeLimits; readonly totalTimeoutMs: number }) {
    this.#decoder = new AnswerDecoder(limits)
    this.#deadline = setTimeout(() => this.#broken(timeout(totalTimeoutMs)), totalTimeoutMs)
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Gives it up: the connection is closed. */
  cancel(reason: unknown): void {
    this.#fail(reason)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#ended) controller.abort(new Error('given up before it was sent'))
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    // 1xx: the response is still to come.
    if (status < 200) return
    this.#status = status
    this.#contentType = String(headers['content-type'] ?? '')
    this.#opening = Buffer.alloc(0)
    // A hub never compresses, but the httpd before it may.
    if (/^(?:x-)?gzip$/i.test(String(headers['content-encoding'] ?? ''))) this.#unpack(controller)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#gunzip === null) this.#take(chunk)
    else if (!this.#gunzip.write(chunk)) controller.pause()
  }

  onResponseEnd(): void {
    if (this.#gunzip === null) this.#end()
    else this.#gunzip.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#broken(error)
  }

  #broken(error: Error): void {
    this.#fail(failureOf(error, this.#text))
  }

  /** How the body begins; undefined before the headers came. */
  get #text(): string | undefined {
    return this.#opening?.toString('utf8')
  }

  #unpack(controller: Dispatcher.DispatchController): void {
    this.#gunzip = createGunzip()
      .on('data', (chunk: Buffer) => this.#take(chunk))
      .on('drain', () => controller.resume())
      .on('end', () => this.#end())
      .on('error', (error) => this.#broken(error))
  }

  #take(chunk: Buffer): void {
    if (this.#ended) return
    try {
      this.#bytes += chunk.length
      const opening = this.#opening ?? Buffer.alloc(0)
      if (opening.length < OPENING_BYTES)
        this.#opening = Buffer.concat([opening, chunk.subarray(0, OPENING_BYTES - opening.length)])
      if (this.#isAnswer()) this.#decoder.write(chunk)
      else if (this.#bytes >= OPENING_BYTES) throw this.#page()
    } catch (error) {
      this.#fail(failureOf(error, this.#text))
    }
  }

  #end(): void {
    if (this.#ended) return
    try {
      if (!this.#isAnswer()) throw this.#page()
      const answer = this.#decoder.end()
      this.#over()
      this.#resolve({ answer, bytes: this.#bytes })
    } catch (error) {
      this.#fail(failureOf(error, this.#text))
    }
  }

  #fail(error: unknown): void {
    if (this.#ended) return
    this.#over()
    this.#reject(error)
    this.#gunzip?.destroy()
    this.#controller?.abort(new Error('given up'))
  }

  #over(): void {
    this.#ended = true
    clearTimeout(this.#deadline)
  }

  #isAnswer(): boolean {
    const type = this.#contentType
    return this.#status === 200 && XML_TYPE.test(type) && !OTHER_CHARSET.test(type)
  }

  #page() {
    return failureOfPage(this.#status, this.#contentType, this.#text ?? '')
  }
}

function timeout(totalTimeoutMs: number): Error {
  return new DOMException(`no whole answer within ${totalTimeoutMs} ms`, 'TimeoutError')
}
