import { asError } from '../../errors.ts'
import { parseKojiJson } from '../../model/koji-json-parse.ts'
import { isStruct, type Struct, type Value } from '../../model/value.ts'
import { canonicalText } from './canonical.ts'
import { undoDatagrepper } from './datagrepper.ts'
import { Refused } from './refused.ts'

/** A message's members with nothing lost, and the topic that is signed with them. */
export interface SignedMessage {
  readonly topic: string
  readonly members: Struct
}

/**
 * Reads the bytes of a message off the bus. A body without a topic, or that is no object, is none: fedmsg wraps it into an
 * envelope that nobody signed (fedmsg/consumers `validate`). Throws Refused.
 */
export function readBusMessage(wireTopic: string, body: Uint8Array): SignedMessage {
  const message = readMessage(body, (members) => members)
  if (message.topic !== wireTopic) throw new Refused('topic-mismatch')
  return message
}

/** Reads an item of datagrepper's answer; it comes by no topic of its own. Throws Refused. */
export function readDatagrepperItem(body: Uint8Array): SignedMessage {
  return readMessage(body, undoDatagrepper)
}

/** What is signed: everything but the credentials of the top level, as one text of ASCII. */
export function signedText({ members }: SignedMessage): string {
  const { signature: _signature, certificate: _certificate, ...rest } = members
  return canonicalText(rest)
}

/** Any JSON as it was sent. Throws Refused `utf8`, `json`. */
export function readJson(body: Uint8Array): Value {
  return parse(decodeText(body))
}

function readMessage(body: Uint8Array, undo: (members: Struct) => Struct): SignedMessage {
  const value = readJson(body)
  if (!isStruct(value)) throw new Refused('not-an-object')
  const members = undo(value)
  // Anything but a text is unequal to every topic of the wire.
  const { topic } = members
  if (topic === undefined) throw new Refused('topic-missing')
  if (typeof topic !== 'string') throw new Refused('topic-mismatch')
  return { topic, members }
}

function parse(text: string): Value {
  try {
    return parseKojiJson(text)
  } catch (error) {
    throw new Refused('json', { cause: asError(error) })
  }
}

/** A byte order mark stays, and is then no JSON, as for Python. */
function decodeText(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch (error) {
    throw new Refused('utf8', { cause: error })
  }
}
