import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readBusMessage, signedText } from '../../src/bus/signature/signed-message.ts'
import { VERIFY_REASONS } from '../../src/model/verify-reasons.ts'
import { CONFIGS, VECTORS, type Vector, verifierOf } from './signed.ts'

/** Of bytes, and 0.43 of members for each. By hand: FUZZ_RUNS=1000000. fast-check prints the seed of a run that fails. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 7_000)

const config = CONFIGS.default
if (config === undefined) throw new Error('no configuration')
const verifier = verifierOf(config)
const seeds = VECTORS.filter(
  ({ expect: wanted, wire_body: body, config: name }) =>
    wanted === 'valid' && name === 'default' && body.length < 5_000,
).filter(({ path }) => path === 'bus')

/** Cuts a piece out and puts another in its place. */
interface Edit {
  readonly at: number
  readonly cut: number
  readonly put: Buffer
}

const put = fc.oneof(
  fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
  fc
    .constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', '\\u', '=', '-', '0', '1e999', 'NaN', 'null', '\n')
    .map((text) => Buffer.from(text)),
  fc.constantFrom('[', '{"a":', '9', '\\ud800', ' ').map((text) => Buffer.from(text.repeat(2_000))),
)
const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.nat({ max: 4 }),
  put,
})

function edited(body: Buffer, edits: readonly Edit[]): Buffer {
  return edits.reduce((bytes, { at, cut, put: piece }) => {
    const start = Math.floor(at * bytes.length)
    return Buffer.concat([bytes.subarray(0, start), piece, bytes.subarray(start + cut)])
  }, body)
}

/** What was signed may be written in many ways; anything else must not pass. */
function saysTheSame(vector: Vector, body: Buffer): boolean {
  const read = (bytes: Buffer): string => signedText(readBusMessage(vector.wire_topic, bytes))
  return read(body) === read(Buffer.from(vector.wire_body))
}

const reasons: ReadonlySet<string> = new Set(VERIFY_REASONS)

describe('whatever comes', () => {
  it('as bytes gets a verdict, and none is good that says something else', async () => {
    const message = fc.record({
      vector: fc.constantFrom(...seeds),
      edits: fc.array(edit, { minLength: 1, maxLength: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(message, async ({ vector, edits }) => {
        const body = edited(Buffer.from(vector.wire_body), edits)
        const reason = await verifier.verify(vector.wire_topic, body)
        if (reason === null) expect(saysTheSame(vector, body)).toBe(true)
        else expect(reasons).toContain(reason)
        await verifier.verifyDatagrepper(body)
      }),
      { numRuns: RUNS },
    )
  })

  it('as members of the envelope gets a verdict, and only the members that were signed are good', async () => {
    const names = [
      'i',
      'msg',
      'msg_id',
      'timestamp',
      'topic',
      'crypto',
      'certificate',
      'signature',
      'headers',
      '__proto__',
    ]
    const message = fc.record({
      vector: fc.constantFrom(...seeds),
      name: fc.constantFrom(...names),
      value: fc.oneof(fc.jsonValue(), fc.base64String(), fc.string({ unit: 'binary' })),
    })
    await fc.assert(
      fc.asyncProperty(message, async ({ vector, name, value }) => {
        // As text, for JSON.parse would lose what is signed; the last of two equal names counts.
        const text = vector.wire_body
          .trimEnd()
          .replace(/\}$/, `,${JSON.stringify(name)}:${JSON.stringify(value)}}`)
        const body = Buffer.from(text)
        const reason = await verifier.verify(vector.wire_topic, body)
        if (reason === null) expect(saysTheSame(vector, body)).toBe(true)
        else expect(reasons).toContain(reason)
      }),
      { numRuns: Math.ceil(RUNS * 0.43) },
    )
  })
})
