/**
 * Values as XML-RPC carries them: integers are numbers (bigint beyond 2^53), doubles are `Double`, because a hub's
 * 1 and 1.0 are different answers. Dates are strings: Koji sends them so.
 */
export type Value = null | boolean | number | bigint | Double | string | Value[] | { [key: string]: Value }

/** A struct. */
export type Struct = { [key: string]: Value }

/** A floating point number of the wire. */
export class Double {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

/** An answer that is a fault; code and text as Koji's (koji/__init__.py, class GenericError and after). */
export class Fault extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** Koji's fault codes that the simulator answers with. */
export const faultCode = {
  other: 1,
  generic: 1000,
  notAllowed: 1004,
  serverOffline: 1014,
  parameter: 1019,
} as const

/** GenericError, the most common one. */
export const generic = (message: string) => new Fault(faultCode.generic, message)

/** Python's isinstance(value, int): a bool is one. */
export function isInt(value: Value | undefined): value is number | bigint | boolean {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
}

/** A struct, not an array or a double. */
export function isStruct(value: Value | undefined): value is Struct {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Double)
}

/** Python's truth of a value. */
export function truthy(value: Value | undefined): boolean {
  if (value instanceof Double) return value.value !== 0
  if (Array.isArray(value)) return value.length > 0
  if (isStruct(value)) return Object.keys(value).length > 0
  return Boolean(value)
}

/** Python's repr(), for fault texts that quote an argument. */
export function repr(value: Value): string {
  if (value === null) return 'None'
  if (value === true) return 'True'
  if (value === false) return 'False'
  if (value instanceof Double) return Number.isInteger(value.value) ? `${value.value}.0` : String(value.value)
  if (typeof value === 'string') {
    const text = value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
    return text.includes("'") && !text.includes('"') ? `"${text}"` : `'${text.replaceAll("'", "\\'")}'`
  }
  if (Array.isArray(value)) return `[${value.map(repr).join(', ')}]`
  if (typeof value === 'object') {
    return `{${Object.entries(value)
      .map(([key, item]) => `${repr(key)}: ${repr(item)}`)
      .join(', ')}}`
  }
  return String(value)
}

/** Python's str(). */
export const str = (value: Value): string => (typeof value === 'string' ? value : repr(value))

/** Python's str(type(value)). */
export function typeName(value: Value): string {
  const name =
    value === null
      ? 'NoneType'
      : typeof value === 'boolean'
        ? 'bool'
        : isInt(value)
          ? 'int'
          : typeof value === 'string'
            ? 'str'
            : value instanceof Double
              ? 'float'
              : Array.isArray(value)
                ? 'list'
                : 'dict'
  return `<class '${name}'>`
}
