import { pythonFloat } from '../../model/koji-json.ts'
import { Double, isStruct, type Struct, type Value } from '../../model/value.ts'

const WORDS = { nan: 'NaN', infinity: 'Infinity' }
const PLAIN = /^[ !#-[\]-~]*$/
const SURROGATE = /[\ud800-\udfff]/

/**
 * The text that fedmsg signs of a value (fedmsg/encoding `dumps`): JSON as Python writes it with sorted keys, no spaces, ASCII
 * only. One value has one such text, however it was written on the wire.
 */
export function canonicalText(value: Value): string {
  if (typeof value === 'string') return quoted(value)
  // The parser makes no number that is not an exact int, and none that is -0.
  if (value === null || typeof value !== 'object') return String(value)
  if (value instanceof Double) return pythonFloat(value.value, WORDS)
  if (isStruct(value)) return canonicalStruct(value)
  return `[${value.map(canonicalText).join(',')}]`
}

function canonicalStruct(struct: Struct): string {
  let text = '{'
  for (const name of sortedNames(struct)) {
    if (text.length > 1) text += ','
    text += `${quoted(name)}:${canonicalText(struct[name] as Value)}`
  }
  return `${text}}`
}

/** In the order of code points; JavaScript's own is that of UTF-16 units, where U+FF5E comes after U+1F600. */
function sortedNames(struct: Struct): string[] {
  const names = Object.keys(struct)
  return names.some((name) => SURROGATE.test(name)) ? names.sort(compareCodePoints) : names.sort()
}

function compareCodePoints(a: string, b: string): number {
  const [left, right] = [[...a], [...b]]
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index++) {
    const difference = (left[index]?.codePointAt(0) ?? 0) - (right[index]?.codePointAt(0) ?? 0)
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

/** DEL is escaped too. JavaScript writes the same short escapes and lower-case digits, also for lone surrogates. */
function quoted(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
