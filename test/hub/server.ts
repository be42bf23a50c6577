import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Value } from '../../src/model/value.ts'
import { methods } from '../sim/methods.ts'
import { credentialsIn, trespass } from '../sim/trespass.ts'
import { readCall, writeFault, writeResponse } from './xml.ts'

export interface Received {
  readonly method: string
  readonly params: readonly Value[]
  readonly headers: IncomingMessage['headers']
  readonly bytes: number
}

/** One call: its answer, or a fault thrown as `Fault`. */
export type Handler = (method: string, params: readonly Value[]) => Value | Promise<Value>

export class Fault extends Error {
  readonly faultCode: number
  constructor(faultCode: number, message: string) {
    super(message)
    this.faultCode = faultCode
  }
}

/** Takes a request over; false leaves it to the handler. */
export type Interceptor = (request: Received, response: ServerResponse) => boolean | Promise<boolean>

interface Signatures {
  readonly versions: Readonly<Record<string, Readonly<Record<string, string>>>>
}

const SIGNATURES: Signatures = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'fixtures', 'hub-api', 'signatures.json'), 'utf8'),
)

/** What `_listapi` of a hub of that version says of the calls that we use. */
export function listApi(version: string): Value {
  return Object.entries(SIGNATURES.versions[version] ?? {}).map(([name, signature]) => {
    const parameters = signature.slice(1, -1).split(', ').filter(Boolean)
    const named = parameters.filter((parameter) => !parameter.startsWith('*'))
    const args = named.map((parameter) => {
      const [parameterName = '', ...defaults] = parameter.split('=')
      return defaults.length > 0 ? [parameterName, null] : parameterName
    })
    const varkw = parameters.some((parameter) => parameter.startsWith('**')) ? 'kwargs' : null
    return { name, args, argspec: [[], null, varkw, null], argdesc: signature, doc: null }
  })
}

/** A hub on a free port: real HTTP, multiCall as Koji does it, and whatever `handler` answers. */
export class TestHub {
  readonly received: Received[] = []
  readonly url: string
  handler: Handler
  intercept: Interceptor = () => false
  version = 'HEAD'
  readonly #server: Server

  private constructor(server: Server, handler: Handler) {
    this.#server = server
    this.handler = handler
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/kojihub`
  }

  static async create(handler: Handler): Promise<TestHub> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const hub = new TestHub(server, handler)
    server.on('request', (request, response) => void hub.#serve(request, response))
    return hub
  }

  /** The calls that came, multiCalls taken apart. */
  get calls(): readonly { readonly method: string; readonly params: readonly Value[] }[] {
    return this.received.flatMap(({ method, params }) => {
      if (method !== 'multiCall') return [{ method, params }]
      return (params[0] as readonly { methodName: string; params: readonly Value[] }[]).map((call) => ({
        method: call.methodName,
        params: call.params,
      }))
    })
  }

  async destroy(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const call = { ...readCall(body.toString('utf8')), headers: request.headers, bytes: body.length }
    this.received.push(call)
    const credentials = credentialsIn(request)
    if (credentials !== null) trespass(`a login: ${credentials}`)
    if (await this.intercept(call, response)) return
    response.setHeader('content-type', 'text/xml')
    response.end(await this.#answer(call.method, call.params))
  }

  async #answer(method: string, params: readonly Value[]): Promise<string> {
    try {
      if (method !== 'multiCall') return writeResponse(await this.#dispatch(method, params))
      const results: Value[] = []
      for (const call of params[0] as readonly { methodName: string; params: readonly Value[] }[]) {
        results.push(await this.#dispatch(call.methodName, call.params).then((value) => [value], faultStruct))
      }
      return writeResponse(results)
    } catch (error) {
      if (error instanceof Fault) return writeFault(error.faultCode, error.message)
      throw error
    }
  }

  async #dispatch(method: string, params: readonly Value[]): Promise<Value> {
    if (method === '_listapi') return listApi(this.version)
    if (method !== 'getKojiVersion' && !Object.hasOwn(methods, method)) trespass(method)
    return this.handler(method, params)
  }
}

function faultStruct(error: unknown): Value {
  if (!(error instanceof Fault)) throw error
  return { faultCode: error.faultCode, faultString: error.message, traceback: ['Traceback\n'] }
}
