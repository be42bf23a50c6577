import { KeyError } from '../errors.ts'
import type { Int64 } from '../model/records.ts'
import { type Timestamp, timestampOfSeconds, timestampOfText } from '../model/time.ts'
import { Double, isStruct, type Struct, type Value } from '../model/value.ts'

/*
 * Strict readers of answers: `record({ id: member('build_id', int) })` describes a shape, `answerOf` reads an answer by
 * it. A wrong type anywhere is HUB_ANSWER_INVALID with the method and the member's path. Members that the
 * description does not name are ignored: newer hubs send more.
 */

export type Reader<T> = (value: Value | undefined) => T
/** Reads its member, or members, out of a struct. */
export type Member<T> = (struct: Struct) => T

/** What was wrong, and where; the path grows while it is thrown upwards. */
class Mismatch extends Error {
  readonly path: (string | number)[] = []
}

function mismatch(wanted: string, value: Value | undefined): Mismatch {
  return new Mismatch(`${describe(value)} instead of ${wanted}`)
}

function describe(value: Value | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'nil'
  if (Array.isArray(value)) return 'an array'
  if (value instanceof Double) return 'a double'
  if (typeof value === 'object') return 'a struct'
  return typeof value === 'number' || typeof value === 'bigint' ? 'an int' : `a ${typeof value}`
}

/** The error, which came from that place. */
function placed(error: unknown, place: string | number): unknown {
  if (error instanceof Mismatch) error.path.unshift(place)
  return error
}

function within<T>(place: string | number, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw placed(error, place)
  }
}

/** Reads a whole answer. Throws HUB_ANSWER_INVALID. */
export function answerOf<T>(method: string, reader: Reader<T>, answer: Value): T {
  try {
    return reader(answer)
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error
    const path = error.path.map((place) => (typeof place === 'number' ? `[${place}]` : `.${place}`)).join('')
    throw new KeyError(
      'HUB_ANSWER_INVALID',
      `the hub's answer to ${method} has ${error.message} at "${path}"`,
      {
        detail: { method, path },
      },
    )
  }
}

export const int: Reader<number> = (value) => {
  if (typeof value !== 'number') throw mismatch('an int', value)
  return value
}

/** One of the hub's 64-bit columns. */
export const int64: Reader<Int64> = (value) => {
  if (typeof value !== 'number' && typeof value !== 'bigint') throw mismatch('an int', value)
  return value
}

export const bool: Reader<boolean> = (value) => {
  if (typeof value !== 'boolean') throw mismatch('a boolean', value)
  return value
}

export const text: Reader<string> = (value) => {
  if (typeof value !== 'string') throw mismatch('a string', value)
  return value
}

/** A JSON column as the hub decoded it: anything. */
export const json: Reader<Value> = (value) => {
  if (value === undefined) throw mismatch('any value', value)
  return value
}

/** queryHistory's `active`: true, or nil for revoked rows; never false. */
export const active: Reader<boolean> = (value) => value !== null && bool(value)

export function oneOf<const T extends number>(...allowed: readonly T[]): Reader<T> {
  return (value) => {
    const found = allowed.find((item) => item === value)
    if (found === undefined) throw mismatch(`one of ${allowed.join(', ')}`, value)
    return found
  }
}

export function nullable<T>(reader: Reader<T>): Reader<T | null> {
  return (value) => (value === null ? null : reader(value))
}

export function list<T>(reader: Reader<T>): Reader<readonly T[]> {
  return (value) => {
    if (!Array.isArray(value)) throw mismatch('an array', value)
    const items: T[] = []
    try {
      for (const item of value) items.push(reader(item))
    } catch (error) {
      throw placed(error, items.length)
    }
    return items
  }
}

/** An array of exactly two, each of its own kind. */
export function pair<A, B>(first: Reader<A>, second: Reader<B>): Reader<readonly [A, B]> {
  return (value) => {
    if (!Array.isArray(value) || value.length !== 2) throw mismatch('an array of two', value)
    return [within(0, () => first(value[0])), within(1, () => second(value[1]))]
  }
}

/** A struct whose member names are data. */
export function map<T>(reader: Reader<T>): Reader<ReadonlyMap<string, T>> {
  return (value) => {
    if (!isStruct(value)) throw mismatch('a struct', value)
    return new Map(Object.entries(value).map(([name, item]) => [name, within(name, () => reader(item))]))
  }
}

/** Reads `name`, which must be there unless `absent` says what its absence (an older hub) means. */
export function member<T>(name: string, reader: Reader<T>, ...absent: [] | [T]): Member<T> {
  // Of large lists this is done millions of times: no function is made for it. No name here is one that objects inherit.
  return (struct) => {
    const value = struct[name]
    if (value === undefined && absent.length === 1) return absent[0]
    try {
      return reader(value)
    } catch (error) {
      throw placed(error, name)
    }
  }
}

/** Where the hub tells a time twice, `NAME_ts` (a double, exact) is preferred to `NAME_time` (a string). */
export function moment(name: string): Member<Timestamp> {
  return (struct) => {
    const seconds = struct[`${name}_ts`]
    if (seconds === undefined || seconds === null)
      return within(`${name}_time`, () => date(struct[`${name}_time`]))
    return within(`${name}_ts`, () => stamp(seconds))
  }
}

/** The same for a time that may be nil; absent is nil (members that came with newer versions). */
export function optionalMoment(name: string): Member<Timestamp | null> {
  const present = moment(name)
  return (struct) =>
    (struct[`${name}_ts`] ?? null) === null && (struct[`${name}_time`] ?? null) === null
      ? null
      : present(struct)
}

const date: Reader<Timestamp> = (value) => guarded(value, () => timestampOfText(text(value)))

/** Seconds since 1970. */
export const stamp: Reader<Timestamp> = (value) => {
  if (typeof value !== 'number' && !(value instanceof Double)) throw mismatch('a double', value)
  return guarded(value, () => timestampOfSeconds(typeof value === 'number' ? value : value.value))
}

/** The same, or nil. */
export const optionalStamp: Reader<Timestamp | null> = (value) => (value === null ? null : stamp(value))

function guarded(value: Value | undefined, read: () => Timestamp): Timestamp {
  try {
    return read()
  } catch (error) {
    throw error instanceof Mismatch ? error : mismatch('a time', value)
  }
}

/** Reads every member that `shape` names. */
export function record<T extends object>(shape: { readonly [K in keyof T]: Member<T[K]> }): Reader<T> {
  const members = Object.entries(shape) as [keyof T, Member<T[keyof T]>][]
  return (value) => {
    if (!isStruct(value)) throw mismatch('a struct', value)
    const result: Partial<T> = {}
    for (const [name, read] of members) result[name] = read(value)
    return result as T
  }
}
