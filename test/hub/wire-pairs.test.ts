import { describe, expect, it } from 'vitest'
import { encodeCall } from '../../src/hub/encode.ts'
import type { Call } from '../../src/hub/hub.ts'
import type { Value } from '../../src/model/value.ts'
import { answerOfWire, decodeWire, names, read, TYPED } from './typed-calls.ts'
import { readCall, readResponse } from './xml.ts'

/** The same XML but for what XML does not care about. */
function normalised(xml: string): string {
  return xml
    .replace(/<\?xml[^>]*\?>/, '')
    .replace(/>\s*\n\s*</g, '><')
    .replace(/<(\w+)><\/\1>/g, '<$1/>')
    .trim()
}

describe('every captured pair of a real hub', () => {
  it('is there', () => expect(names.length).toBe(128))

  it.each(names)('%s: the request is written as Koji writes it, byte for byte', (name) => {
    const request = read(`${name}.req.xml`)
    const { method, params } = readCall(request)
    expect(normalised(encodeCall(method, params).toString('utf8'))).toBe(normalised(request))
  })

  it.each(names)('%s: the answer is what an independent reader sees', (name) => {
    const answer = decodeWire(name)
    const { value, fault } = readResponse(read(`${name}.resp.xml`))
    if (answer.kind === 'value') expect(answer.value).toStrictEqual(value)
    else
      expect({ faultCode: answer.faultCode, faultString: answer.faultString }).toEqual({
        ...(fault as object),
      })
  })
})

describe('the typed calls read the captured answers', () => {
  const cases = TYPED.flatMap(([call, ...numbers]) =>
    numbers.map((number) => [`${call.method} ${number}`, call, number] as const),
  )

  it.each(cases)('%s', (_, call, number) => {
    expect(call.decode(answerOfWire(number))).toBeDefined()
  })

  /** The path of every member of the first element, to be spoilt one by one. */
  it.each(cases)('%s: no member may be of another type', (_, call, number) => {
    const answer = answerOfWire(number)
    const sample = structuredCloneOf(Array.isArray(answer) ? answer[0] : answer)
    if (sample === null || typeof sample !== 'object' || Array.isArray(sample)) return
    const wrap = (value: Value) => (Array.isArray(answer) ? [value, ...answer.slice(1)] : value)
    const read = readMembers(call, wrap(sample))
    for (const member of read) {
      const spoilt = wrap({ ...(sample as object), [member]: { neither: ['this', 'nor', 'that'] } } as Value)
      if (JSON_MEMBERS.has(member)) expect(() => call.decode(spoilt)).not.toThrow()
      else
        expect(() => call.decode(spoilt)).toThrowError(
          expect.objectContaining({ code: 'HUB_ANSWER_INVALID', message: expect.stringContaining(member) }),
        )
    }
  })
})

/** Members that may hold any JSON. */
const JSON_MEMBERS = new Set(['rpm', 'remote-sources', 'image'])

function structuredCloneOf(value: Value | undefined): Value {
  return value === undefined ? null : value
}

/** Which members of the first record a call looks at. */
function readMembers(call: Call<unknown>, answer: Value): Set<string> {
  const seen = new Set<string>()
  const watched = (struct: object) =>
    new Proxy(struct, {
      get: (target, name) => {
        if (typeof name === 'string') seen.add(name)
        return Reflect.get(target, name)
      },
    })
  const first = Array.isArray(answer) ? [watched(answer[0]), ...answer.slice(1)] : watched(answer as object)
  call.decode(first as Value)
  // Data whose names are not members, times that have a twin, and `extra`, which may be anything.
  for (const name of ['extra', 'creation_time', 'start_time', 'completion_time', 'promotion_time'])
    seen.delete(name)
  return seen
}
