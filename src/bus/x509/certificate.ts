import { type KeyObject, X509Certificate } from 'node:crypto'
import { type Der, DerError, DerReader, readDer, TAG, timeOf } from './der.ts'
import { type Extension, HONOURED, hasBit, hasPartialLists, OID, readExtensions } from './extensions.ts'
import { commonNameOf, sameName } from './names.ts'
import { readPem } from './pem.ts'

/** An X.509 certificate: what node:crypto can tell of it, and what it cannot. Nothing of it is believed yet. */
export class Certificate {
  readonly x509: X509Certificate
  readonly publicKey: KeyObject
  /** Big-endian, as encoded. */
  readonly serial: Buffer
  readonly subject: Der
  readonly issuer: Der
  /** Seconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
  readonly commonName: string | null
  readonly extensions: ReadonlyMap<string, Extension>
  /** 1 or 3. */
  readonly version: number

  /** The first certificate of a PEM text. Throws DerError, or what node:crypto throws. */
  constructor(pem: Buffer) {
    const der = readPem(pem, 'certificate')
    if (der === null) throw new DerError('no PEM block of a certificate')
    const whole = new DerReader(readDer(der, TAG.sequence))
    const reader = new DerReader(whole.take(TAG.sequence))
    this.version = readVersion(reader.takeIf(0xa0))
    this.serial = reader.take(TAG.integer).content
    reader.take(TAG.sequence)
    this.issuer = reader.take(TAG.sequence)
    const validity = new DerReader(reader.take(TAG.sequence))
    this.notBefore = timeOf(validity.take(TAG.utcTime, TAG.generalizedTime))
    this.notAfter = timeOf(validity.take(TAG.utcTime, TAG.generalizedTime))
    this.subject = reader.take(TAG.sequence)
    reader.take(TAG.sequence)
    reader.takeIf(0x81)
    reader.takeIf(0x82)
    const extensions = reader.takeIf(0xa3)
    reader.end()
    this.commonName = commonNameOf(this.subject)
    this.extensions =
      extensions === null ? new Map() : readExtensions(new DerReader(extensions, 0xa3).take(TAG.sequence))
    this.x509 = new X509Certificate(der)
    this.publicKey = this.x509.publicKey
  }

  /** Subject and issuer are the same. */
  get selfIssued(): boolean {
    return sameName(this.subject, this.issuer)
  }

  /** It says something that must be honoured and that nobody here can; a proxy certificate is never taken. */
  get unhandled(): boolean {
    if (this.extensions.has(OID.proxyCertInfo)) return true
    return [...this.extensions].some(([oid, { critical }]) => critical && !HONOURED.has(oid))
  }

  /**
   * Whether it may issue others, as OpenSSL sees roots (crypto/x509/v3_purp.c `check_ca`): one of version 1 may, one
   * without basic constraints if its key usage says so.
   */
  get isCa(): boolean {
    if (this.extensions.has(OID.basicConstraints)) return this.x509.ca
    const usage = this.extensions.get(OID.keyUsage)
    if (usage !== undefined) return hasBit(usage.value, KEY_CERT_SIGN)
    return this.version === 1 && this.selfIssued
  }

  /** Whether one revocation list does not tell everything of it. */
  get wantsMoreLists(): boolean {
    const points = this.extensions.get(OID.crlDistributionPoints)
    if (points === undefined) return false
    try {
      return hasPartialLists(points.value)
    } catch {
      return true
    }
  }

  /** Whether its key usage, if it has one, lets it sign revocation lists. */
  get maySignCrl(): boolean {
    const usage = this.extensions.get(OID.keyUsage)
    return usage === undefined || hasBit(usage.value, CRL_SIGN)
  }
}

const KEY_CERT_SIGN = 5
const CRL_SIGN = 6

function readVersion(tagged: Der | null): number {
  if (tagged === null) return 1
  const { content } = new DerReader(tagged, 0xa0).take(TAG.integer)
  // 1 or 3; python-cryptography refuses the 2 that nobody issued.
  if (content.length !== 1 || ![0, 2].includes(content[0] as number)) throw new DerError('no version')
  return (content[0] as number) + 1
}
