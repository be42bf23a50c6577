import { readdirSync, readFileSync } from 'node:fs'
import { decodeCall, decodeResponse } from '../wire-decode.ts'
import { Fault, type Struct, type Value } from '../wire-value.ts'

/** A captured request of a real hub 1.35.3 with its answer. */
export interface WirePair {
  /** E.g. 021-listTagged. */
  name: string
  request: string
  method: string
  /** Positional arguments, and the named ones apart. */
  params: Value[]
  named: Struct
  /** The answer; a fault as a struct with faultCode and faultString. */
  answer: Value
}

const folder = new URL('../../fixtures/wire/', import.meta.url)

/** All captured pairs, in order. */
export function readPairs(): WirePair[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.req.xml'))
    .sort()
    .map((file) => {
      const request = readFileSync(new URL(file, folder), 'utf8')
      const response = readFileSync(new URL(file.replace('.req.', '.resp.'), folder), 'utf8')
      const call = decodeCall(request)
      const last = call.params.at(-1) as Struct | undefined
      const hasNames = typeof last === 'object' && last !== null && '__starstar' in last
      return {
        name: file.replace('.req.xml', ''),
        request,
        method: call.method,
        params: hasNames ? call.params.slice(0, -1) : call.params,
        named: hasNames ? (last as Struct) : {},
        answer: faultAsValue(() => decodeResponse(response)),
      }
    })
}

/** Runs it; a fault becomes a value. */
export function faultAsValue(read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    if (error instanceof Fault) return { faultCode: error.code, faultString: error.message }
    throw error
  }
}
