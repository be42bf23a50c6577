import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { KeyError } from '../../src/errors.ts'
import { AnswerDecoder } from '../../src/hub/decode.ts'
import { UndecodableError } from '../../src/hub/undecodable.ts'
import { Double, isStruct, type Value } from '../../src/model/value.ts'
import { answerOfWire, names, TYPED } from '../hub/typed-calls.ts'
import { type Edit, edited, edits } from './edits.ts'

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

/** An answer of the hub with a value changed, or gone, is read, or refused by a named error. */
export const answerValues = fc.property(
  fc.constantFrom(...cases),
  fc.array(fc.nat({ max: 1_000 }), { maxLength: 5 }),
  fc.option(hostile, { nil: undefined }),
  ({ call, answer }, path, put) => {
    try {
      call.decode(spoilt(answer, path, put) ?? null)
    } catch (error) {
      if (!(error instanceof KeyError && error.code === 'HUB_ANSWER_INVALID')) throw error
    }
  },
)

const folder = join(import.meta.dirname, '..', 'fixtures', 'wire')
const bodies = names
  .map((name) => readFileSync(join(folder, `${name}.resp.xml`)))
  .filter(({ length }) => length < 20_000)
const pieces = fc.oneof(
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

/** The same as bytes. */
export const answerBytes = fc.property(
  fc.constantFrom(...bodies),
  edits(pieces, { maxEdits: 3, maxCut: 30 }),
  (body: Buffer, changes: readonly Edit[]) => {
    try {
      const decoder = new AnswerDecoder({ maxBytes: 100_000, maxDepth: 50 })
      decoder.write(edited(body, changes))
      decoder.end()
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error
    }
  },
)
