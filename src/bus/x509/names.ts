import { type Der, DerError, DerReader, membersOf, oidOf, TAG } from './der.ts'

const COMMON_NAME = '2.5.4.3'

/** String types by their tags; the others (a bit string) are compared as bytes. */
const DECODERS: ReadonlyMap<number, (content: Buffer) => string> = new Map([
  [0x0c, (content) => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)],
  [0x12, latin],
  [0x13, latin],
  [0x14, latin],
  [0x16, latin],
  [0x1a, latin],
  [0x1c, utf32],
  [0x1e, utf16],
])

/** The first common name, in the order of the encoding; null: it has none. Throws DerError. */
export function commonNameOf(name: Der): string | null {
  for (const [oid, value] of attributesOf(name).flat()) {
    if (oid === COMMON_NAME) return textOf(value)
  }
  return null
}

/** Whether OpenSSL takes two names for the same (crypto/x509 `X509_NAME_cmp`): letters' case and spacing do not count. */
export function sameName(a: Der, b: Der): boolean {
  if (a.bytes.equals(b.bytes)) return true
  try {
    return folded(a) === folded(b)
  } catch {
    return false
  }
}

function folded(name: Der): string {
  const parts = attributesOf(name).map((set) =>
    set.map(([oid, value]) => [
      oid,
      DECODERS.has(value.tag)
        ? textOf(value)
            .replace(/[ \t\n\v\f\r]+/g, ' ')
            .replace(/^ | $/g, '')
            .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
        : value.bytes.toString('hex'),
    ]),
  )
  return JSON.stringify(parts)
}

function attributesOf(name: Der): (readonly [string, Der])[][] {
  if (name.tag !== TAG.sequence) throw new DerError('no name')
  return membersOf(name).map((set) => {
    if (set.tag !== TAG.set) throw new DerError('no name')
    return membersOf(set).map((attribute) => {
      const reader = new DerReader(attribute)
      const pair = [oidOf(reader.take(TAG.oid)), reader.take()] as const
      reader.end()
      return pair
    })
  })
}

function textOf(value: Der): string {
  const decode = DECODERS.get(value.tag)
  if (decode === undefined) throw new DerError('no text')
  try {
    return decode(value.content)
  } catch (error) {
    throw new DerError('no text', { cause: error })
  }
}

function latin(content: Buffer): string {
  return content.toString('latin1')
}

function utf16(content: Buffer): string {
  if (content.length % 2 !== 0) throw new DerError('no text')
  return Buffer.from(content).swap16().toString('utf16le')
}

function utf32(content: Buffer): string {
  if (content.length % 4 !== 0) throw new DerError('no text')
  let text = ''
  for (let at = 0; at < content.length; at += 4) text += String.fromCodePoint(content.readUInt32BE(at))
  return text
}
