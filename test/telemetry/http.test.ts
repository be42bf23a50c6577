import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { Health } from '../../src/telemetry/health.ts'
import { type HttpOptions, HttpServer } from '../../src/telemetry/http.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'

const servers: HttpServer[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.destroy()))
})

async function serve(
  options: Partial<HttpOptions> = {},
): Promise<{ url: string; port: number; server: HttpServer }> {
  const server = await HttpServer.create({
    host: '127.0.0.1',
    port: 0,
    metrics: async () => 'metric 1\n',
    health: () => ({ ok: true, reasons: [] }),
    onError: () => {},
    ...options,
  })
  servers.push(server)
  return { url: `http://127.0.0.1:${server.port}`, port: server.port, server }
}

/** Sends raw bytes and returns everything that comes back until the server ends it. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
}

describe('the HTTP server', () => {
  it('serves the real page of metrics as Prometheus wants it', async () => {
    const metrics = new Metrics({ version: '1.2.3' })
    const { url } = await serve({ metrics: () => metrics.page() })
    const response = await fetch(`${url}/metrics`)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const page = await response.text()
    expect(page).toContain('# TYPE kojisync_lag_seconds histogram')
    expect(page).toMatch(/^kojisync_process_resident_memory_bytes \d+$/m)
  })

  it('makes the page once for scrapes at the same time', async () => {
    let made = 0
    let release = (): void => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const arrived: (() => void)[] = []
    const { url } = await serve({
      metrics: async () => {
        made++
        for (const notify of arrived) notify()
        await gate
        return `${made}\n`
      },
    })
    const first = new Promise<void>((resolve) => arrived.push(resolve))
    const scrapes = [1, 2, 3].map(() => fetch(`${url}/metrics?x=1`).then((response) => response.text()))
    await first
    // A request without a page is answered only after those before it were taken in.
    await fetch(`${url}/healthz`)
    release()
    const pages = await Promise.all(scrapes)
    expect(new Set(pages).size).toBeLessThanOrEqual(2)
  })

  it('is healthy with 200 and sick with 503 and the reasons', async () => {
    let now = 0
    const health = new Health({ staleAfterMs: 30_000, now: () => now })
    const { url } = await serve({ health: () => health.state() })
    const ask = async (): Promise<[number, string]> => {
      const response = await fetch(`${url}/healthz`)
      return [response.status, await response.text()]
    }
    expect(await ask()).toEqual([503, 'nothing runs\n'])
    health.expect('worker')
    expect(await ask()).toEqual([200, 'ok\n'])
    now = 31_000
    expect(await ask()).toEqual([503, 'worker: no progress for 31 seconds\n'])
    health.turned('worker')
    expect(await ask()).toEqual([200, 'ok\n'])
    health.expect('catch-up', 600_000)
    now += 29_000
    health.turned('worker')
    now += 29_000
    expect(await ask()).toEqual([200, 'ok\n'])
    now += 600_000
    health.turned('worker')
    expect(await ask()).toEqual([503, 'catch-up: no progress for 658 seconds\n'])
    health.turned('catch-up')
    health.turned('never expected')
    now += 31_000
    health.turned('worker')
    expect(await ask()).toEqual([200, 'ok\n'])
    health.stopped('writing stopped: HUB_WRONG')
    expect(await ask()).toEqual([503, 'writing stopped: HUB_WRONG\n'])
  })

  it.each([
    ['GET', '/', 404],
    ['GET', '/metrics/', 404],
    ['GET', '/../metrics', 200],
    ['POST', '/metrics', 405],
    ['DELETE', '/healthz', 405],
    ['HEAD', '/metrics', 200],
  ])('answers %s %s with %i', async (method, path, status) => {
    const { url } = await serve()
    const response = await fetch(url + path, { method })
    expect(response.status).toBe(status)
    const text = await response.text()
    if (method === 'HEAD') expect(text).toBe('')
    if (status === 405) expect(response.headers.get('allow')).toBe('GET, HEAD')
  })

  it('does not wait for a body and does not read one', async () => {
    const { port } = await serve()
    const answer = await raw(port, 'POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nabc')
    expect(answer).toMatch(/^HTTP\/1\.1 405 /)
  })

  it('refuses headers without end and what is no HTTP, and serves on', async () => {
    const { port, url } = await serve()
    const long = await raw(port, `GET /metrics HTTP/1.1\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`)
    expect(long).not.toContain('metric 1')
    expect(await raw(port, '\u0016\u0003\u0001nonsense\r\n\r\n')).toBe('')
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
  })

  it('says 500 without a detail when a page cannot be made, and tells us', async () => {
    const errors: Error[] = []
    const metrics = async (): Promise<string> => {
      throw new Error('secret detail')
    }
    const { url } = await serve({ metrics, onError: (error) => errors.push(error) })
    const response = await fetch(`${url}/metrics`)
    expect([response.status, await response.text()]).toEqual([500, 'internal error\n'])
    expect(errors.map(({ message }) => message)).toEqual(['secret detail'])
  })

  it('names an address that is taken', async () => {
    const { port } = await serve()
    await expect(serve({ port })).rejects.toMatchObject({
      code: 'HTTP_LISTEN',
      message: `cannot listen on 127.0.0.1:${port}: EADDRINUSE`,
    })
  })

  it('closes although a page never comes and clients keep their connections open', async () => {
    let asked = (): void => {}
    const arrived = new Promise<void>((resolve) => {
      asked = resolve
    })
    const metrics = (): Promise<string> => {
      asked()
      return new Promise(() => {})
    }
    const { port, server } = await serve({ metrics })
    const clients = [
      raw(port, 'GET /heal'),
      raw(port, 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'),
      raw(port, 'GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n'),
    ]
    await arrived
    servers.length = 0
    await server.destroy()
    await Promise.all(clients)
    await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow()
  })
})
