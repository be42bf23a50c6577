import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Opened, openEnvelope } from '../../src/bus/fedmsg-envelope.ts'
import { get, SAMPLES } from './samples.ts'

const options = { maxMessageBytes: 4 * 1024 * 1024, receivedAtMs: 42 }
const { topic, envelope } = get('TestKojiRPMSign')

function open(...frames: (string | Uint8Array)[]): Opened {
  return openEnvelope(
    frames.map((frame) => (typeof frame === 'string' ? Buffer.from(frame) : frame)),
    options,
  )
}

function changed(members: object): string {
  return JSON.stringify({ ...envelope, ...members })
}

describe('an envelope of fedmsg', () => {
  it.each(SAMPLES)('is opened for $file', (sample) => {
    const opened = open(sample.topic, JSON.stringify(sample.envelope))
    expect(opened).toMatchObject({ message: { topic: sample.topic, body: sample.body, receivedAtMs: 42 } })
  })

  it('gives the id, the time in milliseconds, and the bytes for a verifier', () => {
    const bytes = Buffer.from(JSON.stringify(envelope))
    expect(openEnvelope([Buffer.from(topic), bytes], options)).toMatchObject({
      message: { id: '2015-271fd050-3198-46f8-b0b1-4bcf6e70bdd0', sentAtMs: 1422465977000, wire: bytes },
    })
  })

  it('has neither id nor time in 2013, or a float for a time', () => {
    expect(open(topic, changed({ msg_id: undefined, timestamp: null }))).toMatchObject({
      message: { id: null, sentAtMs: null },
    })
    expect(open(topic, changed({ timestamp: 1359603469.21164 }))).toMatchObject({
      message: { sentAtMs: 1359603469212 },
    })
  })

  it('lets members through that only a verifier judges', () => {
    expect(open(topic, changed({ headers: {}, source_name: 'x', seq_id: 4 }))).toHaveProperty('message')
  })
})

describe('what is no message is named', () => {
  const json = JSON.stringify(envelope)
  it.each([
    ['no frame', [], 'frames'],
    ['one frame', [topic], 'frames'],
    ['three frames', [topic, json, json], 'frames'],
    ['no body', [topic, ''], 'json'],
    ['not JSON', [topic, 'not json'], 'json'],
    ['cut JSON', [topic, json.slice(0, -1)], 'json'],
    ['two documents', [topic, json + json], 'json'],
    ['a byte order mark', [topic, `\ufeff${json}`], 'json'],
    ['NaN, which Python writes', [topic, json.replace('1422465977', 'NaN')], 'json'],
    ['a raw NUL in a string', [topic, json.replace('apache', 'a\u0000')], 'json'],
    ['a list', [topic, '[]'], 'not-an-object'],
    ['null', [topic, 'null'], 'not-an-object'],
    ['JSON in a JSON string', [topic, JSON.stringify(json)], 'not-an-object'],
    ['a topic that is not UTF-8', [Buffer.from([0xff, 0xfe]), json], 'topic-utf8'],
    ['a body that is not UTF-8', [topic, Buffer.from([0x7b, 0xff, 0x7d])], 'body-utf8'],
    ['a body in CESU-8', [topic, Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])], 'body-utf8'],
    ['5 MB', [topic, Buffer.alloc(5_000_000, 0x20)], 'size'],
    ['a topic of 5 MB', [Buffer.alloc(5_000_000, 0x61), json], 'size'],
    ['another topic inside', [`${topic}x`, json], 'topic-mismatch'],
    ['a topic in other case', [topic.toUpperCase(), json], 'topic-mismatch'],
    ['an empty envelope', [topic, '{}'], 'field:topic'],
  ] as const)('%s', (_, frames, reason) => {
    expect(open(...frames)).toMatchObject({ reason })
  })

  it('to the byte at the limit', () => {
    const padded = json.padEnd(1000 - topic.length, ' ')
    const frames = [Buffer.from(topic), Buffer.from(padded)]
    expect(openEnvelope(frames, { ...options, maxMessageBytes: 1000 })).toHaveProperty('message')
    expect(openEnvelope(frames, { ...options, maxMessageBytes: 999 })).toEqual({ topic, reason: 'size' })
  })

  it('also for 100,000 nested lists, without an overflow', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    expect(open(topic, changed({}).replace('"msg":', `"deep":${deep},"msg":`))).toBeTypeOf('object')
    expect(open(topic, deep)).toMatchObject({ reason: expect.stringMatching(/^(json|not-an-object)$/) })
  })

  it.each([
    ['topic', [1, null, [], {}, true]],
    ['msg', ['x', 1, null, [], true]],
    ['msg_id', [1, [], {}, true, '', 'x'.repeat(256)]],
    ['timestamp', ['1', [], {}, true, -1, 1e300]],
    ['i', ['1', [], {}, true, 1.5]],
    ['username', [1, [], {}, true]],
    ['crypto', [1, [], {}, true]],
    ['certificate', [1, [], {}, true]],
    ['signature', [1, [], {}, true]],
  ] as const)('for the wrong types of %s', (member, values) => {
    for (const value of values)
      expect(open(topic, changed({ [member]: value }))).toEqual({ topic, reason: `field:${member}` })
  })

  it('and nothing is ever thrown', () => {
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.json().map((text) => Buffer.from(text)),
    )
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 3 }), (frames) => {
        const opened = openEnvelope(frames, options)
        expect('message' in opened || /^[\w:.-]+$/.test(opened.reason)).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })
})
