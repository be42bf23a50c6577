import { readFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { getBuild, listBuilds } from '../../src/hub/calls-build.ts'
import { getRPMChecksums, queryRPMSigs } from '../../src/hub/calls-content.ts'
import { countHistory, queryHistory } from '../../src/hub/calls-history.ts'
import { getAPIVersion, getEvent, getPackage } from '../../src/hub/calls-lookup.ts'
import { getTag } from '../../src/hub/calls-tag.ts'
import type { RequestReport } from '../../src/hub/dispatcher.ts'
import type { Call } from '../../src/hub/hub.ts'
import { XmlRpcHub, type XmlRpcHubOptions } from '../../src/hub/xml-rpc-hub.ts'
import { Double, type Value } from '../../src/model/value.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { Fault, listApi, TestHub } from './server.ts'
import { writeFault, writeResponse } from './xml.ts'

const live = { priority: 'live' } as const
const sweep = { priority: 'sweep' } as const

/** Answers getPackage(n) with a package of that id; everything else with 1. */
const packages = (method: string, params: readonly Value[]): Value =>
  method === 'getPackage' ? { id: params[0] as Value, name: `p${params[0]}` } : 1

let server: TestHub
let hub: XmlRpcHub
const reports: RequestReport[] = []

async function connect(options: Partial<XmlRpcHubOptions> = {}): Promise<XmlRpcHub> {
  await hub?.destroy()
  hub = new XmlRpcHub({
    url: server.url,
    requestsPerSecond: 10_000,
    concurrency: 3,
    timeoutMs: PATIENCE_MS,
    retryDelaysMs: [5, 5],
    onRequest: (report) => reports.push(report),
    ...options,
  })
  return hub
}

/** With `_listapi` known already, so that only the test's own requests are seen. */
async function connected(options: Partial<XmlRpcHubOptions> = {}): Promise<XmlRpcHub> {
  await connect(options)
  await hub.read([getAPIVersion()], live)
  server.received.length = 0
  reports.length = 0
  return hub
}

beforeEach(async () => {
  server = await TestHub.create(packages)
})

afterEach(async () => {
  await hub.destroy()
  await server.destroy()
})

describe('reading', () => {
  it('answers in order, and asks anonymously', async () => {
    await connected()
    const [first, version, second] = await hub.read([getPackage(7), getAPIVersion(), getPackage(3)], live)
    expect([first, version, second]).toEqual([{ id: 7, name: 'p7' }, 1, { id: 3, name: 'p3' }])
    expect(server.received).toHaveLength(1)
    const { headers } = server.received[0] as { headers: Record<string, string> }
    expect(Object.keys(headers).filter((name) => /session|cookie|auth/i.test(name))).toEqual([])
    expect(headers['content-type']).toBe('text/xml')
  })

  it('lets reads that are ready together share a request, and sends a lone call without multiCall', async () => {
    await connected()
    await hub.read([getPackage(1)], live)
    const answers = await Promise.all(
      [1, 2, 3].map((id) => hub.read([getPackage(id), getAPIVersion()], live)),
    )
    expect(answers.map(([found]) => found?.id)).toEqual([1, 2, 3])
    expect(server.received.map(({ method }) => method)).toEqual(['getPackage', 'multiCall'])
    expect(reports.map(({ methods, outcome }) => [methods.length, outcome])).toEqual([
      [1, 'ok'],
      [6, 'ok'],
    ])
    expect(reports[1]?.bytes).toBeGreaterThan(500)
  })

  it('answers a read of nothing', async () => {
    await connected()
    expect(await hub.read([], live)).toEqual([])
    expect(server.received).toEqual([])
  })

  it('writes keyword arguments as Koji wants them and leaves undefined ones out', async () => {
    server.handler = () => []
    await connected().catch(() => undefined)
    await hub.read([listBuilds({ state: 1, completeAfter: '2026-11-22 08:39:37.170283' })], live)
    expect(server.calls.at(-1)).toEqual({
      method: 'listBuilds',
      params: [{ __starstar: true, state: 1, completeAfter: new Double(1795336777.170283) }],
    })
  })

  it('splits requests by number of calls and by size', async () => {
    await connected({ maxCallsPerRequest: 10 })
    const many = Array.from({ length: 35 }, (_, id) => hub.read([getPackage(id)], live))
    expect((await Promise.all(many)).map(([found]) => found?.id)).toEqual(
      Array.from({ length: 35 }, (_, id) => id),
    )
    expect(server.received.length).toBe(4)
    expect(server.calls.length).toBe(35)

    server.handler = (method) => (method === 'getAPIVersion' ? 1 : null)
    await connected()
    const long = 'x'.repeat(300_000)
    const calls: Call<unknown>[] = Array.from({ length: 30 }, (_, index) => getPackage(`${index}${long}`))
    expect(await hub.read(calls, live)).toHaveLength(30)
    expect(server.received.length).toBeGreaterThan(2)
    expect(Math.max(...server.received.map(({ bytes }) => bytes))).toBeLessThan(4 * 1024 * 1024)
    expect(server.calls.map(({ params }) => Number.parseInt(String(params[0]), 10))).toEqual(
      Array.from({ length: 30 }, (_, index) => index),
    )
  })

  it('refuses a call that no request can hold, and no other', async () => {
    await connected()
    const huge = hub.read([getPackage('x'.repeat(5_000_000))], live)
    const small = hub.read([getPackage(1)], live)
    await expect(huge).rejects.toMatchObject({ name: 'KeyError', code: 'HUB_REQUEST_TOO_LARGE' })
    expect(await small).toMatchObject([{ id: 1 }])
  })
})

describe('faults', () => {
  it('rejects the read of the call that failed, and no other of the same request', async () => {
    server.handler = (method, params) => {
      if (params[0] === 2) throw new Fault(1000, 'No such entry in table package: 2')
      return packages(method, params)
    }
    await connected()
    const results = await Promise.allSettled([1, 2, 3].map((id) => hub.read([getPackage(id)], live)))
    expect(server.received).toHaveLength(1)
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(results[1]).toMatchObject({
      reason: { name: 'HubFault', code: 'HUB_FAULT', faultCode: 1000, faultName: 'GenericError' },
    })
  })

  it.each([
    [1014, 'server is offline', 'HUB_OFFLINE'],
    [1014, 'database outage', 'HUB_DATABASE'],
    [1009, 'again', 'HUB_RETRY'],
    [1, "<class 'psycopg2.OperationalError'>: server closed the connection", 'HUB_DATABASE'],
  ])('takes fault %i %s for an outage', async (faultCode, text, code) => {
    await connected()
    server.handler = () => {
      throw new Fault(faultCode, text)
    }
    for (const calls of [[getPackage(1)], [getPackage(1), getPackage(2)]])
      await expect(hub.read(calls, live)).rejects.toMatchObject({ name: 'OutageError', part: 'hub', code })
    server.intercept = (_, response) => {
      response.setHeader('content-type', 'text/xml').end(writeFault(faultCode, text))
      return true
    }
    await expect(hub.read([getPackage(1), getPackage(2)], live)).rejects.toMatchObject({ code })
  })

  it('refuses an answer that is too large for what was asked, and parts a request of many', async () => {
    await connected({ answerLimits: { scanBytes: 1_000_000, usualBytes: 100_000 } })
    server.handler = (_method, [id]) => ({ id: Number(id), name: 'p'.repeat(Number(id)) })
    const reads = [200_000, 60_000, 60_001].map((id) => hub.read([getPackage(id)], live))
    expect(await Promise.allSettled(reads)).toMatchObject([
      { status: 'rejected', reason: { code: 'HUB_ANSWER_TOO_LARGE' } },
      { status: 'fulfilled' },
      { status: 'fulfilled' },
    ])
    server.handler = () => [{ id: 1, name: 'p'.repeat(200_000) }]
    const scan: Call<unknown> = { method: 'listPackages', args: [], kwargs: {}, decode: (answer) => answer }
    expect(await hub.read([scan], live)).toHaveLength(1)
  })

  it('names the member of an answer that is not what it should be', async () => {
    server.handler = () => ({ id: '7', name: 'p' })
    await connect()
    await expect(hub.read([getPackage(7)], live)).rejects.toMatchObject({
      name: 'KeyError',
      code: 'HUB_ANSWER_INVALID',
      detail: { method: 'getPackage', path: '.id' },
    })
  })

  it('parts a request that fails as a whole until the bad read is alone', async () => {
    await connected()
    server.intercept = ({ params }, response) => {
      if (!JSON.stringify(params).includes('"bad"')) return false
      response.setHeader('content-type', 'text/xml').end(writeFault(1, 'long int exceeds XML-RPC limits'))
      return true
    }
    const names = Array.from({ length: 20 }, (_, index) => (index === 6 || index === 17 ? 'bad' : index))
    const results = await Promise.allSettled(
      names.map((name) => hub.read([getPackage(name), getPackage(name)], live)),
    )
    expect(results.map(({ status }) => status)).toEqual(
      names.map((name) => (name === 'bad' ? 'rejected' : 'fulfilled')),
    )
    expect(results[6]).toMatchObject({ reason: { name: 'HubFault', faultCode: 1 } })
  })

  it.each([
    ['undecodable', (body: string) => body.replace('<int>', '<int>x'), 'HUB_ANSWER_MALFORMED'],
    ['of another length', () => writeResponse([[1]]), 'HUB_ANSWER_MALFORMED'],
    ['no array', () => writeResponse(1), 'HUB_ANSWER_MALFORMED'],
    ['not a result', () => writeResponse([[1], 2, [3]]), 'HUB_ANSWER_MALFORMED'],
  ])('does the same with an answer that is %s', async (_, spoil, code) => {
    await connected()
    server.intercept = ({ params }, response) => {
      const text = JSON.stringify(params)
      if (!text.includes('"bad"')) return false
      const body = spoil(writeResponse([[1], [2], [3]]))
      response.setHeader('content-type', 'text/xml').end(body)
      return true
    }
    const results = await Promise.allSettled(
      [1, 'bad', 3].map((name) =>
        hub.read(
          name === 'bad'
            ? [getPackage(name), getPackage(name), getPackage(name), getPackage(name)]
            : [getPackage(name)],
          live,
        ),
      ),
    )
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(results[1]).toMatchObject({ reason: { name: 'KeyError', code } })
  })

  it('blames a call, not the hub, for a 500 or a cut answer that only it causes', async () => {
    await connected()
    for (const how of ['status', 'cut'] as const) {
      server.intercept = ({ params }, response) => {
        if (!JSON.stringify(params).includes('"bad"')) return false
        if (how === 'status')
          response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>Internal</h1>')
        else
          response
            .setHeader('content-type', 'text/xml')
            .end("<?xml version='1.0'?>\n<methodResponse>\n<params>")
        return true
      }
      const names = Array.from({ length: 9 }, (_, index) => (index === 0 ? 'bad' : index))
      const results = await Promise.allSettled(names.map((name) => hub.read([getPackage(name)], live)))
      expect(results.map(({ status }) => status)).toEqual(
        names.map((name) => (name === 'bad' ? 'rejected' : 'fulfilled')),
      )
      expect(results[0]).toMatchObject({ reason: { name: 'KeyError' } })
      // Alone from the start, it is compared with a call that does no harm.
      await expect(hub.read([getPackage('bad')], live)).rejects.toMatchObject({ name: 'KeyError' })
    }
  })
})

describe('a hub that is down', () => {
  async function outage(code: string, message: RegExp | string = ''): Promise<void> {
    const reads = [1, 2, 3].map((id) => hub.read([getPackage(id)], live))
    for (const result of await Promise.allSettled(reads))
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { name: 'OutageError', part: 'hub', code, message: expect.stringMatching(message) },
      })
  }

  it('answers HTML', async () => {
    await connected()
    server.intercept = (_, response) => {
      response.setHeader('content-type', 'text/html').end('<!DOCTYPE html>\n<title>Outage</title>')
      return true
    }
    await outage('HUB_NOT_XMLRPC', /200 text\/html: <!DOCTYPE html> <title>Outage/)
    expect(server.received).toHaveLength(1)
  })

  it('answers HTML and calls it XML', async () => {
    await connected()
    server.intercept = (_, response) => {
      response.setHeader('content-type', 'text/xml').end('<html><title>Outage</title></html>')
      return true
    }
    await outage('HUB_NOT_XMLRPC', /<title>Outage/)
  })

  it.each([
    [403, 'HUB_HTTP_STATUS', 1],
    [302, 'HUB_HTTP_STATUS', 1],
    [503, 'HUB_HTTP_STATUS', 3],
  ])('answers %i', async (status, code, requests) => {
    await connected()
    server.intercept = (_, response) => {
      response.writeHead(status, { 'content-type': 'text/plain', location: 'http://127.0.0.1:1/' }).end('no')
      return true
    }
    await outage(code, `${status} text/plain: no`)
    expect(server.received).toHaveLength(requests)
  })

  it('answers 500 to everybody: a few requests tell', async () => {
    await connected()
    server.intercept = (_, response) => {
      response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>Oops</h1>')
      return true
    }
    const reads = Array.from({ length: 100 }, (_, id) => hub.read([getPackage(id)], live))
    for (const result of await Promise.allSettled(reads))
      expect(result).toMatchObject({ reason: { name: 'OutageError', code: 'HUB_HTTP_STATUS' } })
    expect(server.received.length).toBeLessThan(12)
  })

  it.each(['text/xml; charset=iso-8859-1', 'application/json', ''])('has content type "%s"', async (type) => {
    await connected()
    server.intercept = (_, response) => {
      if (type !== '') response.setHeader('content-type', type)
      response.end(writeResponse([[1], [1], [1]]))
      return true
    }
    await outage('HUB_NOT_XMLRPC')
  })

  it('cuts its answers short', async () => {
    await connected()
    const body = writeResponse([[1], [1], [1]])
    server.intercept = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/xml', 'content-length': body.length })
      response.write(body.slice(0, 80), () => response.destroy())
      return true
    }
    await outage('HUB_ANSWER_CUT')
  })

  it('is silent', async () => {
    await connected({ timeoutMs: 500 })
    server.intercept = () => true
    await outage('HUB_TIMEOUT')
  })

  it('is silent over its history, for which it may take longer', async () => {
    await connected({ timeoutMs: 500, historyTimeoutMs: 60_000 })
    let asked = (): void => {}
    const isAsked = new Promise<void>((resolve) => {
      asked = resolve
    })
    let end = (): void => {}
    server.intercept = ({ method }, response) => {
      if (method !== 'queryHistory') return true
      const answer = writeResponse({ tag_config: [] })
      end = () => void response.setHeader('content-type', 'text/xml').end(answer)
      asked()
      return true
    }
    const history = hub.read([queryHistory(['tag_config'], { afterEvent: 1 })], sweep)
    await isAsked
    // Asked later, and given up while the history is still waited for.
    await expect(hub.read([getPackage(1)], live)).rejects.toMatchObject({ code: 'HUB_TIMEOUT' })
    end()
    expect(await history).toEqual([{ tag_config: [] }])
  })

  it('drips, but never ends', async () => {
    await connected({ timeoutMs: 60_000, totalTimeoutMs: 500 })
    server.intercept = async (_, response) => {
      response.setHeader('content-type', 'text/xml')
      while (!response.destroyed) {
        response.write(' ')
        await delay(10)
      }
      return true
    }
    await outage('HUB_TIMEOUT')
  })

  it('is not there, and comes back', async () => {
    await connected()
    await server.destroy()
    await outage('HUB_UNREACHABLE')
    expect(reports).toHaveLength(3)
    server = await TestHub.create(packages)
    await connect()
    expect(await hub.read([getPackage(1)], live)).toMatchObject([{ id: 1 }])
  })

  it('drops one connection: tried again unseen', async () => {
    await connected()
    let drops = 1
    server.intercept = (_, response) => {
      if (drops === 0) return false
      drops -= 1
      response.destroy()
      return true
    }
    expect(await hub.read([getPackage(1)], live)).toMatchObject([{ id: 1 }])
  })

  it('is away for a moment while many ask: nothing leaks', async () => {
    await connected({ maxCallsPerRequest: 1, concurrency: 20, retryDelaysMs: [50] })
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    let drops = 20
    server.intercept = (_, response) => {
      drops -= 1
      if (drops >= 0) response.destroy()
      return drops >= 0
    }
    const { signal } = new AbortController()
    const many = Array.from({ length: 20 }, (_, index) => hub.read([getPackage(index)], { ...live, signal }))
    await expect(Promise.all(many)).resolves.toHaveLength(20)
    await delay(1)
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })

  it('speaks something else', async () => {
    const tcp = createTcpServer((socket) => void socket.resume().end('SSH-2.0-OpenSSH\r\n'))
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve))
    await connect({ url: `http://127.0.0.1:${(tcp.address() as AddressInfo).port}/kojihub` })
    await outage('HUB_UNREACHABLE')
    await new Promise((resolve) => tcp.close(resolve))
  })
})

