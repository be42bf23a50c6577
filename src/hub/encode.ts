import CustomType from 'xmlrpc/lib/customtype.js'
import serializer from 'xmlrpc/lib/serializer.js'
import { KeyError } from '../errors.ts'
import { pythonFloat } from '../model/koji-json.ts'
import { Double, isStruct, type Value } from '../model/value.ts'

/*
 * Requests are written by xmlrpc's serialiser, but only after a check: left alone it writes a double 1.0 as an int,
 * NaN, undefined and bigint as an empty value, and a text with `<`, `&` or `]]>` as CDATA, which breaks or loses it.
 */

class DoubleType extends CustomType {
  override tagName = 'double'
}

class I8Type extends CustomType {
  override tagName = 'i8'
}

class TextType extends CustomType {
  override tagName = 'string'
}

const MIN_I8 = -(2n ** 63n)
const MAX_I8 = 2n ** 63n - 1n

/** Control characters, noncharacters, halves of surrogate pairs: what XML 1.0 cannot carry. */
const CONTROLS = '\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f'
const UNSENDABLE = new RegExp(`[${CONTROLS}\\ufffe\\uffff]|\\p{Cs}`, 'u')

/** The body of a call. Throws HUB_ARGUMENT_INVALID naming the method and the argument. */
export function encodeCall(method: string, params: readonly Value[]): Buffer {
  const checked = params.map((param, index) => checkedValue(method, `[${index}]`, param))
  return Buffer.from(serializer.serializeMethodCall(method, checked), 'utf8')
}

/** A value as the serialiser writes it right. */
function checkedValue(method: string, path: string, value: Value): unknown {
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'number' || typeof value === 'bigint') return checkedInt(method, path, value)
  if (typeof value === 'string') return checkedText(method, path, value)
  if (value instanceof Double) {
    if (!Number.isFinite(value.value)) throw invalid(method, path, `${value.value}`)
    return new DoubleType(pythonFloat(value.value, { nan: 'nan', infinity: 'inf' }))
  }
  if (isStruct(value)) {
    const members = Object.entries(value).map(([name, item]) => {
      checkedText(method, path, name)
      return [name, checkedValue(method, `${path}.${name}`, item)] as const
    })
    return Object.fromEntries(members)
  }
  if (Array.isArray(value)) return value.map((item, index) => checkedValue(method, `${path}[${index}]`, item))
  throw invalid(method, path, typeof value)
}

function checkedInt(method: string, path: string, value: number | bigint): unknown {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw invalid(method, path, `${value}`)
  const exact = BigInt(value)
  if (exact < MIN_I8 || exact > MAX_I8) throw invalid(method, path, 'an int of more than 64 bits')
  const small = Number(exact)
  return Number.isSafeInteger(small) && small === (small | 0) ? small | 0 : new I8Type(exact.toString())
}

function checkedText(method: string, path: string, text: string): unknown {
  if (UNSENDABLE.test(text)) throw invalid(method, path, 'a text with characters that XML cannot carry')
  return /[<&\r]|\]\]>/.test(text) ? new TextType(text) : text
}

function invalid(method: string, path: string, what: string): KeyError {
  return new KeyError('HUB_ARGUMENT_INVALID', `cannot send ${what} as argument ${path} of ${method}`, {
    detail: { method, path },
  })
}

/** Bytes that a value takes at most in a request: what a batch is planned by. */
export function maxEncodedBytes(value: Value): number {
  if (typeof value === 'string') return 60 + textBytes(value)
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + maxEncodedBytes(item), 80)
  if (!isStruct(value)) return 80
  return Object.entries(value).reduce(
    (sum, [name, item]) => sum + 60 + textBytes(name) + maxEncodedBytes(item),
    80,
  )
}

/** `&` becomes five bytes, a character of two units four. */
function textBytes(text: string): number {
  return text.length * 5
}
