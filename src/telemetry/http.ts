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
  /** A request that could not be answered; not what the client did wrong. */
  readonly onError: (error: Error) => void
}

const MAX_CONNECTIONS = 64
const CLOSE_AFTER_MS = 1000

/**
 * GET /metrics (Prometheus' text form) and GET /healthz (200 `ok`, 503 with one reason a line). Anything else is 404, other
 * methods 405. Bounded in connections, header size and time; bodies are not read.
 */
export class HttpServer {
  readonly #server: Server
  readonly #options: HttpOptions
  #page: Promise<string> | null = null

  private constructor(options: HttpOptions) {
    this.#options = options
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
    // A body is not waited for: the answer ends the connection.
    if (
      request.headers['content-length'] !== undefined ||
      request.headers['transfer-encoding'] !== undefined
    ) {
      response.setHeader('connection', 'close')
    }
    const path = (request.url ?? '').split('?', 1)[0]
    if (path !== '/metrics' && path !== '/healthz') return send(response, 404, 'not found\n')
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return send(response, 405, 'method not allowed\n')
    }
    try {
      if (path === '/metrics') return send(response, 200, await this.#metrics(), METRICS_TYPE)
      const state = this.#options.health()
      send(response, state.ok ? 200 : 503, state.ok ? 'ok\n' : `${state.reasons.join('\n')}\n`)
    } catch (error) {
      this.#options.onError(asError(error))
      send(response, 500, 'internal error\n')
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