describe('the connection', () => {
  it('unpacks gzip, and notices when it is cut', async () => {
    await connected()
    const packed = gzipSync(writeResponse({ id: 5, name: 'p5' }))
    let body = packed
    server.intercept = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/xml', 'content-encoding': 'gzip' }).end(body)
      return true
    }
    expect(await hub.read([getPackage(5)], live)).toMatchObject([{ name: 'p5' }])
    body = packed.subarray(0, packed.length - 12)
    await expect(hub.read([getPackage(5)], live)).rejects.toMatchObject({ code: 'HUB_ANSWER_CUT' })
  })

  it('trusts the given CA and no other', async () => {
    const folder = join(import.meta.dirname, '..', 'fixtures', 'tls')
    const cert = readFileSync(join(folder, 'localhost-cert.pem'), 'utf8')
    const key = readFileSync(join(folder, 'localhost-key.pem'), 'utf8')
    const tls = createTlsServer({ cert, key }, (request, response) => {
      request.resume().on('end', () => {
        const first = served++ === 0
        response.setHeader('content-type', 'text/xml').end(writeResponse(first ? listApi('HEAD') : 1))
      })
    })
    let served = 0
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve))
    const url = `https://127.0.0.1:${(tls.address() as AddressInfo).port}/kojihub`
    await connect({ url })
    await expect(hub.read([getAPIVersion()], live)).rejects.toMatchObject({ code: 'HUB_UNREACHABLE' })
    await connect({ url, ca: cert })
    expect(await hub.read([getAPIVersion()], live)).toEqual([1])
    tls.closeAllConnections()
    await new Promise((resolve) => tls.close(resolve))
  })

  it.each(['http://u:p@127.0.0.1/kojihub', 'http://127.0.0.1/kojihub?session-id=1', 'ftp://x/', 'kojihub'])(
    'refuses the address %s',
    (url) => {
      expect(() => new XmlRpcHub({ url, requestsPerSecond: 1, concurrency: 1, timeoutMs: 1 })).toThrowError(
        expect.objectContaining({ code: 'HUB_URL' }),
      )
    },
  )

  it('ends reads whose signal fires, and everything when it is destroyed', async () => {
    await connected()
    server.intercept = () => true
    const signal = AbortSignal.timeout(30)
    await expect(hub.read([getPackage(1)], { ...live, signal })).rejects.toMatchObject({ name: 'StopError' })
    const reads = [hub.read([getPackage(1)], live), hub.read([getPackage(2)], sweep)]
    const settled = Promise.allSettled(reads)
    await delay(20)
    await hub.destroy()
    expect(await settled).toMatchObject([
      { reason: { code: 'HUB_STOPPED' } },
      { reason: { code: 'HUB_STOPPED' } },
    ])
    await expect(hub.read([getPackage(3)], live)).rejects.toMatchObject({ code: 'HUB_STOPPED' })
  })

  it('passes every request through the step seam', async () => {
    const steps: string[] = []
    await connect({ step: (name) => void steps.push(name) })
    await hub.read([getPackage(1)], live)
    expect(steps).toEqual(['hub.request', 'hub.answer', 'hub.request', 'hub.answer'])
  })
})

