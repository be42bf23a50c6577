import { InvalidArgumentError } from 'commander'
import { errorHelpOf } from '../model/error-help/all.ts'
import { type Key, parseTypedKey } from '../model/key.ts'
import { compilePattern } from '../model/pattern.ts'
import { parseSince } from './since.ts'

/* What commands take: each throws InvalidArgumentError. */

export function parseErrorCode(text: string): string {
  const code = text.toUpperCase()
  if (errorHelpOf(code) === undefined) throw new InvalidArgumentError('there is no such error code.')
  return code
}

export function parseKeyArgument(text: string): Key {
  return collectKey(text, undefined)[0] as Key
}

/** A whole number from 1 on. */
export function parseRows(text: string): number {
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('it must be a whole number from 1 on.')
}

/** Seconds, also parts of one. */
export function parseSeconds(text: string): number {
  if (/^[0-9]{1,6}(\.[0-9]{1,3})?$/.test(text)) return Number(text)
  throw new InvalidArgumentError('it must be a number of seconds.')
}

export function collectSince(text: string): number | string {
  try {
    return parseSince(text)
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

/** Names and shell patterns of tags. */
export function collectTag(value: string, earlier: readonly string[] | undefined): string[] {
  try {
    compilePattern(value)
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
  return collect(value, earlier)
}

export function collect(value: string, earlier: readonly string[] | undefined): string[] {
  return [...(earlier ?? []), value]
}

export function collectKey(text: string, earlier: readonly Key[] | undefined): Key[] {
  try {
    return [...(earlier ?? []), parseTypedKey(text)]
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}
