import { Pool } from 'undici'
import { ConfigError } from '../errors.ts'
import { Incoming } from './incoming.ts'

export interface TransportOptions {
  /** http or https address of the hub; no user, password, query or fragment: we are anonymous. */
  readonly url: string
  /** PEM text of the certificates to trust instead of the system's. */
  readonly ca?: string | undefined
  readonly connections: number
  /** Silence of the hub, also between two pieces of an answer. */
  readonly timeoutMs: number
  /** The same for requests that are known to be slow. */
  readonly slowTimeoutMs: number
  /** One request with its whole answer. */
  readonly totalTimeoutMs: number
  readonly userAgent: string
}

/** Values nested deeper are nobody's data. */
const MAX_DEPTH = 200

/** HTTP to the hub: one POST, one answer. No cookies, no session headers, no redirects. */
export class Transport {
  readonly #options: TransportOptions
  readonly #path: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #pool: Pool

  /** Throws HUB_URL. */
  constructor(options: TransportOptions) {
    this.#options = options
    const url = parseUrl(options.url)
    this.#path = url.pathname
    this.#headers = {
      'content-type': 'text/xml',
      accept: 'text/xml',
      'accept-encoding': 'gzip',
      'user-agent': options.userAgent,
    }
    this.#pool = new Pool(url.origin, {
      connections: options.connections,
      pipelining: 1,
      connect: { timeout: options.timeoutMs, ...(options.ca === undefined ? {} : { ca: options.ca }) },
    })
  }

  /** `maxBytes` of the answer, unpacked. `done` rejects with RequestFailure, or with the reason that it is cancelled for. */
  post(body: Buffer, maxBytes: number, pace: 'usual' | 'slow' = 'usual'): Incoming {
    const { timeoutMs, slowTimeoutMs, totalTimeoutMs } = this.#options
    const silenceMs = pace === 'slow' ? slowTimeoutMs : timeoutMs
    const incoming = new Incoming({
      limits: { maxDepth: MAX_DEPTH, maxBytes },
      totalTimeoutMs: pace === 'slow' ? Math.max(totalTimeoutMs, silenceMs) : totalTimeoutMs,
    })
    const request = { path: this.#path, method: 'POST', headers: this.#headers, body } as const
    this.#pool.dispatch({ ...request, headersTimeout: silenceMs, bodyTimeout: silenceMs }, incoming)
    return incoming
  }

  async destroy(): Promise<void> {
    await this.#pool.destroy()
  }
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new ConfigError('HUB_URL', 'the hub address must be an http or https URL')
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new ConfigError('HUB_URL', 'the hub address must have no user, password, query or fragment')
  return url
}
