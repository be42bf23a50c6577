import { Agent, request } from 'node:http'

/** A parameter of a call. */
export type Param = string | number | boolean | null | readonly Param[] | { readonly [name: string]: Param }

/** A call to the hub: the method and its parameters in order. */
export type RawCall = readonly [method: string, ...params: Param[]]

/**
 * The hub as bytes, for floors: requests over plain node:http with keep-alive, answers read and thrown away. Nothing is
 * parsed, and nothing of the product's client is in here.
 */
export class RawHub {
  readonly #url: string
  readonly #agent: Agent
  constructor(url: string, connections: number) {
    this.#url = url
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  /** Bytes of the answer. Throws when it is a fault, or no answer. */
  post(body: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = { 'Content-Type': 'text/xml', 'Content-Length': body.length }
      const sent = request(this.#url, { method: 'POST', agent: this.#agent, headers }, (answer) => {
        let bytes = 0
        let opening = ''
        answer.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (opening.length < 400) opening += chunk.toString('latin1', 0, 400)
        })
        answer.on('error', reject)
        answer.on('end', () => {
          const failed =
            answer.statusCode !== 200 || opening.includes('<fault>') || opening.includes('faultCode')
          if (failed) reject(new Error(`the hub answered ${answer.statusCode}: ${opening}`))
          else resolve(bytes)
        })
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** One call as a request of its own, several as a multicall. */
export function requestOf(calls: readonly RawCall[]): Buffer {
  const [only] = calls
  if (calls.length === 1 && only !== undefined) return document(only[0], only.slice(1) as Param[])
  return document('multiCall', [calls.map(([methodName, ...params]) => ({ methodName, params }))])
}

/** Koji's way to pass arguments by name (koji.encode_args). */
export function named(args: { readonly [name: string]: Param }): Param {
  return { ...args, __starstar: true }
}

function document(method: string, params: readonly Param[]): Buffer {
  const inner = params.map((param) => `<param>${valueXml(param)}</param>`).join('')
  return Buffer.from(
    `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${inner}</params></methodCall>`,
  )
}

function valueXml(param: Param): string {
  if (param === null) return '<value><nil/></value>'
  if (typeof param === 'number') return `<value><int>${param}</int></value>`
  if (typeof param === 'boolean') return `<value><boolean>${Number(param)}</boolean></value>`
  if (typeof param === 'string') return `<value><string>${escaped(param)}</string></value>`
  if (Array.isArray(param))
    return `<value><array><data>${param.map(valueXml).join('')}</data></array></value>`
  const members = Object.entries(param).map(
    ([name, value]) => `<member><name>${escaped(name)}</name>${valueXml(value)}</member>`,
  )
  return `<value><struct>${members.join('')}</struct></value>`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
