import { setTimeout as delay } from 'node:timers/promises'
import { type Dispatcher, errors, Pool } from 'undici'
import { AgainError, ConfigError, KeyError, OutageError } from '../errors.ts'
import type { Step } from '../step.ts'

export interface PackageServerOptions {
  /** prod's `topurl`: http or https, no user, query or fragment */
  readonly url: string
  /** PEM text of the certificates to trust instead of the system's */
  readonly ca?: string | undefined
  readonly connections: number
  /** silence of the server, also between two pieces of a file */
  readonly timeoutMs: number
  /** waits before a transfer that broke off is taken up again; as many tries as waits, anew after each piece that came */
  readonly retryDelaysMs: readonly number[]
  readonly userAgent: string
  readonly step: Step
}

/** A file as the server began to send it. */
export interface Begun {
  readonly size: number | null
  /** seconds since 1970 */
  readonly mtime: number | null
  readonly chunks: AsyncIterable<Buffer>
  close(): Promise<void>
}

type Response = Dispatcher.ResponseData

/** Statuses of a server that is busy, or down behind a proxy. */
const SICK = [408, 425, 429]

/**
 * Prod's package server, which hands out the files of its tree.
 *
 * | it answers               | meaning                                                                        |
 * | ------------------------ | ------------------------------------------------------------------------------ |
 * | 200                      | the file                                                                       |
 * | 404, 410                 | null: no such file                                                             |
 * | breaks off               | taken up where it broke off (Range, If-Range); another file by now: AgainError STORAGE_CHANGED |
 * | 408, 425, 429, 5xx, none | tried again, then OutageError STORAGE_SERVER; of one file only: KeyError STORAGE_FILE_SICK |
 * | any other                | KeyError STORAGE_HTTP_STATUS; redirects are not followed                       |
 */
export class PackageServer {
  readonly url: string
  readonly #options: PackageServerOptions
  readonly #pool: Pool
  readonly #base: string