describe('live work beside sweeps', () => {
  it('finds a slot at once while sweeps wait', async () => {
    await connected({ concurrency: 2, maxCallsPerRequest: 1 })
    let open = (): void => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    let asked = 0
    server.handler = async (method, params) => {
      asked += 1
      if (params[0] !== 100) await gate
      return packages(method, params)
    }
    const sweeps = Array.from({ length: 8 }, (_, id) => hub.read([getPackage(id)], sweep))
    await expect.poll(() => asked).toBeGreaterThan(0)
    // While those that the hub has are not answered, and the others wait for them.
    expect(await hub.read([getPackage(100)], live)).toMatchObject([{ id: 100 }])
    open()
    expect(await Promise.all(sweeps)).toHaveLength(8)
  })

  it('does not starve sweeps', async () => {
    await connected({ concurrency: 2, maxCallsPerRequest: 1 })
    const order: string[] = []
    const lives = Array.from({ length: 60 }, (_, id) =>
      hub.read([getPackage(id)], live).then(() => order.push('live')),
    )
    const sweeps = Array.from({ length: 4 }, (_, id) =>
      hub.read([getPackage(id)], sweep).then(() => order.push('sweep')),
    )
    await Promise.all([...lives, ...sweeps])
    expect(order.indexOf('sweep')).toBeLessThan(15)
    expect(order.lastIndexOf('sweep')).toBeLessThan(50)
  })
})

