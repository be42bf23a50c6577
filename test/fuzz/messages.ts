import fc from 'fast-check'
import { readBusMessage, signedText } from '../../src/bus/signature/signed-message.ts'
import { VERIFY_REASONS } from '../../src/model/verify-reasons.ts'
import { CONFIGS, VECTORS, type Vector, verifierOf } from '../bus/signed.ts'
import { type Edit, edited, edits } from './edits.ts'

const config = CONFIGS.default
if (config === undefined) throw new Error('no configuration')
const verifier = verifierOf(config)
const seeds = VECTORS.filter(
  ({ expect: wanted, wire_body: body, config: name }) =>
    wanted === 'valid' && name === 'default' && body.length < 5_000,
).filter(({ path }) => path === 'bus')

/** What was signed may be written in many ways; anything else must not pass. */
function saysTheSame(vector: Vector, body: Buffer): boolean {
  const read = (bytes: Buffer): string => signedText(readBusMessage(vector.wire_topic, bytes))
  return read(body) === read(Buffer.from(vector.wire_body))
}

const reasons: ReadonlySet<string | null> = new Set(VERIFY_REASONS)

const pieces = fc.oneof(
  fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
  fc
    .constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', '\\u', '=', '-', '0', '1e999', 'NaN', 'null', '\n')
    .map((text) => Buffer.from(text)),
  fc.constantFrom('[', '{"a":', '9', '\\ud800', ' ').map((text) => Buffer.from(text.repeat(2_000))),
)

async function judge(vector: Vector, body: Buffer): Promise<void> {
  const reason = await verifier.verify(vector.wire_topic, body)
  if (reason === null && !saysTheSame(vector, body)) throw new Error('good, and says something else')
  if (reason !== null && !reasons.has(reason)) throw new Error(`${reason} is no reason`)
}

/** A signed message with bytes changed gets a verdict, and none is good that says something else. */
export const messageBytes = fc.asyncProperty(
  fc.constantFrom(...seeds),
  edits(pieces, { maxEdits: 4, maxCut: 4 }),
  async (vector: Vector, changes: readonly Edit[]) => {
    const body = edited(Buffer.from(vector.wire_body), changes)
    await judge(vector, body)
    await verifier.verifyDatagrepper(body)
  },
)

const MEMBERS = [
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

/** The same with a member of the envelope changed. */
export const messageMembers = fc.asyncProperty(
  fc.constantFrom(...seeds),
  fc.constantFrom(...MEMBERS),
  fc.oneof(fc.jsonValue(), fc.base64String(), fc.string({ unit: 'binary' })),
  async (vector: Vector, name: string, value: unknown) => {
    // As text, for JSON.parse would lose what is signed; the last of two equal names counts.
    const text = vector.wire_body
      .trimEnd()
      .replace(/\}$/, () => `,${JSON.stringify(name)}:${JSON.stringify(value)}}`)
    await judge(vector, Buffer.from(text))
  },
)
