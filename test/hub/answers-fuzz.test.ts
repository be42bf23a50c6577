import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { getPackage, listAllPackages } from '../../src/hub/calls-lookup.ts'
import { AnswerDecoder, UndecodableError } from '../../src/hub/decode.ts'
import { XmlRpcHub } from '../../src/hub/xml-rpc-hub.ts'
import { Double, isStruct, type Value } from '../../src/model/value.ts'
import { TestHub } from './server.ts'
import { answerOfWire, names, TYPED } from './typed-calls.ts'

/** By hand: FUZZ_RUNS=1000000. fast-check prints the seed of a run that fails. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 3_000)

const cases = TYPED.flatMap(([call, ...numbers]) =>
  numbers.map((number) => ({ call, answer: answerOfWire(number) })),
)

const hostile: fc.Arbitrary<Value> = fc.oneof(
  fc.constantFrom<Value>(
    ...[null, true, '', '../../x', 'a\u0000b', '\ud800', '__proto__', -1, 0, 2 ** 31, 2n ** 63n - 1n],
    ...[
      new Double(1e308),
      new Double(Number.NaN),
      [],
      [[]],
      {},
      { __proto__: null, id: 1 },
      { __starstar: true },
    ],
    ...['x'.repeat(100_000), '9'.repeat(5_000), '2026-13-45 99:99:99', '0001-01-01 00:00:00'],
  ),
  fc.string(),
  fc.double().map((value) => new Double(value)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
)

/** One place of the answer gets another value, or its member goes: `path` chooses where. */
function spoilt(value: Value, path: readonly number[], put: Value | undefined): Value | undefined {
  const [first, ...rest] = path
  if (first === undefined) return put
  if (Array.isArray(value) && value.length > 0) {
    const at = first % value.length
    return value.flatMap((item, index) => {
      const made = index === at ? spoilt(item, rest, put) : item
      return made === undefined ? [] : [made]
    })
  }
  if (value === null || !isStruct(value) || Object.keys(value).length === 0) return put
  const names = Object.keys(value)
  const name = names[first % names.length] as string
  const { [name]: item = null, ...others } = value
  const made = spoilt(item, rest, put)
  return made === undefined ? others : { ...others, [name]: made }
}

describe('whatever prod answers', () => {
  it('is read, or refused by a named error', () => {
    const input = fc.record({
      one: fc.constantFrom(...cases),
      path: fc.array(fc.nat({ max: 1_000 }), { maxLength: 5 }),
      put: fc.option(hostile, { nil: undefined }),
    })
    fc.assert(
      fc.property(input, ({ one: { call, answer }, path, put }) => {
        try {
          call.decode(spoilt(answer, path, put) ?? null)
        } catch (error) {
          expect(error).toMatchObject({ name: 'KeyError', code: 'HUB_ANSWER_INVALID' })
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('as bytes is decoded, or refused', () => {
    const folder = join(import.meta.dirname, '..', 'fixtures', 'wire')
    const bodies = names
      .map((name) => readFileSync(join(folder, `${name}.resp.xml`)))
      .filter(({ length }) => length < 20_000)
    const put = fc.oneof(
      fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom(
          ...[
            '<',
            '>',
            '&',
            '&lt;',
            '&#0;',
            '&#x110000;',
            ']]>',
            '<![CDATA[',
            '<!--',
            '<?x?>',
            '</value>',
            '<value>',
            '<nil/>',
          ],
          ...[
            '<!DOCTYPE a [<!ENTITY b "b">]>',
            '&b;',
            '<struct>',
            '<i8>99999999999999999999</i8>',
            '<double>1e999</double>',
          ],
          ...['<value><array><data>'.repeat(300), '<a '.repeat(3_000), '&amp;'.repeat(3_000)],
        )
        .map((text) => Buffer.from(text)),
    )
    const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat({ max: 30 }), put })
    const input = fc.record({
      body: fc.constantFrom(...bodies),
      edits: fc.array(edit, { minLength: 1, maxLength: 3 }),
    })
    fc.assert(
      fc.property(input, ({ body, edits }) => {
        const bytes = edits.reduce((left, { at, cut, put: piece }) => {
          const start = Math.floor(at * left.length)
          return Buffer.concat([left.subarray(0, start), piece, left.subarray(start + cut)])
        }, body)
        try {
          const decoder = new AnswerDecoder({ maxBytes: 100_000, maxDepth: 50 })
          decoder.write(bytes)
          decoder.end()
        } catch (error) {
          expect(error).toBeInstanceOf(UndecodableError)
        }
      }),
      { numRuns: RUNS },
    )
  })
})

describe('a client that is sent a bomb', () => {
  const closers: (() => Promise<void>)[] = []
  afterAll(async () => {
    for (const close of closers) await close()
  })
  const levels = Array.from({ length: 12 }, (_, n) => `<!ENTITY e${n + 1} "${`&e${n};`.repeat(10)}">`).join(
    '',
  )
  const deep = '<value><array><data>'.repeat(1_000_000)

  it.each([
    [
      'entities that grow',
      [
        `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "x">${levels}]><methodResponse><params><param><value>&e12;`,
      ],
    ],
    [
      'entities of files',
      ['<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><methodResponse><params><param><value>&e;'],
    ],
    ['a million levels', ['<methodResponse><params><param>', deep]],
  ])('of %s refuses it without holding it, and goes on', async (_, pieces) => {
    const server = await TestHub.create((method, params) =>
      method === 'getPackage' ? { id: params[0] as Value, name: 'p' } : 1,
    )
    const hub = new XmlRpcHub({
      url: server.url,
      requestsPerSecond: 1_000,
      concurrency: 2,
      timeoutMs: 5_000,
      retryDelaysMs: [],
    })
    closers.push(
      () => hub.destroy(),
      () => server.destroy(),
    )
    await hub.read([getPackage(1)], { priority: 'live' })
    server.intercept = async ({ method }, response) => {
      if (method !== 'listPackages') return false
      response.setHeader('content-type', 'text/xml')
      const gone = once(response, 'close')
      for (const piece of pieces) {
        if (response.destroyed) break
        if (!response.write(piece)) await Promise.race([once(response, 'drain'), gone])
      }
      response.end()
      return true
    }
    const before = process.memoryUsage().rss
    await expect(hub.read([listAllPackages()], { priority: 'live' })).rejects.toMatchObject({
      code: expect.stringMatching(/^HUB_[A-Z_]+$/),
    })
    expect(process.memoryUsage().rss - before).toBeLessThan(600 * 1024 * 1024)
    expect(await hub.read([getPackage(7)], { priority: 'live' })).toEqual([{ id: 7, name: 'p' }])
  })
})
