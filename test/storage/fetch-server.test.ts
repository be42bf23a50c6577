import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { noStep } from '../../src/step.ts'
import { Transfers } from '../../src/storage/copy-limits.ts'
import { CopyPlacement } from '../../src/storage/copy-placement.ts'
import { SteppedCopier } from '../../src/storage/crew.ts'
import { PackageServer } from '../../src/storage/fetch-server.ts'
import { HttpSource } from '../../src/storage/fetch-source.ts'
import { putBuild } from './rpms.ts'
import { aBuild, makeTrees, namesOf, type Trees } from './trees.ts'

type Answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void

let trees: Trees
let server: Server
let made: ReturnType<typeof putBuild>
let source: string
/** what is asked, in order: path and range */
let asked: string[]
let answer: Answer
let packages: PackageServer

const whole: Answer = (request, response, body) => {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const range = from > 0 ? { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` } : {}
  response.writeHead(from > 0 ? 206 : 200, { etag: '"1"', 'content-length': body.length - from, ...range })
  response.end(body.subarray(from))
}
const status =
  (code: number): Answer =>
  (_request, response) =>
    void response.writeHead(code).end()
const RPM = 'x86_64/bash-5.2-1.fc43.x86_64.rpm'

beforeEach(async () => {
  trees = makeTrees()
  source = trees.addBuild(aBuild())
  rmSync(source, { recursive: true })
  made = putBuild(source)
  asked = []
  answer = whole
  server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '').replace(/^\/koji/, '')
    asked.push(`${path.split('1.fc43/').at(-1)} ${request.headers.range ?? ''}`.trim())
    const at = join(trees.prod, path)
    if (request.method === 'HEAD' && path === '/packages/') return void response.writeHead(403).end()
    if (!existsSync(at))
      return void response.writeHead(404).end()
      // Only the rpm is played with.
    ;(path.endsWith(RPM) && !path.includes('/data/') ? answer : whole)(request, response, readFileSync(at))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  packages = new PackageServer({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/koji/`,
    connections: 4,
    timeoutMs: 5000,
    retryDelaysMs: [1, 1],
    userAgent: 'test',
    step: noStep,
  })
})
afterEach(async () => {
  await packages.destroy()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  trees.destroy()
})

function place(changes: { bytesPerSecond?: number } = {}): Promise<void> {
  return new CopyPlacement({
    source: new HttpSource(packages),
    stagingTopdir: trees.staging,
    linkTarget: null,
    take: { arches: null, signedKeys: ['aabbccdd'], sigcache: true, logs: true },
    transfers: new Transfers({ bytesPerSecond: changes.bytesPerSecond ?? null, openTransfers: 2 }),
    copier: new SteppedCopier(noStep),
    sharing: { reflink: true, hardlink: true },
    fsync: false,
    reserveBytes: 0,
    fileMode: 0o644,
    step: noStep,
  }).place(aBuild({ stagingVolume: 'prod-copy', files: made.files }))
}

const target = (): string => join(trees.staging, 'packages/bash/5.2/1.fc43')
const left = (): string[] =>
  namesOf(trees.staging).filter((name) => !/^(packages|vol(\/prod-copy(\/packages|\/toplink)?)?)$/.test(name))

