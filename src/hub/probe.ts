import { isIP } from 'node:net'
import { connect } from 'node:tls'
import { Agent, request } from 'undici'
import { asError, OutageError } from '../errors.ts'
import type { Step } from '../step.ts'

export interface ProbeOptions {
  readonly url: string
  /** PEM; undefined: the system's */
  readonly ca: string | undefined
  readonly timeoutMs: number
  readonly step: Step
}

/** The clock of the hub's web server (whole seconds, from its answer's `Date`), and this host's before and after asking. */
export interface ClockReading {
  readonly serverMs: number
  readonly beforeMs: number
  readonly afterMs: number
}

/** Asks for nothing but headers. Null: the server does not tell its time. Throws OutageError HUB_UNREACHABLE. */
export async function readHubClock({ url, ca, timeoutMs, step }: ProbeOptions): Promise<ClockReading | null> {
  const gate = step('hub.clock')
  if (gate !== undefined) await gate
  const dispatcher = new Agent({ connect: { timeout: timeoutMs, ...(ca === undefined ? {} : { ca }) } })
  try {
    const beforeMs = Date.now()
    const { headers, body } = await request(url, {
      method: 'HEAD',
      dispatcher,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    })
    const afterMs = Date.now()
    await body.dump()
    const serverMs = Date.parse(String(headers.date ?? ''))
    return Number.isNaN(serverMs) ? null : { serverMs, beforeMs, afterMs }
  } catch (error) {
    throw new OutageError('hub', 'HUB_UNREACHABLE', `${url}: ${asError(error).message}`, { cause: error })
  } finally {
    await dispatcher.destroy()
  }
}

/** When the certificate of the hub's web server ends, milliseconds since 1970; null: there is none. Throws OutageError HUB_UNREACHABLE. */
export async function readHubCertificate({ url, ca, timeoutMs, step }: ProbeOptions): Promise<number | null> {
  const { protocol, hostname, port } = new URL(url)
  if (protocol !== 'https:') return null
  const gate = step('hub.certificate')
  if (gate !== undefined) await gate
  const host = hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const fail = (message: string, cause?: unknown): void =>
      reject(new OutageError('hub', 'HUB_UNREACHABLE', `${url}: ${message}`, { cause }))
    // Whether it is trusted is told by each call; here only its dates are read, also of one that has ended.
    const socket = connect(
      {
        host,
        port: Number(port || 443),
        ...(isIP(host) === 0 ? { servername: host } : {}),
        rejectUnauthorized: false,
        timeout: timeoutMs,
        ...(ca === undefined ? {} : { ca }),
      },
      () => {
        const endMs = Date.parse(socket.getPeerCertificate().valid_to)
        socket.destroy()
        if (Number.isNaN(endMs)) fail('its certificate has no end')
        else resolve(endMs)
      },
    )
    socket.on('error', (error) => fail(error.message, error))
    socket.on('timeout', () => {
      socket.destroy()
      fail(`no answer in ${timeoutMs} ms`)
    })
  })
}
