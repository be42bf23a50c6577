import { isAscii } from 'node:buffer'
import { type KeyObject, verify } from 'node:crypto'
import {
  bitStringOf,
  type Der,
  DerError,
  DerReader,
  firstDer,
  integerOf,
  membersOf,
  oidOf,
  readDer,
  TAG,
  timeOf,
} from './der.ts'
import { type Extension, OID, readExtensions } from './extensions.ts'
import { readPem } from './pem.ts'

/** Digests by the signature algorithms that lists are signed with; null: the algorithm has its own. */
const DIGESTS: ReadonlyMap<string, string | null> = new Map([
  ['1.2.840.113549.1.1.4', 'md5'],
  ['1.2.840.113549.1.1.5', 'sha1'],
  ['1.2.840.113549.1.1.14', 'sha224'],
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.1', 'sha1'],
  ['1.2.840.10045.4.3.1', 'sha224'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.3.101.112', null],
])

/** Not a revocation, but the end of one (RFC 5280, `removeFromCRL`). */
const REMOVED = 8

/** Critical extensions of a list that OpenSSL honours (crypto/x509/x_crl.c `crl_cb`). */
const HONOURED: ReadonlySet<string> = new Set([
  OID.issuingDistributionPoint,
  OID.authorityKeyIdentifier,
  OID.deltaCrl,
])

/** A certificate revocation list. Nothing of it is believed yet. */
export class Crl {
  readonly issuer: Der
  /** Seconds since 1970. */
  readonly lastUpdate: number
  /** null: it names none, and never ends. */
  readonly nextUpdate: number | null
  readonly extensions: ReadonlyMap<string, Extension>
  /** It says something that must be honoured and that nobody here can, in an extension of its own or of an entry. */
  readonly unhandled: boolean
  /** Serials in hex. */
  readonly #revoked = new Set<string>()
  readonly #signed: Buffer
  readonly #algorithm: Der
  readonly #sameAlgorithm: boolean
  readonly #signature: Buffer

  /** The first list of a PEM text, as OpenSSL reads it; fedmsg reads it as ASCII. Throws DerError. */
  constructor(pem: Buffer) {
    const der = isAscii(pem) ? readPem(pem, 'crl') : null
    if (der === null) throw new DerError('no PEM block of a revocation list')
    const whole = new DerReader(firstDer(der))
    const signed = whole.take(TAG.sequence)
    this.#signed = signed.bytes
    this.#algorithm = whole.take(TAG.sequence)
    this.#signature = bitStringOf(whole.take(TAG.bitString))
    whole.end()
    const reader = new DerReader(signed)
    const version = reader.takeIf(TAG.integer)
    if (version !== null) integerOf(version)
    this.#sameAlgorithm = reader.take(TAG.sequence).bytes.equals(this.#algorithm.bytes)
    this.issuer = reader.take(TAG.sequence)
    this.lastUpdate = timeOf(reader.take(TAG.utcTime, TAG.generalizedTime))
    const next = reader.takeIf(TAG.utcTime, TAG.generalizedTime)
    this.nextUpdate = next === null ? null : timeOf(next)
    const entries = reader.takeIf(TAG.sequence)
    const extensions = reader.takeIf(0xa0)
    reader.end()
    this.extensions =
      extensions === null ? new Map() : readExtensions(new DerReader(extensions, 0xa0).take(TAG.sequence))
    const unhandled = entries !== null && this.#readEntries(entries)
    this.unhandled =
      unhandled || [...this.extensions].some(([oid, { critical }]) => critical && !HONOURED.has(oid))
  }

  /** How many serials it lists. */
  get size(): number {
    return this.#revoked.size
  }

  /** Whether it lists this serial, for whatever reason; one that is on hold is listed too. */
  has(serial: Buffer): boolean {
    return this.#revoked.has(serial.toString('hex'))
  }

  isSignedBy(key: KeyObject): boolean {
    try {
      const digest = DIGESTS.get(oidOf(new DerReader(this.#algorithm).take(TAG.oid)))
      if (digest === undefined || !this.#sameAlgorithm) return false
      return verify(digest, this.#signed, key, this.#signature)
    } catch {
      return false
    }
  }

  /** Whether an entry has a critical extension that nobody here can honour. */
  #readEntries(entries: Der): boolean {
    let unhandled = false
    for (const entry of membersOf(entries)) {
      const reader = new DerReader(entry)
      const serial = integerOf(reader.take(TAG.integer)).toString('hex')
      // When it was revoked does not matter, nor whether that is a time.
      reader.take(TAG.utcTime, TAG.generalizedTime)
      const extensions = reader.takeIf(TAG.sequence)
      reader.end()
      const read = extensions === null ? null : readExtensions(extensions)
      unhandled ||= [...(read ?? [])].some(([oid, { critical }]) => critical && oid !== OID.certificateIssuer)
      if (!isRemoved(read?.get(OID.crlReason))) this.#revoked.add(serial)
    }
    return unhandled
  }
}

/** A reason that cannot be read is one to be revoked. */
function isRemoved(reason: Extension | undefined): boolean {
  if (reason === undefined) return false
  try {
    const { content } = readDer(reason.value, TAG.enumerated)
    return content.length === 1 && content[0] === REMOVED
  } catch {
    return false
  }
}
