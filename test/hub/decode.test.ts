import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AnswerDecoder } from '../../src/hub/decode.ts'
import { encodeCall } from '../../src/hub/encode.ts'
import { UndecodableError } from '../../src/hub/undecodable.ts'
import { Double, type Value } from '../../src/model/value.ts'
import { liveBytes } from '../support/live-bytes.ts'
import { readCall, writeFault, writeResponse } from './xml.ts'

const limits = { maxBytes: 1e7, maxDepth: 20 }

function decodeBytes(bytes: Uint8Array, pieceBytes = bytes.length) {
  const decoder = new AnswerDecoder(limits)
  for (let at = 0; at < bytes.length; at += Math.max(1, pieceBytes))
    decoder.write(bytes.subarray(at, at + pieceBytes))
  return decoder.end()
}

function decode(xml: string, pieceBytes?: number) {
  return decodeBytes(Buffer.from(xml, 'utf8'), pieceBytes)
}

function valueOfXml(value: string) {
  return decode(
    `<?xml version='1.0'?><methodResponse><params><param>${value}</param></params></methodResponse>`,
  )
}

function reasonOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof UndecodableError) return error.reason
    throw error
  }
  return 'none'
}

/** Everything that the hub can send, with the characters that XML forbids. */
const text = fc.string({ unit: 'binary', maxLength: 12 })
const control = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 32 }).map((code) => String.fromCharCode(code)),
    fc.constantFrom('<', '&', '>', ']', '\ufdd0', '\ufffe', '\uffff', '\ue000', '\uedd0'),
  ),
  maxLength: 8,
})
const integer = fc.oneof(
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => {
    return Number.isSafeInteger(Number(value)) ? Number(value) : value
  }),
)
const { value: anyValue } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    integer.map((value) => (value === 0 ? 0 : value)),
    fc.double().map((value) => new Double(value)),
    text,
    control,
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .dictionary(fc.oneof(text, control, fc.constant('__proto__')), tie('value'), {
        maxKeys: 4,
        noNullPrototype: false,
      })
      .map((struct) => Object.assign(Object.create(null), struct)),
  ),
}))

