import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AnswerDecoder } from '../../src/hub/decode.ts'
import { PlainAnswer } from '../../src/hub/plain-answer.ts'
import { StrictAnswer } from '../../src/hub/strict-answer.ts'
import { UndecodableError } from '../../src/hub/undecodable.ts'
import { Double, type Value } from '../../src/model/value.ts'
import { edited, edits } from '../fuzz/edits.ts'
import { names } from './typed-calls.ts'
import { writeResponse } from './xml.ts'

const MAX_DEPTH = 20
const folder = join(import.meta.dirname, '..', 'fixtures', 'wire')
const bodies = names.map((name) => readFileSync(join(folder, `${name}.resp.xml`)))
const small = bodies.filter(({ length }) => length < 8_000)

/** An answer as hubs write it: an array. */
function bodyOf(items: string): string {
  return `<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n${items}\n</data></array></value>\n</param>\n</params>\n</methodResponse>\n`
}

function member(name: string, typed = '<int>1</int>'): string {
  return `<member>\n<name>${name}</name>\n<value>${typed}</value>\n</member>\n`
}

/** What a body says, or why it is no answer. */
function judged(read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    if (error instanceof UndecodableError) return error.reason
    // What `TextDecoder` throws.
    if (error instanceof TypeError) return 'malformed'
    throw error
  }
}

function piecesOf(body: Uint8Array, bytes: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(body.length / bytes) }, (_, i) =>
    body.subarray(i * bytes, (i + 1) * bytes),
  )
}

function decoded(body: Uint8Array, bytes: number): unknown {
  return judged(() => {
    const decoder = new AnswerDecoder({ maxBytes: 1e7, maxDepth: MAX_DEPTH })
    for (const piece of piecesOf(body, bytes)) decoder.write(piece)
    return decoder.end()
  })
}

/** By the rules of XML alone. */
function strictly(body: Uint8Array, bytes: number): unknown {
  return judged(() => {
    const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    const strict = new StrictAnswer(MAX_DEPTH, new PlainAnswer(MAX_DEPTH))
    for (const piece of piecesOf(body, bytes)) strict.write(utf8.decode(piece, { stream: true }))
    if (strict.answer === undefined) return 'cut'
    utf8.decode()
    strict.close()
    return strict.answer
  })
}

/** What may stand where something else stood. */
const odd = fc
  .constantFrom(
    ...[
      '<',
      '>',
      '&',
      '&lt;',
      '&amp;',
      '&apos;&quot;',
      '&#65;',
      '&#0;',
      ']]>',
      ']]',
      '<![CDATA[x]]>',
      '<!-- -->',
      '<?x?>',
    ],
    ...[
      '</value>',
      '<value>',
      '<value></value>',
      '<value/>',
      '<nil/>',
      '<nil></nil>',
      '<int>1</int>',
      '<i8>99</i8>',
      '<i4>-0</i4>',
    ],
    ...[
      '<member>\n<name>id</name>\n<value><int>1</int></value>\n</member>\n',
      '<name>id</name>',
      '</member>',
      '</struct></value>',
    ],
    ...[
      '<value><struct>\n</struct></value>\n',
      '<value><array><data>\n</data></array></value>\n',
      '</data></array></value>\n',
    ],
    ...[
      '</param>',
      '</methodResponse>',
      ' ',
      '\r',
      '\n\n',
      '\t',
      '\u0000',
      '\ufdd0',
      '\ufeff',
      'é',
      '€😀',
      '__proto__',
      '<a b="c"/>',
    ],
    ...['<value><array><data>'.repeat(30), '<!DOCTYPE a>', '<methodResponse>'],
  )
  .map((text) => Buffer.from(text))

