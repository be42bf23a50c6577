import { isAscii } from 'node:buffer'
import { type KeyObject, X509Certificate } from 'node:crypto'
import { readCratePem } from './crate-pem.ts'
import { type Der, DerError, DerReader, firstDer, readDer, TAG, timeOf } from './der.ts'
import { type Extension, HONOURED, hasBit, hasPartialLists, OID, readExtensions } from './extensions.ts'
import { commonNameOf, sameName } from './names.ts'
import { readPem } from './pem.ts'
import { checkStrictDer } from './strict-der.ts'

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
  /** 1 or 3; of a CA whatever it says. */
  readonly version: number

  /**
   * Of a sender: the first certificate of a PEM text, as OpenSSL and python-cryptography both find it. fedmsg asks one of them
   * whether it is trusted and the other for its key, so a text in which each finds another is refused here. Throws as the
   * constructor.
   */
  static ofSender(pem: Buffer): Certificate {
    const der = readPem(pem, 'certificate')
    if (der === null || readCratePem(pem)?.equals(der) !== true)
      throw new DerError('no PEM block of a certificate')
    return new Certificate(der, 'sender')
  }

  /** Of a CA: the first of a PEM text, as OpenSSL reads it; fedmsg reads it as ASCII. Throws as the constructor. */
  static ofCa(pem: Buffer): Certificate {
    const der = isAscii(pem) ? readPem(pem, 'certificate') : null
    if (der === null) throw new DerError('no PEM block of a certificate')
    return new Certificate(firstDer(der).bytes, 'ca')
  }

  /** Throws DerError, or what node:crypto throws. */
  private constructor(der: Buffer, role: 'sender' | 'ca') {
    const whole = new DerReader(readDer(der, TAG.sequence))
    const reader = new DerReader(whole.take(TAG.sequence))
    const version = reader.takeIf(0xa0)
    this.version = readVersion(version)
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
    if (role === 'sender') {
      if (this.version !== 1 && this.version !== 3) throw new DerError('no version that is in use')
      checkStrictDer({ version, names: [this.issuer, this.subject], extensions })
    }
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
  if (content.length !== 1) throw new DerError('no version')
  return (content[0] as number) + 1
}