describe('decoding answers', () => {
  it('gives back whatever the hub can send, cut into pieces anywhere', () => {
    fc.assert(
      fc.property(anyValue, fc.integer({ min: 1, max: 40 }), (value, pieceBytes) => {
        expect(decode(writeResponse(value), pieceBytes)).toStrictEqual({ kind: 'value', value })
      }),
      { numRuns: 500 },
    )
  })

  it('says that an answer is cut wherever it is cut', () => {
    const whole = readFileSync(
      join(import.meta.dirname, '..', 'fixtures', 'wire', '033-getBuild-cg-extra-i8.resp.xml'),
    )
    const end = whole.lastIndexOf('</methodResponse>') + '</methodResponse>'.length
    for (let length = 0; length < end; length += 7) {
      expect([length, reasonOf(() => decodeBytes(whole.subarray(0, length)))]).toEqual([length, 'cut'])
    }
    expect(reasonOf(() => decodeBytes(whole.subarray(0, end - 1)))).toBe('cut')
    expect(reasonOf(() => decodeBytes(whole.subarray(0, end)))).toBe('none')
  })

  it('keeps ints exact up to 64 bits', () => {
    const int = (tag: string, digits: string) => valueOfXml(`<value><${tag}>${digits}</${tag}></value>`)
    expect(int('i8', '9007199254740993')).toMatchObject({ value: 9007199254740993n })
    expect(int('i8', '-9223372036854775808')).toMatchObject({ value: -(2n ** 63n) })
    expect(int('int', '5')).toMatchObject({ value: 5 })
    expect(int('i4', '-0')).toMatchObject({ value: 0 })
    for (const bad of ['9223372036854775808', '12abc', '', ' 5', '1.0', '0x10', '1e3'])
      expect(reasonOf(() => int('i8', bad))).toBe('malformed')
  })

  it('keeps doubles apart from ints, and what is no number', () => {
    const double = (digits: string) => valueOfXml(`<value><double>${digits}</double></value>`)
    expect(double('1.0')).toMatchObject({ value: new Double(1) })
    expect(double('1795336777.170283')).toMatchObject({ value: new Double(1795336777.170283) })
    expect(double('nan')).toMatchObject({ value: new Double(Number.NaN) })
    expect(double('-inf')).toMatchObject({ value: new Double(Number.NEGATIVE_INFINITY) })
    for (const bad of ['', '1,0', 'Infinity', '1.0x', '.'])
      expect(reasonOf(() => double(bad))).toBe('malformed')
  })

  it('takes an untyped value as a string', () => {
    expect(valueOfXml('<value>a &amp; b</value>')).toMatchObject({ value: 'a & b' })
    expect(valueOfXml('<value/>')).toMatchObject({ value: '' })
    expect(valueOfXml('<value>\n <int>1</int> </value>')).toMatchObject({ value: 1 })
    expect(valueOfXml('<value><string><![CDATA[<x>]]> y</string></value>')).toMatchObject({ value: '<x> y' })
  })

  it('keeps millions of them without holding more than a few times their size', () => {
    const before = liveBytes()
    const decoder = new AnswerDecoder({ maxBytes: 2 ** 25, maxDepth: 10 })
    decoder.write(Buffer.from('<methodResponse><params><param><value><string>'))
    const piece = Buffer.from('a\r\u0001'.repeat(20_000))
    for (let n = 0; n < 60; n += 1) decoder.write(piece)
    expect(liveBytes() - before).toBeLessThan(64 * 2 ** 20)
    decoder.write(Buffer.from('</string></value></param></params></methodResponse>'))
    const answer = decoder.end()
    expect(answer).toMatchObject({ kind: 'value', value: expect.stringContaining('a\r\u0001a\r') })
    expect((answer as { value: string }).value).toHaveLength(3_600_000)
    expect(liveBytes() - before).toBeLessThan(64 * 2 ** 20)
  })

  it('keeps control characters and carriage returns as they are', () => {
    const value = 'a\u0000\u0001\u001b[0m\r\nb\rc\ufffe\uffff\ufdd0\u0085\u2028'
    expect(decode(writeResponse(value), 3)).toMatchObject({ value })
  })

  it('reads faults', () => {
    expect(decode(writeFault(1000, 'No such build: ž'))).toEqual({
      kind: 'fault',
      faultCode: 1000,
      faultString: 'No such build: ž',
    })
    const bad = writeFault(1, 'x').replace('<int>1</int>', '<string>1</string>')
    expect(reasonOf(() => decode(bad))).toBe('malformed')
  })

  it.each([
    ['crossed tags', '<value><array><data><value><int>1</int></data></value></array></value>'],
    ['two values', '<value><int>1</int></value><value><int>2</int></value>'],
    ['two types', '<value><int>1</int><int>2</int></value>'],
    ['text beside a type', '<value>x<int>1</int></value>'],
    ['text between elements', '<value><array>x<data></data></array></value>'],
    ['an array without data', '<value><array></array></value>'],
    ['an unknown type', '<value><i16>1</i16></value>'],
    ['a date, which no hub sends', '<value><dateTime.iso8601>20261122T08:33:33</dateTime.iso8601></value>'],
    ['base64, which no hub sends', '<value><base64>AAAA</base64></value>'],
    ['an attribute', '<value a="1"><int>1</int></value>'],
    ['a member without value', '<value><struct><member><name>a</name></member></struct></value>'],
    ['a member without name', '<value><struct><member><value>1</value></member></struct></value>'],
    [
      'a value before its name',
      '<value><struct><member><value>1</value><name>a</name></member></struct></value>',
    ],
    [
      'a member twice',
      '<value><struct><member><name>a</name><value>1</value></member><member><name>a</name><value>2</value></member></struct></value>',
    ],
    ['a boolean that is none', '<value><boolean>2</boolean></value>'],
    ['a nil with text', '<value><nil>x</nil></value>'],
    ['an unknown entity', '<value>&nbsp;</value>'],
    ['no value', ''],
  ])('refuses %s', (_, value) => {
    expect(reasonOf(() => valueOfXml(value))).toBe('malformed')
  })

  it('does not take a bare ampersand for text', () => {
    expect(reasonOf(() => valueOfXml('<value>a & b</value>'))).not.toBe('none')
  })

  it('refuses what comes after the answer', () => {
    expect(reasonOf(() => decode(`${writeResponse(1)}<methodResponse/>`))).toBe('malformed')
    expect(reasonOf(() => decode(`${writeResponse(1)}x`))).toBe('malformed')
  })

  it('refuses bytes that are not UTF-8, and other encodings', () => {
    expect(reasonOf(() => decodeBytes(Buffer.from(writeResponse('a\u00e9'), 'latin1')))).toBe('malformed')
    const declared = writeResponse(1).replace("version='1.0'", "version='1.0' encoding='iso-8859-1'")
    expect(reasonOf(() => decode(declared))).toBe('malformed')
    expect(reasonOf(() => decode(declared.replace('iso-8859-1', 'UTF-8')))).toBe('none')
  })

  it.each([
    ['an HTML page', '<!DOCTYPE html><html><body>Down</body></html>'],
    ['a page without doctype', '<html><body>Down</body></html>'],
    ['plain text', 'Service unavailable'],
    ['a request', '<?xml version="1.0"?><methodCall><methodName>x</methodName></methodCall>'],
    [
      'entities',
      '<!DOCTYPE x [<!ENTITY a "b">]><methodResponse><params><param><value>&a;</value></param></params></methodResponse>',
    ],
  ])('says that %s is no XML-RPC', (_, body) => {
    expect(reasonOf(() => decode(body))).toBe('foreign')
  })

  it('bounds depth and size', () => {
    const deep = (levels: number) =>
      '<value><array><data>'.repeat(levels) + '</data></array></value>'.repeat(levels)
    expect(reasonOf(() => valueOfXml(deep(20)))).toBe('none')
    expect(reasonOf(() => valueOfXml(deep(21)))).toBe('large')
    const decoder = new AnswerDecoder({ maxBytes: 10, maxDepth: 3 })
    expect(reasonOf(() => decoder.write(Buffer.from(writeResponse(1))))).toBe('large')
  })
})

