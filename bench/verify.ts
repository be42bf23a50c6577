import { constants, type KeyObject, verify, X509Certificate } from 'node:crypto'
import { decodePythonBase64 } from '../src/bus/signature/python-base64.ts'
import { readBusMessage, signedText } from '../src/bus/signature/signed-message.ts'
import type { Verifier } from '../src/bus/signature/verifier.ts'
import { CONFIGS, VECTORS, verifierOf } from '../test/bus/signed.ts'
import { type Result, result } from './results.ts'
import { quantile } from './statistics.ts'

const ROUNDS = 200
/** The first rounds read CA, list and certificates. */
const WARM_UP = 5
/** What a message may cost on one core. */
const ALLOWED_MS = 1

/**
 * Milliseconds to verify one of Koji's messages when its sender's certificate is known, beside the bare RSA check of the same
 * bytes. The messages are those of every era of Koji's plugin, some 3 kB each.
 */
export async function measureVerify(): Promise<Result[]> {
  const config = CONFIGS.default
  if (config === undefined) throw new Error('no configuration')
  const verifier = verifierOf(config)
  const samples = VECTORS.filter(({ name, expect }) => name.startsWith('koji-') && expect === 'valid').map(
    (vector) => sampleOf(vector.wire_topic, Buffer.from(vector.wire_body)),
  )
  const ours: number[] = []
  const bare: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const sample of samples) {
      const begunMs = performance.now()
      await verifyOne(verifier, sample)
      const verifiedMs = performance.now()
      verifyBare(sample)
      if (round < WARM_UP) continue
      ours.push(verifiedMs - begunMs)
      bare.push(performance.now() - verifiedMs)
    }
  }
  const value = quantile(ours, 0.5)
  return [
    result('verifying a message, of what it may cost', 'ms', { value, floor: ALLOWED_MS, goal: 1 }),
    result('verifying a message, beside the bare RSA check', 'ms', {
      value,
      floor: quantile(bare, 0.5),
      goal: 5,
    }),
  ]
}

interface Sample {
  readonly topic: string
  readonly body: Buffer
  readonly signed: Buffer
  readonly signature: Buffer
  readonly key: KeyObject
}

function sampleOf(topic: string, body: Buffer): Sample {
  const message = readBusMessage(topic, body)
  const { signature, certificate } = message.members as { signature: string; certificate: string }
  return {
    topic,
    body,
    signed: Buffer.from(signedText(message), 'latin1'),
    signature: bytesOf(signature),
    key: new X509Certificate(bytesOf(certificate)).publicKey,
  }
}

function bytesOf(base64: string): Buffer {
  const bytes = decodePythonBase64(base64)
  if (bytes === null) throw new Error('no base64')
  return bytes
}

async function verifyOne(verifier: Verifier, { topic, body }: Sample): Promise<void> {
  const reason = await verifier.verify(topic, body)
  if (reason !== null) throw new Error(reason)
}

function verifyBare({ signed, signature, key }: Sample): void {
  const padded = { key, padding: constants.RSA_PKCS1_PADDING }
  if (!verify('sha1', signed, padded, signature)) throw new Error('verified wrong')
}
