import { readFileSync } from 'node:fs'
import type { HubSession } from './hub-session.ts'
import { Fault, faultCode, type Struct, type Value } from './wire-value.ts'

interface ApiEntry {
  /** Python's name of it, which argument faults quote. */
  function: string
  /** From which version on it has which signature; null: gone. */
  signatures: [string, string | null][]
}

const api = JSON.parse(
  readFileSync(new URL('../fixtures/world/api.json', import.meta.url), 'utf8'),
) as Record<string, ApiEntry>

/** Orders Koji's versions: 1.21 … 1.35, HEAD as 1.36. */
export function versionNumber(version: string): number {
  return version === 'HEAD' ? 1.36 : Number(version.split('.').slice(0, 2).join('.'))
}

/** One parameter of a method; without a default it is required. */
interface Parameter {
  name: string
  fallback?: Value
}

/** The signature that a method has in that version, or null when the hub does not know it. */
export function signature(
  method: string,
  version: number,
): { function: string; params: Parameter[]; open: boolean } | null {
  const entry = Object.hasOwn(api, method) ? api[method] : undefined
  const text = entry?.signatures.filter(([from]) => versionNumber(from) <= version).at(-1)?.[1]
  if (!entry || text === undefined || text === null) return null
  const parts = text.slice(1, -1).split(/,\s*/).filter(Boolean)
  const params = parts.filter((part) => !part.startsWith('*')).map(parameter)
  return { function: entry.function, params, open: parts.some((part) => part.startsWith('**')) }
}

function parameter(part: string): Parameter {
  const [name = '', text] = part.split('=')
  if (text === undefined) return { name }
  const words: Record<string, Value> = { None: null, True: true, False: false, "koji.USERTYPES['NORMAL']": 0 }
  return {
    name,
    fallback: Object.hasOwn(words, text)
      ? (words[text] as Value)
      : /^-?\d+$/.test(text)
        ? Number(text)
        : text.slice(1, -1),
  }
}

/** Arguments by name, as Python binds them; a call that does not fit is a ParameterError (koji.util.call_with_argcheck). */
export function bindArguments(hub: HubSession, method: string, given: Value[]): Struct {
  const known = signature(method, hub.version)
  if (!known) throw new Fault(faultCode.generic, `Invalid method: ${method}`)
  const { positional, named } = splitKeywords(given)
  const bad = (text: string) => new Fault(faultCode.parameter, `${known.function}() ${text}`)
  if (positional.length > known.params.length) {
    const required = known.params.filter((param) => param.fallback === undefined).length
    const range =
      required === known.params.length ? `${required}` : `from ${required} to ${known.params.length}`
    throw bad(`takes ${range} positional arguments but ${positional.length} were given`)
  }
  const bound: Struct = {}
  known.params.forEach((param, index) => {
    if (index < positional.length) bound[param.name] = positional[index] as Value
  })
  for (const [name, value] of Object.entries(named)) {
    if (Object.hasOwn(bound, name)) throw bad(`got multiple values for argument '${name}'`)
    if (!known.open && !known.params.some((param) => param.name === name)) {
      throw bad(`got an unexpected keyword argument '${name}'`)
    }
    bound[name] = value
  }
  const missing = known.params.filter(
    (param) => !Object.hasOwn(bound, param.name) && param.fallback === undefined,
  )
  if (missing.length > 0) {
    const names = missing.map((param) => `'${param.name}'`)
    const list = names.length === 1 ? names[0] : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
    throw bad(
      `missing ${missing.length} required positional argument${missing.length > 1 ? 's' : ''}: ${list}`,
    )
  }
  for (const param of known.params)
    if (!Object.hasOwn(bound, param.name)) bound[param.name] = param.fallback as Value
  return bound
}

/** Keywords travel in a last struct that says `__starstar` (koji.decode_args). */
function splitKeywords(given: Value[]): { positional: Value[]; named: Struct } {
  const last = given.at(-1)
  if (typeof last === 'object' && last !== null && !Array.isArray(last) && (last as Struct).__starstar) {
    const { __starstar: _, ...named } = last as Struct
    return { positional: given.slice(0, -1), named }
  }
  return { positional: given, named: {} }
}

/** _listapi: name, arguments and signature of each method; documentation texts are left out. */
export function listApi(version: number): Value {
  return Object.keys(api).flatMap((name) => {
    const known = signature(name, version)
    if (!known) return []
    const args = known.params.map(
      (param): Value => (param.fallback === undefined ? param.name : [param.name, param.fallback]),
    )
    const defaults = known.params.flatMap((param) => (param.fallback === undefined ? [] : [param.fallback]))
    const names = known.params.map((param) => param.name)
    const rest = known.open ? 'kwargs' : null
    const argspec: Value = [names, null, rest, defaults.length > 0 ? defaults : null, [], null, {}]
    const text = api[name]?.signatures.filter(([from]) => versionNumber(from) <= version).at(-1)?.[1] ?? ''
    return [{ name, doc: null, argspec, argdesc: text, args }]
  })
}