describe('reading answers as hubs write them', () => {
  it('needs the rules of XML for no recorded answer but faults', () => {
    const asked = bodies.filter((body) => {
      const plain = new PlainAnswer(MAX_DEPTH)
      const text = body.toString()
      return !plain.isEnd(text.slice(plain.read(text)))
    })
    expect(asked.length).toBeGreaterThan(0)
    expect(asked.map((body) => body.includes('<fault>'))).not.toContain(false)
  })

  it('takes rows that are alike apart by one pattern, whatever is nil in them', () => {
    const value = Array.from({ length: 50 }, (_, id) => ({
      id,
      epoch: null,
      name: id % 9 === 0 ? null : `n${id}`,
    }))
    const plain = new PlainAnswer(MAX_DEPTH)
    plain.read(writeResponse(value).replaceAll('<nil/></value>\n', '<nil/></value>'))
    expect(plain.value).toEqual(value)
    expect(plain.rowsTaken).toBeGreaterThan(38)
  })

  it('says the same as the rules of XML of whatever is sent, cut into pieces anywhere', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...small),
        edits(odd, { maxEdits: 3, maxCut: 40 }),
        fc.integer({ min: 1, max: 200 }),
        (body, changes, bytes) => {
          const sent = edited(body, changes)
          expect(decoded(sent, bytes)).toEqual(strictly(sent, bytes))
        },
      ),
      { numRuns: 700 },
    )
  })

  it.each([
    ['a member twice', '<value><struct>\n@@</struct></value>', 'malformed'],
    [
      'a member twice, but not in the struct before',
      '<value><struct>\n@</struct></value>\n<value><struct>\n@@</struct></value>',
      'malformed',
    ],
    ['a forbidden end of CDATA', '<value><string>a]]>b</string></value>', 'malformed'],
    [
      'the same in a name',
      '<value><struct>\n<member>\n<name>]]></name>\n<value><nil/></value>\n</member>\n</struct></value>',
      'malformed',
    ],
    ['a bare ampersand', '<value><string>a & b</string></value>', 'cut'],
    ['an unknown entity', '<value><string>&nbsp;</string></value>', 'malformed'],
    ['an int with junk', '<value><int>1x</int></value>', 'malformed'],
    ['too much depth', '<value><array><data>\n'.repeat(MAX_DEPTH), 'large'],
    ['a boolean that is none', '<value><boolean>2</boolean></value>', 'malformed'],
    ['another closing tag', '<value><int>1</i8></value>', 'malformed'],
    ['a character by its number', '<value><string>&#65;&amp;lt;</string></value>', ['A&lt;']],
    ['a double that is integral', '<value><double>1.0</double></value>', [new Double(1)]],
    ['an int beyond 2^53', '<value><i8>9007199254740993</i8></value>', [9007199254740993n]],
    [
      '__proto__',
      '<value><struct>\n@</struct></value>'.replace('@', member('__proto__')),
      [{ ['__proto__']: 1 }],
    ],
  ])('judges %s as the rules of XML do', (_, items, said) => {
    const body = Buffer.from(bodyOf(items.replaceAll('@', member('id'))))
    expect(decoded(body, 1_000)).toEqual(strictly(body, 1_000))
    expect(decoded(body, 1_000)).toEqual(typeof said === 'string' ? said : { kind: 'value', value: said })
  })

  it('says the same of long lists of rows that are alike, and of those that are not quite', () => {
    const cell = fc.oneof(
      fc.constantFrom<Value>(
        null,
        true,
        false,
        0,
        -1,
        7,
        2 ** 31,
        -(2 ** 40),
        new Double(1.5),
        new Double(1e300),
      ),
      fc.constantFrom('', 'x86_64', 'a]b', 'a & b', '<', ']]>', '007', '\u0000', 'é', 'a\nb', 'x'.repeat(30)),
      fc.maxSafeInteger().map((n) => n || 0),
      fc.bigInt({ min: 2n ** 60n, max: 2n ** 62n }),
    )
    const row = fc.record(
      {
        id: fc.nat(),
        name: fc.string(),
        'a.b': cell,
        c: fc.constantFrom(null, 'x', 5),
        d: fc.constantFrom('y', 'z'),
      },
      { requiredKeys: ['id', 'name', 'a.b', 'c'] },
    )
    const alike = fc.record({
      id: fc.nat(),
      name: fc.constantFrom('x', 'yy'),
      time: fc.constant(new Double(1.25)),
    })
    const lists = fc.tuple(
      fc.array(alike, { minLength: 10 }),
      fc.array(row, { minLength: 12 }),
      fc.array(alike),
    )
    fc.assert(
      fc.property(
        lists,
        edits(odd, { maxEdits: 2, maxCut: 20 }),
        fc.integer({ min: 20, max: 4_000 }),
        (value, changes, bytes) => {
          const body = Buffer.from(writeResponse(value as unknown as Value))
          expect(decoded(body, bytes)).toEqual({ kind: 'value', value })
          const sent = edited(body, changes)
          expect(decoded(sent, bytes)).toEqual(strictly(sent, bytes))
        },
      ),
      { numRuns: 150 },
    )
  })

  it('goes on by the rules of XML at whatever place something else begins', () => {
    const body = Buffer.from(
      bodyOf(
        `<value><struct>\n${member('a')}${member('b', '<array><data>\n<value><string>x</string></value>\n</data></array>')}</struct></value>\n`,
      ),
    )
    const value = [{ a: 1, b: ['x'] }]
    for (const at of tagsOf(body.toString())) {
      const sent = Buffer.concat([body.subarray(0, at), Buffer.from('<!-- -->'), body.subarray(at)])
      expect([at, decoded(sent, 50)]).toEqual([at, at === 0 ? 'foreign' : { kind: 'value', value }])
    }
  })
})

/** Where each tag begins. */
function tagsOf(text: string): number[] {
  return [...text.matchAll(/</g)].map(({ index }) => index)
}
