import { SyncError } from '../errors.ts'
import type { Check } from '../model/operations.ts'

/* The three outcomes of a check of `doctor`. */

export function ok(name: string, message: string): Check {
  return { name, status: 'ok', message, todo: null }
}

export function warn(name: string, message: string, todo: string): Check {
  return { name, status: 'warn', message, todo }
}

/** `what`: what was found, or what was thrown while looking. */
export function fail(name: string, what: Error | string, todo: string): Check {
  if (typeof what === 'string') return { name, status: 'fail', message: what, todo }
  const code = what instanceof SyncError ? `${what.code}: ` : ''
  return { name, status: 'fail', message: `${code}${what.message}`, todo }
}