describe('encoding calls', () => {
  const sendable = fc
    .string({ unit: 'grapheme', maxLength: 12 })
    .filter((value) => !/[\p{Cc}\ufffe\uffff]/u.test(value))
  const { value: sendableValue } = fc.letrec<{ value: Value }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constant(null),
      fc.boolean(),
      integer.map((value) => (value === 0 ? 0 : value)),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => new Double(value)),
      sendable,
      fc.constantFrom('<a>', ']]>', 'a\r\nb', '&amp;', ' '),
      fc.array(tie('value'), { maxLength: 4 }),
      fc
        .dictionary(sendable, tie('value'), { maxKeys: 4, noNullPrototype: false })
        .map((struct) => Object.assign(Object.create(null), struct)),
    ),
  }))

  it('says to an independent reader what it was told to say', () => {
    fc.assert(
      fc.property(fc.array(sendableValue, { maxLength: 3 }), (params) => {
        expect(readCall(encodeCall('getBuild', params).toString('utf8'))).toStrictEqual({
          method: 'getBuild',
          params,
        })
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['NaN', new Double(Number.NaN)],
    ['a number that is no int', 1.5],
    ['an int that is not exact', 2 ** 60],
    ['an int of more than 64 bits', 2n ** 63n],
    ['a control character', 'a\u0000'],
    ['half a surrogate pair', 'a\ud800'],
    ['one in a name', { 'a\u0001': 1 }],
    ['undefined', [undefined as unknown as Value]],
  ])('refuses %s', (_, value) => {
    expect(() => encodeCall('getBuild', [value])).toThrowError(
      expect.objectContaining({ code: 'HUB_ARGUMENT_INVALID', message: expect.stringContaining('getBuild') }),
    )
  })
})
