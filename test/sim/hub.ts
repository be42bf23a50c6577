import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { versionNumber } from './api.ts'
import { dispatch } from './dispatch.ts'
import { HubSession, hubPool } from './hub-session.ts'
import { Knobs, type Trouble } from './knobs.ts'
import { credentialsIn } from './trespass.ts'
import { decodeCall } from './wire-decode.ts'
import { encodeFault, encodeResponse } from './wire-encode.ts'
import { Fault, faultCode } from './wire-value.ts'

/** How a simulated hub is set up. */
export interface HubOptions {
  /** The Koji database that it answers from. */
  databaseUrl: string
  /** Which hub it is: decides methods, arguments and keys. Default 1.35.0, which says that it is 1.35.3. */
  version?: string
  /** What getKojiVersion says, if something else. */
  kojiVersion?: string
  /** The test itself calls what a reader must not: it is only recorded. Else it fails the run (trespass.ts). */
  mayTrespass?: boolean
}

/** A running hub: XML-RPC over HTTP on a free port of 127.0.0.1. */
export interface SimulatedHub {
  /** Address for clients, ends in /kojihub. */
  readonly url: string
  readonly knobs: Knobs
  close(): Promise<void>
}

/** Koji's MaxRequestLength. */
const maxRequestBytes = 4 * 1024 * 1024

/** Starts a hub. */
export async function startHub(options: HubOptions): Promise<SimulatedHub> {
  const version = options.version ?? '1.35.0'
  const hub = {
    pool: hubPool(options.databaseUrl),
    knobs: new Knobs({ mayTrespass: options.mayTrespass ?? false }),
    version: versionNumber(version),
    kojiVersion: options.kojiVersion ?? (version === '1.35.0' || version === 'HEAD' ? '1.35.3' : version),
    running: 0,
  }
  const server = createServer((request, response) => {
    serve(hub, request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500, { 'Content-Type': 'text/plain' })
      response.end(`simulator: ${error instanceof Error ? error.stack : error}`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}/kojihub`,
    knobs: hub.knobs,
    close: async () => {
      await stop(server)
      await hub.pool.end()
    },
  }
}

interface Hub {
  pool: pg.Pool
  knobs: Knobs
  version: number
  kojiVersion: string
  running: number
}

async function serve(hub: Hub, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { knobs } = hub
  knobs.requests++
  knobs.maxConcurrent = Math.max(knobs.maxConcurrent, ++hub.running)
  try {
    const chunks: Buffer[] = []
    const credentials = credentialsIn(request)
    if (credentials !== null) knobs.refuse(`a login: ${credentials}`)
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    if (request.method !== 'POST') {
      response
        .writeHead(405, { Allow: 'POST', 'Content-Type': 'text/plain' })
        .end('Method Not Allowed\nThis is an XML-RPC server. Only POST requests are accepted.\n')
      return
    }
    if (knobs.delayPerRequestMs > 0) await sleep(knobs.delayPerRequestMs)
    const trouble = knobs.takeTrouble()
    if (trouble && failBefore(trouble, request, response)) return
    if (trouble === 'silent') return
    const text =
      body.length > maxRequestBytes
        ? encodeFault(faultCode.generic, 'Request too long')
        : await handle(hub, body.toString('utf8'))
    send(hub, response, text, trouble)
  } finally {
    hub.running--
  }
}

/** One request is one transaction; it only reads, so it always ends in a rollback. */
async function handle(hub: Hub, body: string): Promise<string> {
  let client: pg.PoolClient
  try {
    client = await hub.pool.connect()
  } catch {
    return encodeFault(faultCode.serverOffline, 'database outage')
  }
  let broken: Error | undefined
  try {
    await client.query('BEGIN')
    const call = decodeCall(body)
    const session = new HubSession(client, hub.version)
    return encodeResponse(await dispatch(session, hub.kojiVersion, call.method, call.params, hub.knobs))
  } catch (error) {
    if (error instanceof Fault) return encodeFault(error.code, error.message)
    broken = error as Error
    return encodeFault(faultCode.other, `<class 'Exception'>: ${broken.message}`)
  } finally {
    await client.query('ROLLBACK').catch((error: Error) => {
      broken ??= error
    })
    client.release(broken !== undefined)
  }
}

/** Troubles that need no answer computed. True when the request is dealt with. */
function failBefore(trouble: Trouble, request: IncomingMessage, response: ServerResponse): boolean {
  const fault = (code: number, text: string) =>
    response.writeHead(200, { 'Content-Type': 'text/xml' }).end(encodeFault(code, text))
  if (trouble === 'http-500')
    response.writeHead(500, { 'Content-Type': 'text/plain' }).end('Internal Server Error')
  else if (trouble === 'html') {
    response
      .writeHead(200, { 'Content-Type': 'text/html' })
      .end('<html><body><h1>Down for maintenance</h1></body></html>')
  } else if (trouble === 'reset') request.socket.resetAndDestroy()
  else if (trouble === 'server-offline') fault(faultCode.serverOffline, 'Server disabled for maintenance')
  else if (trouble === 'retry') fault(1009, 'unable to answer now')
  else return false
  return true
}

function send(hub: Hub, response: ServerResponse, text: string, trouble: Trouble | undefined): void {
  const bytes = Buffer.from(
    trouble === 'torn-xml' ? text.slice(0, Math.floor(text.length / 2)) : text,
    'utf8',
  )
  response.writeHead(200, {
    'Content-Type': trouble === 'wrong-content-type' ? 'application/json' : 'text/xml',
    'Content-Length': bytes.length,
    ...(hub.version >= 1.35 ? { 'Koji-Version': hub.kojiVersion } : {}),
  })
  if (trouble !== 'truncated') {
    response.end(bytes)
    return
  }
  response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => response.socket?.destroy())
}

function stop(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
