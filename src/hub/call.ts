import type { Value } from '../model/value.ts'
import type { Call } from './hub.ts'
import { answerOf, type Reader } from './shape.ts'

/** Koji's QueryProcessor options. `order` names aliases, comma-separated, `-` for descending; a page needs one. */
export interface QueryOpts {
  readonly order?: string
  readonly limit?: number
  readonly offset?: number
}

/** The call of `method`; see `Call` for the arguments. */
export function callOf<T>(
  method: string,
  args: readonly Value[],
  kwargs: { readonly [name: string]: Value | undefined },
  reader: Reader<T>,
  older: Pick<Call<T>, 'lacking' | 'unsupported'> = {},
): Call<T> {
  return { method, args, kwargs, ...older, decode: (answer) => answerOf(method, reader, answer) }
}

/** `queryOpts` as the hub takes it; undefined for none. */
export function queryOptsOf(
  opts: QueryOpts | undefined,
  more: { readonly countOnly?: true } = {},
): Value | undefined {
  const given = Object.entries({ ...opts, ...more }).filter(([, value]) => value !== undefined)
  return given.length === 0 ? undefined : Object.fromEntries(given)
}