describe('over HTTP', () => {
  it('all files come that rows name, also from a sub-directory, and the signed copy without being asked for', async () => {
    await place()
    for (const path of [RPM, 'images/a.img', 'files/remote-sources/deep/er/r.tar', 'metadata.json'])
      expect(readFileSync(join(target(), path)), path).toEqual(readFileSync(join(source, path)))
    expect(readFileSync(join(target(), 'data/signed/aabbccdd', RPM))).toEqual(made.signed)
    expect(asked.filter((path) => path.includes('data/signed'))).toEqual([])
  })

  it('names are put into the address as data', async () => {
    expect(await packages.open(['packages', 'a?b#c', '%2e%2e'])).toBeNull()
    expect(asked).toEqual(['/packages/a?b#c/%2e%2e'])
  })

  it('a file that breaks off is taken up where it did', async () => {
    const ranges = (): string[] => asked.filter((path) => path.startsWith(`${RPM} `))
    answer = (request, response, body) => {
      if (ranges().length > 0) return whole(request, response, body)
      response.writeHead(200, { etag: '"1"', 'content-length': body.length })
      // What a client has not read yet when the connection goes may be lost with it.
      response.write(body.subarray(0, 1000), () => setTimeout(() => response.socket?.destroy(), 50))
    }
    await place()
    expect(readFileSync(join(target(), RPM))).toEqual(made.rpm.bytes)
    expect(ranges()).toEqual([`${RPM} bytes=1000-`])
  })

  it('a file that another one took the place of is begun anew', async () => {
    let cuts = 0
    answer = (request, response, body) => {
      if (cuts++ === 0) {
        response.writeHead(200, { etag: '"0"', 'content-length': body.length })
        response.write(body.subarray(0, 10), () => response.socket?.destroy())
      } else if (request.headers['if-range'] === '"0"') {
        response.writeHead(200, { etag: '"1"', 'content-length': body.length }).end(body)
      } else whole(request, response, body)
    }
    await place()
    expect(readFileSync(join(target(), RPM))).toEqual(made.rpm.bytes)
  })

  it.each<[string, Answer, Record<string, unknown>]>([
    ['404', status(404), { code: 'STORAGE_SOURCE_MISSING' }],
    ['403', status(403), { code: 'STORAGE_HTTP_STATUS', detail: { status: 403 } }],
    ['a redirect', status(302), { code: 'STORAGE_HTTP_STATUS' }],
    ['500 for one file', status(500), { code: 'STORAGE_FILE_SICK', message: expect.stringContaining('500') }],
    [
      'a body that ends early',
      (_, response, body) => {
        response.writeHead(200, { 'content-length': body.length })
        response.write(body.subarray(0, 9), () => response.socket?.destroy())
      },
      { code: 'STORAGE_FILE_SICK' },
    ],
    [
      'a short body without a length',
      (_, response, body) => void response.writeHead(200).end(body.subarray(0, 500)),
      { code: 'STORAGE_WRONG_SIZE' },
    ],
    [
      'a long body without an end',
      (_, response, body) => void response.writeHead(200).end(Buffer.concat([body, Buffer.alloc(100_000)])),
      { code: 'STORAGE_WRONG_SIZE' },
    ],
    [
      'other bytes',
      (_, response, body) => void response.writeHead(200).end(Buffer.from(body).fill(0, body.length - 1)),
      { code: 'STORAGE_WRONG_DIGEST' },
    ],
    [
      'a page',
      (_, response) => void response.writeHead(200).end('<html>log in'),
      { code: 'STORAGE_WRONG_SIZE' },
    ],
  ])('%s has a name, and leaves nothing', async (_, how, expected) => {
    answer = how
    const error = await place().then(
      () => null,
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject(expected)
    expect(left()).toEqual([])
    answer = whole
    await place()
    expect(readFileSync(join(target(), RPM))).toEqual(made.rpm.bytes)
  })

  it('a server that is not there is an outage, which counts against no build', async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    const error = await place().then(
      () => null,
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ name: 'OutageError', part: 'storage', code: 'STORAGE_SERVER' })
    expect(left()).toEqual([])
  })

  it('bytes come no faster than allowed', async () => {
    const waits: number[] = []
    const transfers = new Transfers({ bytesPerSecond: 1000, openTransfers: 1 })
    const begun = performance.now()
    for (let i = 0; i < 4; i++) {
      await transfers.take(100)
      waits.push(performance.now() - begun)
    }
    expect(waits[3]).toBeGreaterThan(100)
  })

  it.each(['ftp://a/', 'http://u:p@a/', 'http://a/?q', 'nothing'])('%s is no topurl', (url) => {
    const options = { connections: 1, timeoutMs: 1, retryDelaysMs: [], userAgent: '', step: noStep }
    expect(() => new PackageServer({ ...options, url })).toThrow('topurl')
  })
})

describe('no more files at a time than allowed', () => {
  it('the next one begins when one has ended', async () => {
    const transfers = new Transfers({ bytesPerSecond: null, openTransfers: 2 })
    let open = 0
    let most = 0
    mkdirSync(join(trees.home, 'x'))
    await Promise.all(
      Array.from({ length: 9 }, () =>
        transfers.run(async () => {
          most = Math.max(most, ++open)
          await new Promise((resolve) => setImmediate(resolve))
          open--
        }),
      ),
    )
    expect(most).toBe(2)
  })
})
