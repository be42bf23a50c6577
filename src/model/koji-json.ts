import { SyncError } from '../errors.ts'
import { Double, isStruct, type Value } from './value.ts'

/*
 * Koji keeps JSON in text columns (build.extra, rpminfo.extra, archiveinfo.extra, tag_extra.value), written and read
 * by Python's json module. JavaScript's cannot hold it: `1` and `1.0` are different there, ints are unbounded, NaN and
 * Infinity are words, the last of two equal names wins, and `__proto__` is a name like others.
 */

/** The text that Python's `json.dumps` writes for a value: what Koji itself would store. */
export function toKojiJson(value: Value): string {
  if (value === null) return 'null'
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (typeof value === 'number') return intText(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'string') return quoted(value)
  if (value instanceof Double) return pythonFloat(value.value, { nan: 'NaN', infinity: 'Infinity' })
  if (isStruct(value)) {
    return `{${Object.entries(value)
      .map(([name, item]) => `${quoted(name)}: ${toKojiJson(item)}`)
      .join(', ')}}`
  }
  return `[${value.map(toKojiJson).join(', ')}]`
}

/** Throws JSON_UNWRITABLE: a `number` is an int by the contract of `Value`, and one that is not would be rounded. */
function intText(value: number): string {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return String(value)
  throw new SyncError('JSON_UNWRITABLE', `${value} is no exact int; doubles are Double, large ints bigint`)
}

/** ASCII only, as `ensure_ascii` has it. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** A double as Python's `repr` writes it: the shortest text that reads back as the same double, always with a point or an exponent. */
export function pythonFloat(
  value: number,
  words: { readonly nan: string; readonly infinity: string },
): string {
  if (Number.isNaN(value)) return words.nan
  if (!Number.isFinite(value)) return value < 0 ? `-${words.infinity}` : words.infinity
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const [mantissa = '0', exponentText = '0'] = Math.abs(value).toExponential().split('e')
  const digits = mantissa.replace('.', '')
  const exponent = Number(exponentText)
  if (exponent < -4 || exponent >= 16) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
    const size = String(Math.abs(exponent)).padStart(2, '0')
    return `${sign}${digits[0]}${fraction}e${exponent < 0 ? '-' : '+'}${size}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`
}

/**
 * Whether Python would read the same from both: types matter (`1` is not `1.0`), the order of members does not.
 * NaN is the same as NaN.
 */
export function sameKojiJson(a: Value, b: Value): boolean {
  if (a instanceof Double || b instanceof Double)
    return a instanceof Double && b instanceof Double && Object.is(a.value, b.value)
  if (isInt(a) && isInt(b)) return BigInt(a) === BigInt(b)
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((item: Value, index) => sameKojiJson(item, b[index] as Value))
  }
  if (isStruct(a) && isStruct(b)) {
    const names = Object.keys(a)
    if (names.length !== Object.keys(b).length) return false
    return names.every((name) => Object.hasOwn(b, name) && sameKojiJson(a[name] as Value, b[name] as Value))
  }
  return a === b
}

function isInt(value: Value): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}
