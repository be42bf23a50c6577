import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { ask, keywords } from './ask.ts'
import { type SimulatedHub, startHub } from './hub.ts'
import { openWorld, type ProdWorld } from './prod-world.ts'
import { Double, type Struct } from './wire-value.ts'

let database: TestDatabase
let world: ProdWorld
let hub: SimulatedHub

beforeAll(async () => {
  database = await testDatabase()
  world = await openWorld({ databaseUrl: database.url })
  await world.addTag('f43', { arches: 'x86_64' })
  await world.addTag('f44')
  await world.putExtra('f43', 'numbers', '[1, 1.0, 123456789012, true, null, "\\u017e"]')
  hub = await startHub({ databaseUrl: database.url, mayTrespass: true })
})

afterEach(() => hub.knobs.clear())

afterAll(async () => {
  await hub.close()
  await world.close()
  await database.drop()
})

const post = (body: string, init: RequestInit = {}) => fetch(hub.url, { method: 'POST', body, ...init })
const getTag =
  "<?xml version='1.0'?><methodCall><methodName>getAPIVersion</methodName><params></params></methodCall>"

describe('a simulated hub', () => {
  it('keeps integers, doubles, booleans, nil and 64 bits apart', async () => {
    const tag = (await ask(hub.url, 'getTag', 'f43')) as Struct
    expect(tag.extra).toEqual({ numbers: [1, new Double(1), 123456789012, true, null, 'ž'] })
    const body = encodeGetTag('f43')
    const text = await (await post(body)).text()
    expect(text).toContain('<value><i8>123456789012</i8></value>')
    expect(text).toContain('<value><double>1.0</double></value>')
    expect(text).toContain('<value><nil/></value>')
  })

  it('answers each call of a multiCall for itself', async () => {
    const answers = (await ask(hub.url, 'multiCall', [
      { methodName: 'getTag', params: ['f43', true] },
      { methodName: 'getTag', params: ['nope', true] },
      { methodName: 'listBuilds', params: [keywords({ queryOpts: { order: 'nonsense' } })] },
      { methodName: 'queryHistory', params: [keywords({ afterEvent: 'x' })] },
      { methodName: 'getAPIVersion', params: [] },
    ])) as (Struct | [unknown])[]
    expect(
      answers.map((answer) => (Array.isArray(answer) ? 'answer' : [answer.faultCode, answer.faultString])),
    ).toEqual([
      'answer',
      [1000, "No such tagInfo: 'nope'"],
      [1, expect.stringContaining('Invalid order: nonsense')],
      [1, expect.stringContaining('invalid input syntax')],
      'answer',
    ])
    expect(hub.knobs.counts.get('getTag')).toBe(2)
    expect(hub.knobs.requests).toBe(1)
  })

  it('refuses what only a logged-in user may do, what it does not know and what does not fit, and records it', async () => {
    await expect(ask(hub.url, 'createTag', 'x')).rejects.toMatchObject({
      code: 1004,
      message: 'tag permission required (user not logged in)',
    })
    await expect(ask(hub.url, 'noSuch')).rejects.toMatchObject({
      code: 1000,
      message: 'Invalid method: noSuch',
    })
    await expect(ask(hub.url, 'getTag')).rejects.toMatchObject({
      code: 1019,
      message: "get_tag() missing 1 required positional argument: 'tagInfo'",
    })
    await expect(ask(hub.url, 'getRPMChecksums', 1)).rejects.toMatchObject({ code: 1000 })
    expect(hub.knobs.refused).toEqual(['createTag', 'noSuch', 'getRPMChecksums'])
  })

  it('records who shows a session or a password', async () => {
    hub.knobs.clear()
    const post = (query: string, headers: Record<string, string>) =>
      fetch(`${hub.url}${query}`, { method: 'POST', headers, body: getTag })
    await post('?session-id=1&session-key=2', {})
    await post('', { 'Koji-Session-Id': '1' })
    await post('', { Authorization: 'Basic eDp5' })
    await post('', { 'User-Agent': 'x', Accept: 'text/xml' })
    expect(hub.knobs.refused).toEqual([
      'a login: session-id',
      'a login: koji-session-id',
      'a login: authorization',
    ])
  })

  it('fails the run for it, unless the test said that it will', async () => {
    const told = new Promise<unknown>((resolve) => {
      const others = process.rawListeners('unhandledRejection')
      process.removeAllListeners('unhandledRejection')
      process.once('unhandledRejection', (reason) => {
        for (const other of others) process.on('unhandledRejection', other as () => void)
        resolve(reason)
      })
    })
    const strict = await startHub({ databaseUrl: database.url })
    try {
      await ask(strict.url, 'login', 'me', 'secret').catch(() => {})
      expect(await told).toMatchObject({ message: 'a simulated hub was trespassed on: login' })
    } finally {
      await strict.close()
    }
  })

  it('refuses a request of more than 4 MiB, and another method than POST', async () => {
    await expect(ask(hub.url, 'getTag', 'x'.repeat(4 * 1024 * 1024))).rejects.toMatchObject({
      message: 'Request too long',
    })
    expect((await fetch(hub.url)).status).toBe(405)
  })

  it('says through _listapi which arguments it knows, as its version has them', async () => {
    const old = await startHub({ databaseUrl: database.url, version: '1.30.0', mayTrespass: true })
    try {
      const names = ((await ask(old.url, '_listapi')) as Struct[]).map((method) => method.name)
      expect(names).not.toContain('getRPMChecksums')
      await expect(ask(old.url, 'getRPMChecksums', 1)).rejects.toMatchObject({
        message: 'Invalid method: getRPMChecksums',
      })
      expect(await ask(old.url, 'getKojiVersion')).toBe('1.30.0')
    } finally {
      await old.close()
    }
    const checksums = ((await ask(hub.url, '_listapi')) as Struct[]).find(
      (method) => method.name === 'getRPMChecksums',
    )
    expect(checksums?.args).toEqual(['rpm_id', ['checksum_types', null], ['cacheonly', false]])
  })
})

