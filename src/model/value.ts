/**
 * A value as the hub sends it, with nothing lost: an XML-RPC int and a double stay different (Koji's `extra`
 * is JSON, where `1` and `1.0` differ), and an i8 beyond 2^53 is a bigint.
 *
 * Structs have no prototype, so that a member named `__proto__` is only a member.
 */
export type Value = null | boolean | number | bigint | string | Double | readonly Value[] | Struct

export interface Struct {
  readonly [member: string]: Value
}

/** An XML-RPC double, also when it is integral. `number` in a `Value` is always an int. */
export class Double {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

export function isStruct(value: Value | undefined): value is Struct {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Double)
}
