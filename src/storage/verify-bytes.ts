import { createHash, type Hash } from 'node:crypto'
import { KeyError } from '../errors.ts'
import type { ChecksumType, Int64 } from '../model/records.ts'
import {
  assertSignature,
  MAX_SIGNATURE_BYTES,
  notRpm,
  RPM_START_BYTES,
  type SignatureSpan,
  sigmd5Of,
  signatureSpan,
} from './verify-rpm.ts'

export interface Checksum {
  readonly type: ChecksumType
  /** hex */
  readonly value: string
}

/** What prod's hub says of a file's bytes. */
export interface Expected {
  /** null: not known */
  readonly size: Int64 | null
  /** SIGMD5 of an rpm (Koji's `payloadhash`); null: it is no rpm */
  readonly payloadhash: string | null
  /** md5 of an rpm's signature header (`rpmsigs.sighash`); null: not known, or no rpm */
  readonly sighash: string | null
  /** of the whole file */
  readonly checksums: readonly Checksum[]
  /** The file is a signature header by itself (`data/sigcache`); its checksum is the sighash. */
  readonly isSignature?: boolean
}

/** Nothing is known: a log. */
export const UNKNOWN: Expected = { size: null, payloadhash: null, sighash: null, checksums: [] }

/** Best first: where the whole file has a good checksum, the md5 of its rest proves nothing more. */
const STRENGTH: readonly ChecksumType[] = ['sha256', 'sha1', 'md5']

/**
 * Judges a file while its bytes pass, in order, once.
 *
 * | known                   | checked                                                                              |
 * | ----------------------- | ------------------------------------------------------------------------------------ |
 * | size                    | while they pass, and at the end                                                      |
 * | payloadhash             | the SIGMD5 of the header says it; so do the bytes after it, unless sha256 or sha1 is known |
 * | sighash                 | md5 of the signature header                                                          |
 * | checksums               | the strongest one                                                                    |
 *
 * Throws KeyError STORAGE_WRONG_SIZE, STORAGE_WRONG_DIGEST (detail: `digest`, `expected`, `found`), STORAGE_NOT_RPM.
 */
export class Verifier {
  readonly #path: string
  readonly #expected: Expected
  readonly #checksum: Checksum | undefined
  readonly #whole: Hash | null
  readonly #rest: Hash | null
  #head: Buffer[] | null
  #headBytes = 0
  #span: SignatureSpan | null = null
  #bytes = 0n

  constructor(path: string, expected: Expected) {
    this.#path = path
    this.#expected = expected
    this.#checksum = [...expected.checksums].sort(
      (a, b) => STRENGTH.indexOf(a.type) - STRENGTH.indexOf(b.type),
    )[0]
    this.#whole = this.#checksum === undefined ? null : createHash(this.#checksum.type)
    const isProved = this.#checksum !== undefined && this.#checksum.type !== 'md5'
    this.#rest = expected.payloadhash === null || isProved ? null : createHash('md5')
    this.#head = expected.payloadhash === null && expected.isSignature !== true ? null : []
  }

  /** How many bytes have passed. */
  get bytes(): bigint {
    return this.#bytes
  }

  update(chunk: Buffer): void {
    this.#bytes += BigInt(chunk.length)
    const { size } = this.#expected
    if (size !== null && this.#bytes > BigInt(size)) throw this.#wrongSize('more')
    this.#whole?.update(chunk)
    if (this.#head === null) this.#rest?.update(chunk)
    else this.#takeHead(chunk)
  }

  /** After the last byte. */
  end(): void {
    const { size, isSignature } = this.#expected
    if (size !== null && this.#bytes !== BigInt(size)) throw this.#wrongSize(`${this.#bytes}`)
    if (this.#head !== null) {
      const head = Buffer.concat(this.#head)
      if (isSignature !== true)
        throw notRpm(this.#path, `it ends within its signature header, after ${head.length} bytes`)
      assertSignature(this.#path, head)
    }
    if (this.#rest !== null)
      this.#compare('payloadhash', this.#expected.payloadhash, this.#rest.digest('hex'))
    if (this.#whole !== null && this.#checksum !== undefined)
      this.#compare(this.#checksum.type, this.#checksum.value, this.#whole.digest('hex'))
  }

  #takeHead(chunk: Buffer): void {
    this.#head?.push(chunk)
    this.#headBytes += chunk.length
    if (this.#expected.isSignature === true && this.#headBytes > MAX_SIGNATURE_BYTES)
      throw notRpm(this.#path, 'a signature header is not so long')
    if (this.#expected.isSignature === true || this.#headBytes < RPM_START_BYTES) {
      this.#keepHead(chunk)
      return
    }
    if (this.#span === null) {
      // Once: what follows may come in many pieces.
      this.#head = [joined(this.#head ?? [])]
      this.#span = signatureSpan(this.#path, this.#head[0] as Buffer)
    }
    if (this.#headBytes < this.#span.end) {
      this.#keepHead(chunk)
      return
    }
    const head = joined(this.#head ?? [])
    this.#head = null
    const signature = head.subarray(this.#span.start, this.#span.end)
    this.#compare('payloadhash', this.#expected.payloadhash, sigmd5Of(signature) ?? 'none')
    if (this.#expected.sighash !== null)
      this.#compare('sighash', this.#expected.sighash, createHash('md5').update(signature).digest('hex'))
    this.#rest?.update(head.subarray(this.#span.end))
  }

  /** The piece is asked for again when the next one has taken its place in memory. */
  #keepHead(chunk: Buffer): void {
    const head = this.#head ?? []
    if (head.at(-1)?.buffer === chunk.buffer) head[head.length - 1] = Buffer.from(head.at(-1) as Buffer)
  }

  #compare(digest: string, expected: string | null, found: string): void {
    if (expected?.toLowerCase() === found) return
    const path = this.#path
    const text = `${path} has another ${digest} than prod's hub says: expected ${expected}, found ${found}`
    throw new KeyError('STORAGE_WRONG_DIGEST', text, { detail: { path, digest, expected, found } })
  }

  #wrongSize(found: string): KeyError {
    const path = this.#path
    const expected = String(this.#expected.size)
    const text = `${path} has another size than prod's hub says: expected ${expected} bytes, found ${found}`
    return new KeyError('STORAGE_WRONG_SIZE', text, { detail: { path, expected, found } })
  }
}

/** A file that came in one piece is not copied for it. */
function joined(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
}
