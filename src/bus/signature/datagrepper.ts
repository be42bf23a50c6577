import { Double, type Struct, type Value } from '../../model/value.ts'
import { Refused } from './refused.ts'

/**
 * A message as it was before datagrepper, as far as that can be told (fedmsg/crypto/utils.py `fix_datagrepper_message`): only
 * where both of datagrepper's members are there, they go, headers that are empty go, and the timestamp becomes an int.
 * Throws Refused `fix-up` for a timestamp that Python's `int` raises on.
 */
export function undoDatagrepper(message: Struct): Struct {
  if (!('source_name' in message && 'source_version' in message)) return message
  const fixed: { [name: string]: Value } = Object.assign(Object.create(null), message)
  delete fixed.source_name
  delete fixed.source_version
  if (fixed.headers !== undefined && isFalsy(fixed.headers)) delete fixed.headers
  if (fixed.timestamp !== undefined) fixed.timestamp = toInt(fixed.timestamp)
  return fixed
}

/** As Python sees it: also of empty texts, lists and structs. NaN is true. */
function isFalsy(value: Value): boolean {
  if (value === null) return true
  if (value instanceof Double) return value.value === 0
  if (typeof value === 'object') return Object.keys(value).length === 0
  return typeof value === 'bigint' ? value === 0n : value === 0 || value === false || value === ''
}

/** Python's `int(value)`: cuts off what is behind the point; of texts those that are whole numbers. */
function toInt(value: Value): number | bigint {
  if (typeof value === 'number' || typeof value === 'bigint') return value
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value instanceof Double && Number.isFinite(value.value)) return exact(BigInt(Math.trunc(value.value)))
  // Python takes the digits of other scripts too; nobody's clock wrote them.
  if (typeof value === 'string') {
    const digits = /^\s*([-+]?)([0-9]+(?:_[0-9]+)*)\s*$/.exec(value)
    const text = digits?.[2]?.replaceAll('_', '') ?? ''
    if (digits !== null && text.length <= 4300) return exact(BigInt(text) * (digits[1] === '-' ? -1n : 1n))
  }
  throw new Refused('fix-up')
}

function exact(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
