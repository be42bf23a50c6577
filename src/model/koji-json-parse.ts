import { SyncError } from '../errors.ts'
import { Double, type Value } from './value.ts'

/** Nesting that is deeper than this is refused; Python's own limit is near 1,000. */
const MAX_DEPTH = 500

/** Python's own limit since 3.11 (`sys.int_info`); reading a long number takes time that grows with its square. */
const MAX_INT_DIGITS = 4300

const SPACE = /[ \t\n\r]*/y
const NUMBER = /(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?/y
const WORD = /-?[A-Za-z]+/y

const WORDS: ReadonlyMap<string, () => Value> = new Map<string, () => Value>([
  ['null', () => null],
  ['true', () => true],
  ['false', () => false],
  ['NaN', () => new Double(Number.NaN)],
  ['Infinity', () => new Double(Number.POSITIVE_INFINITY)],
  ['-Infinity', () => new Double(Number.NEGATIVE_INFINITY)],
])

/** A JSON column's text as Python's `json.loads` reads it. Throws JSON_INVALID with the position. */
export function parseKojiJson(text: string): Value {
  const cursor = new Cursor(text)
  const value = readValue(cursor, 0)
  cursor.take(SPACE)
  if (!cursor.atEnd()) throw cursor.invalid('end')
  return value
}

class Cursor {
  readonly #text: string
  #position = 0

  constructor(text: string) {
    this.#text = text
  }

  /** What `pattern` (sticky) matches here, and moves past it; null for no match. */
  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#position
    const match = pattern.exec(this.#text)
    if (match !== null) this.#position = pattern.lastIndex
    return match
  }

  /** The string that starts here, and moves past it; null if none does. */
  takeString(): string | null {
    if (this.#text[this.#position] !== '"') return null
    let end = this.#position
    // A quote ends the string if an even number of backslashes stands before it. No expression: they recurse.
    let backslashes = 0
    do {
      end = this.#text.indexOf('"', end + 1)
      if (end === -1) throw this.invalid('the end of a string')
      backslashes = 0
      while (this.#text[end - 1 - backslashes] === '\\') backslashes += 1
    } while (backslashes % 2 === 1)
    try {
      const value: string = JSON.parse(this.#text.slice(this.#position, end + 1))
      this.#position = end + 1
      return value
    } catch {
      throw this.invalid('a string')
    }
  }

  /** Moves past white space and `mark`, if that is next. */
  skip(mark: string): boolean {
    this.take(SPACE)
    const found = this.#text.startsWith(mark, this.#position)
    if (found) this.#position += mark.length
    return found
  }

  atEnd(): boolean {
    return this.#position === this.#text.length
  }

  invalid(wanted: string): SyncError {
    const detail = { position: this.#position, wanted }
    return new SyncError('JSON_INVALID', `not JSON: ${wanted} expected at character ${this.#position}`, {
      detail,
    })
  }
}

function readValue(cursor: Cursor, depth: number): Value {
  if (depth > MAX_DEPTH) throw cursor.invalid(`nesting of at most ${MAX_DEPTH}`)
  if (cursor.skip('{')) return readStruct(cursor, depth)
  if (cursor.skip('[')) return readArray(cursor, depth)
  const string = cursor.takeString()
  if (string !== null) return string
  const number = cursor.take(NUMBER)
  if (number !== null) return numberOf(cursor, number)
  const word = WORDS.get(cursor.take(WORD)?.[0] ?? '')
  if (word === undefined) throw cursor.invalid('a value')
  return word()
}

function numberOf(cursor: Cursor, [token, int = '', fraction, exponent]: RegExpExecArray): Value {
  if (fraction !== undefined || exponent !== undefined) return new Double(Number(token))
  const value = Number(int)
  if (Number.isSafeInteger(value)) return value === 0 ? 0 : value
  if (int.length - (int.startsWith('-') ? 1 : 0) > MAX_INT_DIGITS) {
    throw cursor.invalid(`an int of at most ${MAX_INT_DIGITS} digits before here`)
  }
  return BigInt(int)
}

function readArray(cursor: Cursor, depth: number): Value {
  const items: Value[] = []
  if (cursor.skip(']')) return items
  do items.push(readValue(cursor, depth + 1))
  while (cursor.skip(','))
  if (!cursor.skip(']')) throw cursor.invalid('"," or "]"')
  return items
}

function readStruct(cursor: Cursor, depth: number): Value {
  const members: { [name: string]: Value } = Object.create(null)
  if (cursor.skip('}')) return members
  do {
    cursor.take(SPACE)
    const name = cursor.takeString()
    if (name === null || !cursor.skip(':')) throw cursor.invalid('a name and ":"')
    members[name] = readValue(cursor, depth + 1)
  } while (cursor.skip(','))
  if (!cursor.skip('}')) throw cursor.invalid('"," or "}"')
  return members
}
