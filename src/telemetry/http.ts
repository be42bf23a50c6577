import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { asError, SyncError } from '../errors.ts'
import type { HealthState } from './health.ts'

export interface HttpOptions {
  readonly host: string
  /** 0: any free one */
  readonly port: number
  /** The page for Prometheus. */
  readonly metrics: () => Promise<string>
  readonly health: () => HealthState
  /** The page for people, its JSON, and whether work can be done; absent: not found. */
  readonly pages?: {
    readonly page: () => Promise<string>
    readonly status: () => Promise<string>
    readonly ready: () => Promise<
      readonly { readonly name: string; readonly ok: boolean; readonly reason: string }[]
    >
  }
  /** A request that could not be answered; not what the client did wrong. */
  readonly onError: (error: Error) => void
}

const MAX_CONNECTIONS = 64
const CLOSE_AFTER_MS = 1000

/**
 * GET /metrics (Prometheus' text form), /healthz (200 `ok`, 503 with one reason a line), /readyz (the same with every precondition),
 * / (the page for people) and /status.json. Anything else is 404, other methods 405. Bounded in connections, header size and time; bodies are not read.
 */
export class HttpServer {
  readonly #server: Server
  readonly #options: HttpOptions
  readonly #answers: Readonly<Record<string, () => Answer | Promise<Answer>>>
  #page: Promise<string> | null = null

  private constructor(options: HttpOptions) {
    this.#options = options
    this.#answers = this.#answersOf(options)
    this.#server = createServer(
      { maxHeaderSize: 8192, requestTimeout: 10_000, headersTimeout: 5000, keepAliveTimeout: 5000 },
      (request, response) => void this.#answer(request, response),
    )
    this.#server.maxConnections = MAX_CONNECTIONS
    this.#server.on('clientError', (_error, socket) => socket.destroy())
  }

  /** Listens. Throws SyncError HTTP_LISTEN when the address is taken or is not ours. */
  static async create(options: HttpOptions): Promise<HttpServer> {
    const http = new HttpServer(options)
    const { host, port } = options
    await new Promise<void>((resolve, reject) => {
      http.#server.once('error', (error: NodeJS.ErrnoException) => {
        const message = `cannot listen on ${host}:${port}: ${error.code ?? error.message}`
        reject(new SyncError('HTTP_LISTEN', message, { detail: { host, port }, cause: error }))
      })
      http.#server.listen({ host, port }, resolve)
    })
    http.#server.removeAllListeners('error')
    http.#server.on('error', options.onError)
    return http
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Stops listening, lets answers that are under way end, for a second at most. */
  async destroy(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    const timer = setTimeout(() => this.#server.closeAllConnections(), CLOSE_AFTER_MS)
    await closed
    clearTimeout(timer)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('cache-control', 'no-store')
    response.setHeader('x-content-type-options', 'nosniff')
    response.setHeader('content-security-policy', POLICY)
    response.setHeader('referrer-policy', 'no-referrer')
    // A body is not waited for: the answer ends the connection.
    if (
      request.headers['content-length'] !== undefined ||
      request.headers['transfer-encoding'] !== undefined
    ) {
      response.setHeader('connection', 'close')
    }
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    const answer = Object.hasOwn(this.#answers, path) ? this.#answers[path] : undefined
    if (answer === undefined) return send(response, 404, 'not found\n')
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return send(response, 405, 'method not allowed\n')
    }
    try {
      const { status = 200, body, type } = await answer()
      send(response, status, body, type)
    } catch (error) {
      this.#options.onError(asError(error))
      send(response, 500, 'internal error\n')
    }
  }

  #answersOf({ health, pages }: HttpOptions): Readonly<Record<string, () => Answer | Promise<Answer>>> {
    const always = {
      '/metrics': async () => ({ body: await this.#metrics(), type: METRICS_TYPE }),
      '/healthz': () => {
        const { ok, reasons } = health()
        return ok ? { body: 'ok\n' } : { status: 503, body: `${reasons.join('\n')}\n` }
      },
    }
    if (pages === undefined) return always
    return {
      ...always,
      '/': async () => ({ body: await pages.page(), type: 'text/html; charset=utf-8' }),
      '/status.json': async () => ({ body: await pages.status(), type: 'application/json' }),
      '/readyz': async () => {
        const checks = await pages.ready()
        const body = checks
          .map(({ name, ok, reason }) => `${ok ? 'ok  ' : 'fail'} ${name}: ${reason}\n`)
          .join('')
        return { status: checks.every(({ ok }) => ok) ? 200 : 503, body }
      },
    }
  }

  /** Scrapes at the same time share one page. */
  #metrics(): Promise<string> {
    this.#page ??= this.#options.metrics().finally(() => {
      this.#page = null
    })
    return this.#page
  }
}

interface Answer {
  readonly status?: number
  readonly body: string
  /** default: plain text */
  readonly type?: string
}

/** No script, nothing from elsewhere, no frame around it. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

function send(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
): void {
  if (response.destroyed) return
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