describe('hubs of other versions', () => {
  it.each([
    ['1.21.0', [1, 21, 0]],
    ['1.25.0', [1, 25, 7]],
    ['HEAD', [1, 25, 7]],
  ])('tells the version of %s', async (version, expected) => {
    server.version = version
    server.handler = (method) => (method === 'getKojiVersion' ? '1.25.7-dev' : 1)
    await connect()
    expect(await hub.version()).toEqual(expected)
  })

  it('asks a tag without blocked extra where the hub has none', async () => {
    const flags = { locked: false, maven_support: false, maven_include_all: false, perm: null, perm_id: null }
    server.handler = (_, params) => {
      const blocked = (params[1] as { blocked?: true } | undefined)?.blocked === true
      return {
        id: 1,
        name: 'f',
        arches: '',
        ...flags,
        extra: { pair: blocked ? [false, [true, null]] : [true, null] },
      }
    }
    for (const version of ['1.21.0', '1.25.0']) {
      server.version = version
      await connect()
      const [tag] = await hub.read([getTag(1)], live)
      expect(tag?.extra).toEqual([{ key: 'pair', blocked: false, value: [true, null] }])
    }
  })

  it('asks for checksums only where the hub can be told not to write', async () => {
    server.handler = () => ({ '': { md5: 'aa', sha1: null, sha256: 'bb' } })
    await connect()
    expect(await hub.read([getRPMChecksums(5)], live)).toEqual([
      [
        { rpmId: 5, sigkey: '', checksumType: 'md5', checksum: 'aa' },
        { rpmId: 5, sigkey: '', checksumType: 'sha256', checksum: 'bb' },
      ],
    ])
    expect(server.calls.at(-1)?.params[1]).toMatchObject({ __starstar: true, cacheonly: true })
    server.version = '1.30.0'
    await connect()
    expect(await hub.read([getRPMChecksums(5)], live)).toEqual(['unsupported'])
    expect(server.calls.filter(({ method }) => method === 'getRPMChecksums')).toHaveLength(1)
  })

  it('drops what changes nothing and refuses what does', async () => {
    server.version = '1.30.0'
    server.handler = () => []
    await connect()
    expect(await hub.read([listBuilds({ draft: false })], live)).toEqual([[]])
    expect(server.calls.at(-1)).toEqual({ method: 'listBuilds', params: [] })
    await expect(hub.read([listBuilds({ draft: true })], live)).rejects.toMatchObject({
      code: 'HUB_UNSUPPORTED',
    })
    const promotedAfter = '2026-01-01 00:00:00.000000'
    await expect(hub.read([listBuilds({ promotedAfter })], live)).rejects.toMatchObject({
      code: 'HUB_UNSUPPORTED',
    })
  })

  it('orders, cuts and counts the history of a hub that ignores queryOpts', async () => {
    server.version = '1.21.0'
    const row = (created: number, revoked: number | null) => ({
      ...{ active: revoked === null || null, create_event: created, create_ts: new Double(created) },
      ...{
        revoke_event: revoked,
        revoke_ts: revoked && new Double(revoked),
        creator_id: 1,
        creator_name: 'a',
      },
      ...{
        revoker_id: revoked && 1,
        revoker_name: revoked && 'a',
        tag_id: 1,
        'tag.name': 'f',
        build_id: created,
      },
      ...{ name: 'p', version: '1', release: '1', epoch: null, 'build.state': 1 },
    })
    server.handler = () => ({ tag_listing: [row(5, null), row(2, 9), row(4, 8), row(3, null)] })
    await connect()
    const events = async (order: string, limit: number) => {
      const [{ tag_listing }] = await hub.read([queryHistory(['tag_listing'], {}, { order, limit })], live)
      return tag_listing.map(({ createEvent }) => createEvent)
    }
    expect(await events('create_event', 3)).toEqual([2, 3, 4])
    expect(await events('revoke_event,-create_event', 10)).toEqual([4, 2, 5, 3])
    expect(await events('-create_event', 1)).toEqual([5])
    expect(await hub.read([countHistory(['tag_listing'], {})], live)).toEqual([{ tag_listing: 4 }])
  })

  it('goes by the version where the listing is broken, and never asks for checksums there', async () => {
    server.intercept = ({ method }, response) => {
      if (method !== '_listapi') return false
      response.setHeader('content-type', 'text/xml').end(writeFault(1, "no attribute 'formatargspec'"))
      return true
    }
    let version: string | null = '1.30.1'
    server.handler = (method) => {
      if (method !== 'getKojiVersion') return []
      if (version === null) throw new Fault(1000, 'Invalid method: getKojiVersion')
      return version
    }
    await connect()
    expect(await hub.version()).toEqual([1, 30, 1])
    expect(await hub.read([getRPMChecksums(5)], live)).toEqual(['unsupported'])
    await hub.read([getTag(1)], live).catch(() => undefined)
    expect(server.calls.at(-1)?.params).toEqual([1, { __starstar: true, blocked: true }])
    version = null
    await connect()
    expect(await hub.version()).toEqual([1, 21, 0])
    await hub.read([getTag(1)], live).catch(() => undefined)
    expect(server.calls.at(-1)?.params).toEqual([1])
  })

  it('asks again what the hub can do when it shows to be another', async () => {
    server.handler = () => {
      throw new Fault(1019, 'unexpected keyword argument')
    }
    await connect()
    await expect(hub.read([getEvent(1)], live)).rejects.toMatchObject({ faultName: 'ParameterError' })
    await hub.read([getEvent(1)], live).catch(() => undefined)
    expect(server.calls.filter(({ method }) => method === '_listapi')).toHaveLength(2)
  })
})

