import { Double, Fault, type Value } from './wire-value.ts'

/** A call's method and parameters. */
export interface Call {
  method: string
  params: Value[]
}

interface Cursor {
  tokens: string[]
  at: number
}

/** Reads a methodCall. Throws Error for anything that is none. */
export function decodeCall(xml: string): Call {
  const cursor = open(xml, 'methodCall')
  expect(cursor, '<methodName>')
  const method = isTag(cursor) ? '' : unescapeText(next(cursor))
  expect(cursor, '</methodName>')
  const params: Value[] = []
  skipSpace(cursor)
  if (peek(cursor) === '<params>') {
    next(cursor)
    while (take(cursor, '<param>')) {
      params.push(readValue(cursor))
      expect(cursor, '</param>')
    }
  }
  return { method, params }
}

/** Reads a methodResponse; a fault is thrown as `Fault`. */
export function decodeResponse(xml: string): Value {
  const cursor = open(xml, 'methodResponse')
  if (take(cursor, '<fault>')) {
    const fault = readValue(cursor) as { faultCode: number; faultString: string }
    throw new Fault(fault.faultCode, fault.faultString)
  }
  expect(cursor, '<params>')
  expect(cursor, '<param>')
  return readValue(cursor)
}

function open(xml: string, root: string): Cursor {
  const tokens: string[] = xml.match(/<[^>]*>|[^<]+/g) ?? []
  const at = tokens.indexOf(`<${root}>`)
  if (at < 0) throw new Error(`no <${root}> in ${xml.slice(0, 100)}`)
  return { tokens, at: at + 1 }
}

function readValue(cursor: Cursor): Value {
  skipSpace(cursor)
  if (take(cursor, '<value/>')) return ''
  expect(cursor, '<value>')
  // Text directly in <value> is a string, blanks included.
  if (!isTag(cursor) || peek(cursor) === '</value>') {
    const text = isTag(cursor) ? '' : next(cursor)
    if (peek(cursor) === '</value>') {
      next(cursor)
      return unescapeText(text)
    }
  }
  const value = readTyped(cursor, next(cursor))
  expect(cursor, '</value>')
  return value
}

function readTyped(cursor: Cursor, tag: string): Value {
  if (tag === '<nil/>') return null
  if (tag === '<string/>') return ''
  if (tag === '<array>') return readArray(cursor)
  if (tag === '<struct>') return readStruct(cursor)
  const text = isTag(cursor) ? '' : unescapeText(next(cursor))
  expect(cursor, tag.replace('<', '</'))
  switch (tag) {
    case '<string>':
    case '<base64>':
    case '<dateTime.iso8601>':
      return text
    case '<int>':
    case '<i4>':
    case '<i8>':
      return safeInteger(BigInt(text))
    case '<double>':
      return new Double({ nan: Number.NaN, inf: Infinity, '-inf': -Infinity }[text] ?? Number(text))
    case '<boolean>':
      return text === '1'
    case '<nil>':
      return null
    default:
      throw new Error(`unknown type ${tag}`)
  }
}

function readArray(cursor: Cursor): Value[] {
  const items: Value[] = []
  if (take(cursor, '<data/>')) {
    expect(cursor, '</array>')
    return items
  }
  expect(cursor, '<data>')
  while (!take(cursor, '</data>')) items.push(readValue(cursor))
  expect(cursor, '</array>')
  return items
}

function readStruct(cursor: Cursor): Value {
  const struct: { [key: string]: Value } = {}
  while (take(cursor, '<member>')) {
    expect(cursor, '<name>')
    const name = isTag(cursor) ? '' : unescapeText(next(cursor))
    expect(cursor, '</name>')
    struct[name] = readValue(cursor)
    expect(cursor, '</member>')
  }
  expect(cursor, '</struct>')
  return struct
}

/** A number where it is exact, else the bigint itself. */
export function safeInteger(big: bigint): number | bigint {
  const number = Number(big)
  return Number.isSafeInteger(number) ? number : big
}

function peek(cursor: Cursor): string {
  return cursor.tokens[cursor.at] ?? ''
}

function next(cursor: Cursor): string {
  const token = cursor.tokens[cursor.at++]
  if (token === undefined) throw new Error('the document ends early')
  return token
}

function isTag(cursor: Cursor): boolean {
  return peek(cursor).startsWith('<')
}

function skipSpace(cursor: Cursor): void {
  while (cursor.at < cursor.tokens.length && /^\s*$/.test(peek(cursor))) cursor.at++
}

function take(cursor: Cursor, tag: string): boolean {
  skipSpace(cursor)
  if (peek(cursor) !== tag) return false
  cursor.at++
  return true
}

function expect(cursor: Cursor, tag: string): void {
  if (!take(cursor, tag)) throw new Error(`${tag} wanted, ${peek(cursor) || 'the end'} found`)
}

const entities: Record<string, string | undefined> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeText(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) =>
    hex
      ? String.fromCodePoint(Number.parseInt(hex, 16))
      : decimal
        ? String.fromCodePoint(Number(decimal))
        : (entities[name] ?? whole),
  )
}
