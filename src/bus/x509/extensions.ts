import { type Der, DerError, DerReader, membersOf, oidOf, readDer, TAG } from './der.ts'

export interface Extension {
  readonly critical: boolean
  /** DER of what it says. */
  readonly value: Buffer
}

export const OID = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  crlReason: '2.5.29.21',
  deltaCrl: '2.5.29.27',
  crlDistributionPoints: '2.5.29.31',
  issuingDistributionPoint: '2.5.29.28',
  certificateIssuer: '2.5.29.29',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  proxyCertInfo: '1.3.6.1.5.5.7.1.14',
} as const

/**
 * The extensions that OpenSSL honours in a certificate (crypto/x509/v3_purp.c `X509_supported_extension`). A critical one that
 * is not among them refuses the certificate; key identifiers are not, even.
 */
export const HONOURED: ReadonlySet<string> = new Set([
  '2.16.840.1.113730.1.1', // netscape cert type
  OID.keyUsage,
  '2.5.29.17', // subject alternative name
  OID.basicConstraints,
  '2.5.29.32', // certificate policies
  OID.crlDistributionPoints,
  '2.5.29.37', // extended key usage
  '1.3.6.1.5.5.7.1.7', // IP address blocks
  '1.3.6.1.5.5.7.1.8', // autonomous systems
  '1.3.6.1.5.5.7.48.1.5', // OCSP no check
  '2.5.29.36', // policy constraints
  OID.proxyCertInfo,
  OID.nameConstraints,
  '2.5.29.33', // policy mappings
  '2.5.29.54', // inhibit any policy
])

/** Those that OpenSSL reads into a certificate (crypto/x509/v3_purp.c `ossl_x509v3_cache_extensions`): twice, it is invalid. */
const SINGLE: ReadonlySet<string> = new Set([
  '2.16.840.1.113730.1.1',
  OID.subjectKeyIdentifier,
  OID.keyUsage,
  '2.5.29.17',
  OID.basicConstraints,
  OID.nameConstraints,
  OID.crlDistributionPoints,
  OID.authorityKeyIdentifier,
  '2.5.29.37',
  OID.proxyCertInfo,
  '1.3.6.1.5.5.7.1.7',
  '1.3.6.1.5.5.7.1.8',
])

/** By object identifier; of one that stands there twice the first, critical if either is. Throws DerError. */
export function readExtensions(sequence: Der): ReadonlyMap<string, Extension> {
  const extensions = new Map<string, Extension>()
  if (sequence.tag !== TAG.sequence) throw new DerError('no extensions')
  for (const member of membersOf(sequence)) {
    const reader = new DerReader(member)
    const oid = oidOf(reader.take(TAG.oid))
    const flag = reader.takeIf(TAG.boolean)
    const value = reader.take(TAG.octetString).content
    reader.end()
    const first = extensions.get(oid)
    if (first !== undefined && SINGLE.has(oid)) throw new DerError(`extension ${oid} twice`)
    const critical = (flag !== null && flag.content[0] !== 0) || first?.critical === true
    extensions.set(oid, { critical, value: first?.value ?? value })
  }
  return extensions
}

/** Bit n of a named bit list, as key usage is; the first bit is 0. */
export function hasBit(value: Buffer, bit: number): boolean {
  const { content } = readDer(value, TAG.bitString)
  return (((content[1 + (bit >> 3)] ?? 0) >> (7 - (bit & 7))) & 1) === 1
}

/** What an authority key identifier tells of who signed: the key's identifier, its certificate's issuer and serial. */
export interface AuthorityKey {
  readonly key: Buffer | null
  readonly issuer: Der | null
  readonly serial: Buffer | null
}

/** Throws DerError. */
export function readAuthorityKey(value: Buffer): AuthorityKey {
  const reader = new DerReader(readDer(value, TAG.sequence))
  const key = reader.takeIf(0x80)?.content ?? null
  const names = reader.takeIf(0xa1)
  const directory = names === null ? undefined : membersOf(names).find(({ tag }) => tag === 0xa4)
  const issuer = directory === undefined ? null : new DerReader(directory, 0xa4).take(TAG.sequence)
  return { key, issuer, serial: reader.takeIf(0x82)?.content ?? null }
}

/** All reasons for a revocation that a list can be for: bits 1 to 7 of the first byte, and 0 of the second. */
const ALL_REASONS = [0x7f, 0x80] as const

/**
 * Whether CRL distribution points tell of lists for some reasons only: one list then does not tell all (crypto/x509
 * `crl_crldp_check`). Throws DerError.
 */
export function hasPartialLists(value: Buffer): boolean {
  for (const point of membersOf(readDer(value, TAG.sequence))) {
    const members = membersOf(point)
    if (members.some(({ tag }) => tag === 0xa2)) continue // the list of another issuer
    const reasons = members.find(({ tag }) => tag === 0x81)?.content
    return (
      reasons !== undefined && ALL_REASONS.some((all, index) => ((reasons[index + 1] ?? 0) & all) !== all)
    )
  }
  return false
}
