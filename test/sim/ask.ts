import { decodeResponse } from './wire-decode.ts'
import { encodeCall } from './wire-encode.ts'
import type { Struct, Value } from './wire-value.ts'

/** Calls a hub method and reads the answer; a fault is thrown as `Fault`, anything that is no answer as `Error`. */
export async function ask(url: string, method: string, ...params: Value[]): Promise<Value> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'text/xml' },
    body: encodeCall(method, params),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method}: HTTP ${response.status} ${text.slice(0, 200)}`)
  return decodeResponse(text)
}

/** Keyword arguments as the last parameter. */
export function keywords(named: Struct): Struct {
  return { ...named, __starstar: true }
}