describe('its knobs', () => {
  it('make the next requests fail in every way, and only those', async () => {
    const { knobs } = hub
    knobs.failNext('http-500')
    expect((await post(getTag)).status).toBe(500)
    knobs.failNext('html')
    expect(await (await post(getTag)).text()).toContain('<html>')
    knobs.failNext('torn-xml')
    expect(await (await post(getTag)).text()).not.toContain('</methodResponse>')
    knobs.failNext('truncated')
    await expect(post(getTag).then((response) => response.text())).rejects.toThrow()
    knobs.failNext('reset', 2)
    await expect(post(getTag)).rejects.toThrow()
    await expect(post(getTag)).rejects.toThrow()
    knobs.failNext('wrong-content-type')
    expect((await post(getTag)).headers.get('content-type')).toBe('application/json')
    knobs.failNext('server-offline')
    await expect(ask(hub.url, 'getAPIVersion')).rejects.toMatchObject({ code: 1014 })
    knobs.failNext('retry')
    await expect(ask(hub.url, 'getAPIVersion')).rejects.toMatchObject({ code: 1009 })
    knobs.failNext('silent')
    await expect(post(getTag, { signal: AbortSignal.timeout(200) })).rejects.toThrow(/abort|timeout/i)
    expect(await ask(hub.url, 'getAPIVersion')).toBe(1)
  })

  it('drop rows of list answers until told otherwise', async () => {
    hub.knobs.dropRows('listTags', (row) => row.name === 'f43')
    expect(((await ask(hub.url, 'listTags')) as Struct[]).map((row) => row.name)).toEqual(['f44'])
    hub.knobs.keepRows('listTags')
    expect(await ask(hub.url, 'listTags')).toHaveLength(2)
  })

  it('let something happen between two calls of one request', async () => {
    hub.knobs.beforeNext('getTagID', async () => {
      await world.editTag('f44', { arches: 'aarch64' })
    })
    const arches = (answer: unknown) => ((answer as [Struct])[0] as Struct).arches
    const call = { methodName: 'getTag', params: ['f44'] }
    const answers = (await ask(hub.url, 'multiCall', [
      call,
      { methodName: 'getTagID', params: ['f44'] },
      call,
    ])) as unknown[]
    expect([arches(answers[0]), arches(answers[2])]).toEqual([null, 'aarch64'])
  })

  it('delay requests, and count how many ran at a time', async () => {
    hub.knobs.delayPerRequestMs = 50
    await Promise.all([1, 2, 3].map(() => ask(hub.url, 'getAPIVersion')))
    hub.knobs.delayPerRequestMs = 0
    expect(hub.knobs.maxConcurrent).toBeGreaterThan(1)
  })
})

function encodeGetTag(name: string): string {
  return getTag
    .replace('getAPIVersion', 'getTag')
    .replace('<params>', `<params><param><value>${name}</value></param>`)
}
