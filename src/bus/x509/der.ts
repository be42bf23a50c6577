/** One element of DER, as views on the bytes that it was read from. */
export interface Der {
  /** Class, form and number together: 0x30 a sequence, 0xa0 the first tagged member. */
  readonly tag: number
  /** All of it, with tag and length: what a signature is over. */
  readonly bytes: Buffer
  readonly content: Buffer
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** These bytes are not what they should be. Never leaves the reading of one certificate or list. */
export class DerError extends Error {
  override name = 'DerError'
}

/** The one element that these bytes are. Throws DerError. */
export function readDer(bytes: Buffer, tag?: number): Der {
  const der = readAt(bytes, 0)
  if (der.bytes.length !== bytes.length) throw new DerError('bytes after the end')
  if (tag !== undefined && der.tag !== tag) throw new DerError(`tag ${der.tag}, not ${tag}`)
  return der
}

/** The element that these bytes begin with. Throws DerError. */
export function firstDer(bytes: Buffer): Der {
  return readAt(bytes, 0)
}

/** The elements that a constructed one holds, in order. Throws DerError. */
export function membersOf(der: Der): Der[] {
  if ((der.tag & 0x20) === 0) throw new DerError(`tag ${der.tag} is not constructed`)
  const members: Der[] = []
  for (let at = 0; at < der.content.length; ) {
    const member = readAt(der.content, at)
    members.push(member)
    at += member.bytes.length
  }
  return members
}

/** Takes members from the front, each of the kind that it should be. */
export class DerReader {
  readonly #members: readonly Der[]
  #at = 0

  constructor(der: Der, tag: number = TAG.sequence) {
    if (der.tag !== tag) throw new DerError(`tag ${der.tag}, not ${tag}`)
    this.#members = membersOf(der)
  }

  /** Throws DerError. */
  take(...tags: readonly number[]): Der {
    const member = this.takeIf(...tags)
    if (member === null) throw new DerError(`tag ${tags.join(' or ')} is missing`)
    return member
  }

  takeIf(...tags: readonly number[]): Der | null {
    const member = this.#members[this.#at]
    if (member === undefined || (tags.length > 0 && !tags.includes(member.tag))) return null
    this.#at += 1
    return member
  }

  end(): void {
    if (this.#at !== this.#members.length) throw new DerError('a member too much')
  }
}

/** Definite lengths in their shortest form and one-byte tags only: DER has no others here. */
function readAt(bytes: Buffer, at: number): Der {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined) throw new DerError('cut off')
  if ((tag & 0x1f) === 0x1f) throw new DerError('a long tag')
  let start = at + 2
  let length = first
  if (first > 0x7f) {
    const size = first & 0x7f
    if (size === 0 || size > 4 || start + size > bytes.length) throw new DerError('no length')
    length = bytes.readUIntBE(start, size)
    start += size
    if (length < 0x80 || length < 2 ** (8 * (size - 1)))
      throw new DerError('a length that is not the shortest')
  }
  const end = start + length
  if (end > bytes.length) throw new DerError('cut off')
  return { tag, bytes: bytes.subarray(at, end), content: bytes.subarray(start, end) }
}

/** `2.5.4.3` */
export function oidOf(der: Der): string {
  if (der.tag !== TAG.oid || der.content.length === 0) throw new DerError('no object identifier')
  const parts: number[] = []
  let value = 0
  for (const byte of der.content) {
    value = value * 128 + (byte & 0x7f)
    if (value > Number.MAX_SAFE_INTEGER / 128) throw new DerError('an object identifier too large')
    if (byte > 0x7f) continue
    if (parts.length === 0)
      parts.push(Math.min(2, Math.floor(value / 40)), value - 40 * Math.min(2, Math.floor(value / 40)))
    else parts.push(value)
    value = 0
  }
  if ((der.content.at(-1) as number) > 0x7f) throw new DerError('an object identifier that is cut off')
  return parts.join('.')
}

/** The bytes of an integer, big-endian, in its shortest form. Throws DerError. */
export function integerOf(der: Der): Buffer {
  const [first, second] = der.content
  const padded = second !== undefined && (first === 0 ? second < 0x80 : first === 0xff && second >= 0x80)
  if (first === undefined || padded) throw new DerError('no integer, or not the shortest')
  return der.content
}

/** The bytes of a bit string that has whole ones. */
export function bitStringOf(der: Der): Buffer {
  if (der.tag !== TAG.bitString || der.content[0] !== 0) throw new DerError('no bit string of whole bytes')
  return der.content.subarray(1)
}

/** Seconds since 1970, of the forms that X.509 has: `YYMMDDHHMMSSZ` (1950 to 2049), `YYYYMMDDHHMMSSZ`. */
export function timeOf(der: Der): number {
  const text = der.content.toString('latin1')
  const match =
    der.tag === TAG.utcTime
      ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
      : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (match === null) throw new DerError('no time')
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number)
  const whole = der.tag === TAG.utcTime ? year + (year < 50 ? 2000 : 1900) : year
  const date = new Date(0)
  date.setUTCFullYear(whole, month - 1, day)
  date.setUTCHours(hour, minute, second)
  const rolled = date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || date.getUTCHours() !== hour
  if (rolled || minute > 59 || second > 59) throw new DerError('no time')
  return date.getTime() / 1000
}