describe('what is not on the read-only list', () => {
  const raw = (method: string, args: readonly Value[], kwargs: Call<unknown>['kwargs']): Call<unknown> => ({
    method,
    args,
    kwargs,
    decode: (answer) => answer,
  })

  it.each([
    ['a method that writes', raw('createTag', ['x'], {})],
    ['a login', raw('login', ['u', 'p'], {})],
    ['a multicall in disguise', raw('multiCall', [[]], {})],
    ['an argument that creates', raw('getPackage', ['x'], { create: true })],
    ['it by position', raw('getPackage', ['x', false, true], {})],
    ['it in disguise', raw('getPackage', [{ __starstar: true, info: 'x', create: true }], {})],
    ['checksums that are not only read', raw('getRPMChecksums', [1], {})],
    ['the same said otherwise', raw('getRPMChecksums', [1], { cacheonly: false })],
    [
      'checksums whose guard an older hub would drop',
      {
        ...raw('getRPMChecksums', [1], { cacheonly: true, checksum_types: ['md5'] }),
        lacking: { cacheonly: 'drop' },
      } as Call<unknown>,
    ],
  ])('is refused before it is sent: %s', async (name, call) => {
    if (name.startsWith('checksums whose')) {
      const without = (listApi('HEAD') as readonly { name: string; args: readonly Value[] }[]).map(
        (method) =>
          method.name === 'getRPMChecksums'
            ? { ...method, args: ['rpm_id', ['checksum_types', null]] }
            : method,
      )
      server.intercept = ({ method }, response) => {
        if (method === '_listapi')
          response.setHeader('content-type', 'text/xml').end(writeResponse(without as unknown as Value))
        return method === '_listapi'
      }
    }
    await connect()
    await expect(hub.read([getPackage(1), call], live)).rejects.toMatchObject({
      name: 'SafetyError',
      code: 'HUB_CALL_REFUSED',
    })
    expect(server.received.map(({ method }) => method)).toEqual(['_listapi'])
  })

  it('stays usable afterwards', async () => {
    await connect()
    await hub.read([raw('createTag', ['x'], {})], live).catch(() => undefined)
    server.handler = () => []
    expect(await hub.read([queryRPMSigs({ rpmId: 1 })], live)).toEqual([[]])
    server.handler = () => null
    expect(await hub.read([getBuild(1)], live)).toEqual([null])
  })
})
