import { createHash } from 'node:crypto'

/** An rpm as far as Koji looks: a lead, a signature header with SIGMD5, and what that is the md5 of. */
export interface MadeRpm {
  readonly bytes: Buffer
  readonly payloadhash: string
  /** the signature header that it came with */
  readonly header: Buffer
  /** Another header for the same rpm, as signed with a key. */
  signedWith(key: string): Buffer
  /** The rpm with another signature header in it. */
  withHeader(header: Buffer): Buffer
}

const LEAD_BYTES = 96

export function makeRpm(content: string | Buffer, size = 0): MadeRpm {
  const rest = Buffer.concat([
    Buffer.from('\x8e\xad\xe8\x01main', 'latin1'),
    Buffer.from(content),
    Buffer.alloc(size, 7),
  ])
  const payloadhash = md5(rest)
  const header = signatureHeader(payloadhash, '')
  const lead = Buffer.alloc(LEAD_BYTES, 1)
  return {
    bytes: Buffer.concat([lead, header, rest]),
    payloadhash,
    header,
    signedWith: (key) => signatureHeader(payloadhash, key),
    withHeader: (other) => Buffer.concat([lead, other, rest]),
  }
}

/** An rpm of that many bytes (of some more, where that is too few to be one). */
export function rpmOfSize(label: string, size: number): MadeRpm {
  const content = createHash('sha256').update(label).digest('hex').slice(0, 16)
  const least = makeRpm(content).bytes.length
  return makeRpm(content, Math.max(0, size - least))
}

/** These bytes of an rpm with another signature header, as writeSignedRPM splices it. */
export function spliced(rpm: Buffer, header: Buffer): Buffer {
  const end = LEAD_BYTES + headerBytes(rpm.subarray(LEAD_BYTES))
  return Buffer.concat([rpm.subarray(0, LEAD_BYTES), header, rpm.subarray(end)])
}

function headerBytes(header: Buffer): number {
  const bytes = 16 + header.readUInt32BE(8) * 16 + header.readUInt32BE(12)
  return bytes + ((8 - (bytes % 8)) % 8)
}

/** Entries SIGMD5 and, with a key, GPG; padded to 8 bytes. */
export function signatureHeader(sigmd5: string, key: string): Buffer {
  const values: [number, Buffer][] = [[1004, Buffer.from(sigmd5, 'hex')]]
  if (key !== '') values.push([1005, Buffer.from(`signature by ${key}`)])
  const intro = Buffer.alloc(16)
  intro.set([0x8e, 0xad, 0xe8, 1])
  intro.writeUInt32BE(values.length, 8)
  const data = Buffer.concat(values.map(([, value]) => value))
  intro.writeUInt32BE(data.length, 12)
  let offset = 0
  const entries = values.map(([tag, value]) => {
    const entry = Buffer.alloc(16)
    for (const [i, word] of [tag, 7, offset, value.length].entries()) entry.writeUInt32BE(word, i * 4)
    offset += value.length
    return entry
  })
  const bytes = Buffer.concat([intro, ...entries, data])
  return Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)])
}

export function md5(bytes: Buffer | string): string {
  return createHash('md5').update(bytes).digest('hex')
}
