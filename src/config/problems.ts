import type { z } from 'zod'
import { ConfigError } from '../errors.ts'
import { suggest } from './suggest.ts'

/** One thing that is wrong with the configuration. */
export interface Problem {
  /** `prod.hub`, `placement[2].mode`; empty: the file as a whole */
  readonly path: string
  /** The end of a sentence that starts with the path. Never holds the value of a secret. */
  readonly message: string
}

/** The error that stops everything, with every problem in it. */
export function configError(source: string, problems: readonly Problem[]): ConfigError {
  const sorted = [...problems].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  const lines = sorted.map(
    (problem) => `  ${problem.path === '' ? '' : `${problem.path}: `}${problem.message}`,
  )
  const count = sorted.length === 1 ? '1 problem' : `${sorted.length} problems`
  return new ConfigError('CONFIG_INVALID', [`${source}: ${count}`, ...lines].join('\n'), {
    detail: { source, problems: sorted },
  })
}

/** zod's path as people write it. Keys that are no plain words stay quoted. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else {
      const name = /^[A-Za-z0-9_-]+$/.test(String(part)) ? String(part) : JSON.stringify(part)
      text += text === '' ? name : `.${name}`
    }
  }
  return text
}

/** What zod found, in our words. `known` gives the names that a table has, by its path without indexes. */
export function problemsOf(
  issues: readonly z.core.$ZodIssue[],
  input: unknown,
  known: (path: readonly PropertyKey[]) => readonly string[],
  moved: (name: string) => string | null,
): Problem[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => {
        const better = suggest(key, known(issue.path)) ?? moved(key)
        const hint = better === null ? '' : `; did you mean ${better}?`
        return { path: formatPath([...issue.path, key]), message: `there is no such setting${hint}` }
      })
    }
    return [{ path: formatPath(issue.path), message: messageOf(issue, valueAt(input, issue.path)) }]
  })
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a text in quotes',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list [ ... ]',
  object: 'a table',
  record: 'a table',
}

function messageOf(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      if (value === undefined) return 'is missing'
      return `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}, not ${kindOf(value)}`
    case 'invalid_value':
      if (value === undefined) return 'is missing'
      return `must be one of ${issue.values.map((one) => JSON.stringify(one)).join(', ')}, not ${shown(value)}`
    case 'too_small':
      if (issue.origin === 'array') return 'must not be an empty list'
      return `must be at least ${issue.minimum}, not ${shown(value)}`
    case 'too_big':
      return `must be at most ${issue.maximum}, not ${shown(value)}`
    case 'invalid_key':
      return `has a name that cannot be: ${issue.issues[0]?.message ?? 'it'}`
    default:
      return issue.message
  }
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = (value as Record<PropertyKey, unknown>)[part]
  }
  return value
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Date) return 'a date'
  if (typeof value === 'object') return 'a table'
  if (typeof value === 'string') return 'a text'
  return String(value)
}

// Only numbers and choices come here, which are no secrets; long ones are cut all the same.
function shown(value: unknown): string {
  const text = typeof value === 'object' ? kindOf(value) : (JSON.stringify(value) ?? String(value))
  return text.length > 60 ? `${text.slice(0, 60)}...` : text
}
