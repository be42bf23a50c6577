import { KeyError } from '../errors.ts'
import type { Value } from '../model/value.ts'
import { assertAllowed } from './allowed.ts'
import { maxEncodedBytes } from './encode.ts'
import type { Call } from './hub.ts'
import type { HubApi } from './hub-api.ts'

/** A call as this hub understands it. */
export interface Ask<T> {
  readonly kind: 'ask'
  readonly method: string
  /** Positional arguments, then the keywords as the hub wants them. */
  readonly params: readonly Value[]
  /** At most, as part of a multiCall. */
  readonly bytes: number
  decode(answer: Value): T
}

/** A call that needs no asking: what an older hub means by lacking it. */
export interface Known<T> {
  readonly kind: 'known'
  readonly answer: T
}

/**
 * A call, checked and adapted to the hub. Throws HUB_CALL_REFUSED for what is not on the read-only list, and
 * HUB_UNSUPPORTED where the hub lacks the method, or an argument without which the question would be another.
 */
export function adaptCall<T>(call: Call<T>, api: HubApi): Ask<T> | Known<T> {
  const kwargs: { [name: string]: Value } = {}
  for (const [name, value] of Object.entries(call.kwargs)) if (value !== undefined) kwargs[name] = value
  assertAllowed(call.method, call.args, kwargs)
  if (!api.has(call.method)) return unsupported(call, `method ${call.method}`)
  for (const name of Object.keys(kwargs)) {
    if (api.takes(call.method, name)) continue
    const instead = call.lacking?.[name]
    if (instead === undefined) return unsupported(call, `argument ${name} of ${call.method}`)
    if (instead !== 'drop') return adaptCall(instead, api)
    delete kwargs[name]
  }
  // The dropped ones must not have been what made it harmless.
  assertAllowed(call.method, call.args, kwargs)
  return askOf(call, kwargs)
}

function askOf<T>(call: Call<T>, kwargs: { readonly [name: string]: Value }): Ask<T> {
  const named = Object.keys(kwargs).length > 0
  // koji/__init__.py `encode_args`
  const params = named ? [...call.args, { __starstar: true, ...kwargs }] : call.args
  const bytes = maxEncodedBytes([{ methodName: call.method, params }])
  return { kind: 'ask', method: call.method, params, bytes, decode: (answer) => call.decode(answer) }
}

function unsupported<T>(call: Call<T>, what: string): Known<T> {
  if (call.unsupported !== undefined) return { kind: 'known', answer: call.unsupported() }
  throw new KeyError('HUB_UNSUPPORTED', `prod's hub is too old: it has no ${what}`, {
    detail: { method: call.method },
  })
}
