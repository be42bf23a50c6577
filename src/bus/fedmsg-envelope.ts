import { z } from 'zod'
import { anyObject, maybe, reasonOf } from './fields.ts'
import type { BusMessage } from './source.ts'

export type Opened =
  | { readonly message: BusMessage }
  | { readonly topic: string | null; readonly reason: string }

export interface EnvelopeOptions {
  /** Both frames together; more is refused. */
  readonly maxMessageBytes: number
  readonly receivedAtMs: number
}

/** The year 5138: beyond it a timestamp is no time, and no lag can be told from it. */
const MAX_TIMESTAMP_SECONDS = 1e11

/**
 * The envelope that fedmsg puts around a body (fedmsg/core.py `publish`, fedmsg/crypto `sign`). `msg_id` is absent
 * before 0.7, `crypto` before 0.7.2; `timestamp` is a float before 0.7.2. Members that are not named here are let through:
 * what they do to a signature is for the verifier.
 */
const envelopeSchema = z.object({
  topic: z.string(),
  msg: anyObject,
  msg_id: maybe(z.string().min(1).max(255)),
  timestamp: maybe(z.number().min(0).max(MAX_TIMESTAMP_SECONDS)),
  i: maybe(z.int()),
  username: maybe(z.string()),
  crypto: maybe(z.string()),
  certificate: maybe(z.string()),
  signature: maybe(z.string()),
})

/**
 * Frames off the wire to a message, or the reason why they are none: `frames`, `size`, `topic-utf8`, `body-utf8`,
 * `json`, `not-an-object`, `field:NAME`, `topic-mismatch`. Never throws.
 */
export function openEnvelope(frames: readonly Uint8Array[], options: EnvelopeOptions): Opened {
  const [topicFrame, bodyFrame] = frames
  if (frames.length !== 2 || topicFrame === undefined || bodyFrame === undefined) {
    return { topic: null, reason: 'frames' }
  }
  if (topicFrame.byteLength > options.maxMessageBytes) return { topic: null, reason: 'size' }
  const topic = decodeText(topicFrame)
  if (topic === null) return { topic: null, reason: 'topic-utf8' }
  if (topicFrame.byteLength + bodyFrame.byteLength > options.maxMessageBytes) return { topic, reason: 'size' }
  const text = decodeText(bodyFrame)
  if (text === null) return { topic, reason: 'body-utf8' }
  return openText(topic, text, bodyFrame, options.receivedAtMs)
}

function openText(topic: string, text: string, wire: Uint8Array, receivedAtMs: number): Opened {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return { topic, reason: 'json' }
  }
  if (!anyObject.safeParse(json).success) return { topic, reason: 'not-an-object' }
  const envelope = envelopeSchema.safeParse(json)
  if (!envelope.success) return { topic, reason: reasonOf(envelope.error) }
  const { msg, msg_id: id, timestamp } = envelope.data
  // fedmsg's consumers demand it too (fedmsg/consumers/__init__.py): only the topic inside is signed.
  if (envelope.data.topic !== topic) return { topic, reason: 'topic-mismatch' }
  const sentAtMs = timestamp === undefined || timestamp === null ? null : Math.round(timestamp * 1000)
  return { message: { id: id ?? null, topic, body: msg, receivedAtMs, sentAtMs, wire } }
}

/** null for what is not UTF-8. A byte order mark stays, and is then no JSON, as for Python's `json.loads`. */
function decodeText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}
