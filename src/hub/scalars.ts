import { Double, type Value } from '../model/value.ts'

const INT = /^[+-]?[0-9]{1,20}$/
const DOUBLE = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/
const MIN_I8 = -(2n ** 63n)
const MAX_I8 = 2n ** 63n - 1n

/** What Python's xmlrpc writes for doubles that are no numbers. */
const NO_NUMBERS: ReadonlyMap<string, number> = new Map([
  ['nan', Number.NaN],
  ['inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
])

/** The value of a scalar element's text; undefined if the text is none of that type. */
export const SCALARS: ReadonlyMap<string, (text: string) => Value | undefined> = new Map<
  string,
  (text: string) => Value | undefined
>([
  ['string', (text) => text],
  ['int', int],
  ['i4', int],
  ['i8', int],
  ['boolean', (text) => (text === '1' ? true : text === '0' ? false : undefined)],
  ['double', double],
  ['nil', (text) => (text === '' ? null : undefined)],
])

/** Exact: a bigint where a number would round. The hub's marshaller bounds ints at 64 bits. */
function int(text: string): Value | undefined {
  if (!INT.test(text)) return undefined
  const value = Number(text)
  if (Number.isSafeInteger(value)) return value === 0 ? 0 : value
  const exact = BigInt(text.startsWith('+') ? text.slice(1) : text)
  return exact >= MIN_I8 && exact <= MAX_I8 ? exact : undefined
}

function double(text: string): Value | undefined {
  const value = DOUBLE.test(text) ? Number(text) : NO_NUMBERS.get(text)
  return value === undefined ? undefined : new Double(value)
}
