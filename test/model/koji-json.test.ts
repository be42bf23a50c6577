import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pythonFloat, sameKojiJson, toKojiJson } from '../../src/model/koji-json.ts'
import { parseKojiJson } from '../../src/model/koji-json-parse.ts'
import { Double, type Value } from '../../src/model/value.ts'

const { value: anyValue } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.bigInt().map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value)),
    fc.double().map((value) => new Double(value)),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\ud800', '\u0000\\"', '__proto__'),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), tie('value'), { noNullPrototype: false })
      .map((struct) => Object.assign(Object.create(null), struct)),
  ),
}))

describe("Koji's JSON columns", () => {
  it('reads what it writes, type for type', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const again = parseKojiJson(toKojiJson(value))
        expect(again).toStrictEqual(value)
        expect(sameKojiJson(again, value)).toBe(true)
      }),
    )
  })

  /** Left: what Python's json.dumps writes. */
  it.each<[string, Value]>([
    ['1', 1],
    ['1.0', new Double(1)],
    ['-0.0', new Double(-0)],
    ['5000000000', 5_000_000_000],
    ['123456789012345678901234567890', 123456789012345678901234567890n],
    ['1e+16', new Double(1e16)],
    ['9999999999999998.0', new Double(9999999999999998)],
    ['0.0001', new Double(0.0001)],
    ['1e-05', new Double(0.00001)],
    ['1.5e-07', new Double(1.5e-7)],
    ['1795336777.170283', new Double(1795336777.170283)],
    ['5e-324', new Double(5e-324)],
    ['1.7976931348623157e+308', new Double(1.7976931348623157e308)],
    ['NaN', new Double(Number.NaN)],
    ['-Infinity', new Double(Number.NEGATIVE_INFINITY)],
    [
      '{"a": [1, null, {"c": true}], "b": "\\u017d\\ud83d\\ude80\\u007f\\n"}',
      { a: [1, null, { c: true }], b: 'Ž🚀\u007f\n' },
    ],
    ['{}', {}],
    ['[]', []],
  ])('writes %s as Python does', (text, value) => {
    expect(toKojiJson(value)).toBe(text)
    expect(sameKojiJson(parseKojiJson(text), value)).toBe(true)
  })

  it('reads what Python reads: the last of two equal names, any number, words of its own', () => {
    expect(parseKojiJson(' {"a": 1, "a" : 2.50e1 }\n')).toEqual({ a: new Double(25) })
    expect(parseKojiJson('-0')).toBe(0)
    expect(Object.keys(parseKojiJson('{"__proto__": {"x": 1}}') as object)).toEqual(['__proto__'])
  })

  it.each([
    '',
    '[1,]',
    '{"a":1,}',
    '{a: 1}',
    '[1 2]',
    '01',
    '1.',
    '+1',
    '.5',
    'nul',
    'nan',
    "'a'",
    '"\\x"',
    '"a',
    '"a\nb"',
    '1 2',
    '['.repeat(600) + ']'.repeat(600),
  ])('refuses %s', (text) => {
    expect(() => parseKojiJson(text)).toThrowError(expect.objectContaining({ code: 'JSON_INVALID' }))
  })

  it('reads strings of any length', () => {
    const value = 'x\n"\\'.repeat(500_000)
    expect(parseKojiJson(JSON.stringify([value]))).toEqual([value])
  })

  it('tells values apart as Python does', () => {
    const differ: [Value, Value][] = [
      [1, new Double(1)],
      [1, true],
      [0, false],
      [null, false],
      ['1', 1],
      [[1], [1, 2]],
      [[], {}],
      [{ a: null }, {}],
      [{ a: 1 }, { b: 1 }],
      [2n ** 60n, 2n ** 60n + 1n],
    ]
    for (const [a, b] of differ)
      expect([a, b, sameKojiJson(a, b), sameKojiJson(b, a)]).toEqual([a, b, false, false])
    expect(sameKojiJson({ a: 1, b: 2 }, { b: 2, a: 1 })).toBe(true)
    expect(sameKojiJson(new Double(Number.NaN), new Double(Number.NaN))).toBe(true)
    expect(sameKojiJson(5, 5n)).toBe(true)
  })

  it('refuses to write a number that is no exact int', () => {
    for (const value of [1.5, 2 ** 53, Number.NaN])
      expect(() => toKojiJson([value])).toThrowError(expect.objectContaining({ code: 'JSON_UNWRITABLE' }))
    expect(pythonFloat(2 ** 53, { nan: 'nan', infinity: 'inf' })).toBe('9007199254740992.0')
  })
})