  /** Throws ConfigError TOPURL. */
  constructor(options: PackageServerOptions) {
    const url = parseUrl(options.url)
    this.#options = options
    this.#base = url.pathname.replace(/\/+$/, '')
    this.url = `${url.origin}${this.#base}`
    this.#pool = new Pool(url.origin, {
      connections: options.connections,
      pipelining: 1,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      connect: { timeout: options.timeoutMs, ...(options.ca === undefined ? {} : { ca: options.ca }) },
    })
  }

  /** Throws OutageError STORAGE_SERVER when it does not answer, or not for itself. */
  async probe(): Promise<void> {
    const path = `${this.#base}/packages/`
    try {
      const response = await this.#request('HEAD', path, {})
      await response.body.dump()
      // A server need not list its directories.
      if (!isSick(response.statusCode) && response.statusCode !== 404) return
      throw this.#outage(path, `HTTP status ${response.statusCode}`)
    } catch (error) {
      if (error instanceof OutageError || !isConnection(error)) throw error
      throw this.#outage(path, error.message, error)
    }
  }

  /** A file below the top; null where there is none. */
  async open(names: readonly string[]): Promise<Begun | null> {
    const path = [this.#base, ...names.map(encodeURIComponent)].join('/')
    const first = await this.#begin(path, 0, null)
    if (first.statusCode === 404 || first.statusCode === 410) {
      await first.body.dump()
      return null
    }
    if (first.statusCode !== 200) {
      await first.body.dump()
      throw this.#status(path, first.statusCode)
    }
    const length = Number(first.headers['content-length'] ?? Number.NaN)
    const modified = Date.parse(String(first.headers['last-modified'] ?? ''))
    return {
      size: Number.isSafeInteger(length) ? length : null,
      mtime: Number.isNaN(modified) ? null : modified / 1000,
      chunks: this.#chunks(path, first),
      close: async () => void first.body.destroy(),
    }
  }

  destroy(): Promise<void> {
    return this.#pool.destroy()
  }

  async *#chunks(path: string, first: Response): AsyncIterable<Buffer> {
    const { 'content-length': length, etag, 'last-modified': modified } = first.headers
    // Only a strong tag, or a time, says that the rest belongs to the same file.
    const validator = typeof etag === 'string' && !etag.startsWith('W/') ? etag : (modified ?? null)
    let response = first
    let position = 0
    /** of this answer, what came before */
    let known = 0
    let failed = 0
    for (;;) {
      try {
        for await (const chunk of response.body) {
          const fresh = (chunk as Buffer).subarray(known)
          known -= (chunk as Buffer).length - fresh.length
          if (fresh.length === 0) continue
          // Only what is new is progress: a server that always breaks off at one place is given up.
          failed = 0
          position += fresh.length
          yield fresh
        }
        if (length === undefined || position >= Number(length)) return
        throw new errors.SocketError(`the server ended the file after ${position} of ${length} bytes`)
      } catch (error) {
        if (!isConnection(error)) throw error
        const waitMs = this.#options.retryDelaysMs[failed++]
        if (waitMs === undefined) throw await this.#given(path, error.message, error)
        await delay(waitMs)
        response = await this.#begin(path, position, validator === null ? null : String(validator))
        known = this.#knownOf(path, first, response, position)
      }
    }
  }

  /** How many bytes of an answer to skip: none of the rest, all that came of a file that is sent anew. */
  #knownOf(path: string, first: Response, response: Response, position: number): number {
    const { statusCode, headers } = response
    if (statusCode === 206 && String(headers['content-range'] ?? '').startsWith(`bytes ${position}-`))
      return 0
    const isSame = ['etag', 'last-modified', 'content-length'].every(
      (name) => headers[name] === first.headers[name],
    )
    if (statusCode === 200 && isSame) return position
    response.body.destroy()
    if (statusCode !== 200 && statusCode !== 206 && statusCode !== 416) throw this.#status(path, statusCode)
    const shown = this.#shown(path)
    throw new AgainError('STORAGE_CHANGED', `${shown} cannot be taken up at byte ${position}: it changed`, {
      detail: { path: shown, position },
    })
  }

  /** The answer that is worth looking at. */
  async #begin(path: string, position: number, validator: string | null): Promise<Response> {
    const range =
      position === 0
        ? {}
        : { range: `bytes=${position}-`, ...(validator === null ? {} : { 'if-range': validator }) }
    for (let failed = 0; ; failed++) {
      let why: string
      let cause: unknown
      try {
        const response = await this.#request('GET', path, range)
        if (!isSick(response.statusCode)) return response
        await response.body.dump()
        why = `HTTP status ${response.statusCode}`
      } catch (error) {
        if (!isConnection(error)) throw error
        why = error.message
        cause = error
      }
      const waitMs = this.#options.retryDelaysMs[failed]
      if (waitMs === undefined) throw await this.#given(path, why, cause)
      await delay(waitMs)
    }
  }

  async #request(method: 'GET' | 'HEAD', path: string, headers: Record<string, string>): Promise<Response> {
    await this.#options.step('fetch.request', { method, path })
    const response = await this.#pool.request({
      method,
      path,
      // The bytes as they are: a packed answer has no ranges, and no length.
      headers: { 'accept-encoding': 'identity', 'user-agent': this.#options.userAgent, ...headers },
    })
    // What is broken off on purpose says so as an error; whoever reads meets it all the same.
    response.body.on('error', () => {})
    return response
  }

  /** A server that answers for itself is well: then it is this file. */
  async #given(path: string, why: string, cause: unknown): Promise<Error> {
    try {
      await this.probe()
    } catch (error) {
      return error instanceof Error ? error : this.#outage(path, why, cause)
    }
    const shown = this.#shown(path)
    return new KeyError('STORAGE_FILE_SICK', `prod's package server does not give ${shown}: ${why}`, {
      detail: { path: shown, why },
      cause,
    })
  }

  #status(path: string, status: number): KeyError {
    const shown = this.#shown(path)
    return new KeyError(
      'STORAGE_HTTP_STATUS',
      `prod's package server says HTTP status ${status} for ${shown}`,
      {
        detail: { path: shown, status },
      },
    )
  }

  #outage(path: string, why: string, cause?: unknown): OutageError {
    const shown = this.#shown(path)
    return new OutageError('storage', 'STORAGE_SERVER', `prod's package server: ${shown}: ${why}`, {
      detail: { path: shown, why },
      cause,
    })
  }

  #shown(path: string): string {
    return `${new URL(this.url).origin}${path}`
  }
}

function isSick(status: number): boolean {
  return status >= 500 || SICK.includes(status)
}

/** Refused, cut, silent: what another try may mend. */
function isConnection(error: unknown): error is Error {
  if (error instanceof errors.UndiciError) return !(error instanceof errors.ClientDestroyedError)
  const code = (error as NodeJS.ErrnoException | null)?.code ?? ''
  return /^E(CONN|HOST|NET|PIPE|TIMEDOUT|AI_AGAIN|NOTFOUND|PROTO)|^ERR_TLS|^ERR_SSL|CERT/.test(code)
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new ConfigError('TOPURL', 'prod.topurl must be an http or https URL')
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new ConfigError('TOPURL', 'prod.topurl must have no user, password, query or fragment')
  return url
}
