import { KeyError } from '../errors.ts'
import { isStruct, type Value } from '../model/value.ts'
import type { Ask } from './adapt.ts'
import { encodeCall } from './encode.ts'
import { RequestFailure } from './failure.ts'
import { errorOfFault } from './fault.ts'
import type { CallAnswer } from './piece.ts'
import type { Answer } from './undecodable.ts'

/** The body for some calls: one travels alone, more as a multiCall (kojixmlrpc.py `multiCall`). */
export function encodeRequest(asks: readonly Ask<unknown>[], maxBytes: number): Buffer {
  const [only, ...others] = asks
  if (only === undefined) throw new RangeError('a request without calls')
  const body =
    others.length === 0
      ? encodeCall(only.method, only.params)
      : encodeCall('multiCall', [asks.map((ask) => ({ methodName: ask.method, params: ask.params }))])
  if (body.length <= maxBytes) return body
  throw new KeyError(
    'HUB_REQUEST_TOO_LARGE',
    `a call of ${only.method} takes ${body.length} bytes, more than the hub reads`,
    {
      detail: { method: only.method },
    },
  )
}

/** The answers of the calls, in order. Throws RequestFailure if the answer is none to all of them. */
export function answersOf(asks: readonly Ask<unknown>[], answer: Answer): readonly CallAnswer[] {
  if (asks.length === 1) return [answerOfOne(asks[0] as Ask<unknown>, answer)]
  if (answer.kind === 'fault') throw failureOfWholeFault(answer)
  const { value } = answer
  if (!Array.isArray(value) || value.length !== asks.length)
    throw notAnAnswer(`${Array.isArray(value) ? value.length : 'no'} answers to ${asks.length} calls`)
  return asks.map((ask, index) => answerOfMany(ask, value[index] as Value))
}

function answerOfOne(ask: Ask<unknown>, answer: Answer): CallAnswer {
  if (answer.kind === 'value') return { value: answer.value }
  // The whole hub's trouble is the request's failure; any other fault is that call's answer.
  const error = errorOfFault(ask.method, answer)
  if (error instanceof KeyError) return { error }
  throw failureOfWholeFault(answer)
}

function answerOfMany(ask: Ask<unknown>, item: Value): CallAnswer {
  if (Array.isArray(item) && item.length === 1) return { value: item[0] as Value }
  const code = isStruct(item) ? item.faultCode : undefined
  const text = isStruct(item) ? item.faultString : undefined
  if (typeof code !== 'number' || typeof text !== 'string')
    throw notAnAnswer(`something that is neither answer nor fault to ${ask.method}`)
  const lines = isStruct(item) && Array.isArray(item.traceback) ? item.traceback : []
  const traceback = lines.filter((line) => typeof line === 'string').join('')
  return { error: errorOfFault(ask.method, { faultCode: code, faultString: text, traceback }) }
}

function failureOfWholeFault(fault: Answer & { readonly kind: 'fault' }): RequestFailure {
  const error = errorOfFault('multiCall', fault)
  if (error instanceof KeyError) return new RequestFailure('answer', error)
  return new RequestFailure(error.code === 'HUB_RETRY' ? 'connection' : 'closed', error)
}

function notAnAnswer(what: string): RequestFailure {
  return new RequestFailure('answer', new KeyError('HUB_ANSWER_MALFORMED', `prod's hub sent ${what}`))
}
