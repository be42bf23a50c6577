import type { VerifyReason } from '../../model/verify-reasons.ts'
import type { Certificate } from './certificate.ts'
import type { Crl } from './crl.ts'
import { readDer, TAG } from './der.ts'
import { OID, readAuthorityKey } from './extensions.ts'
import { sameName } from './names.ts'

/**
 * One CA and its revocation list, as fedmsg has OpenSSL use them (fedmsg/crypto/x509_ng.py `_validate_signing_cert`): the
 * CA is the only root, there are no intermediates, and with a list everything in the chain is looked up, the CA too.
 * All dates are compared with now, never with the message's.
 */
export class Trust {
  readonly ca: Certificate
  /** null: none is configured, and nothing is revoked. */
  readonly crl: Crl | null
  /** What of CA and list does not change with time. */
  readonly #problem: VerifyReason | null
  /** The same of leaves. */
  readonly #leaves = new WeakMap<Certificate, { readonly problem: VerifyReason | null }>()

  constructor(ca: Certificate, crl: Crl | null) {
    this.ca = ca
    this.crl = crl
    this.#problem = findCaProblem(ca) ?? (crl === null ? null : findCrlProblem(ca, crl))
  }

  /** Why nothing at all can be trusted now; null: no reason. */
  problem(nowSeconds: number): VerifyReason | null {
    if (this.#problem !== null) return this.#problem
    if (!inForce(this.ca.notBefore, this.ca.notAfter, nowSeconds)) return 'ca-dates'
    if (this.crl === null) return null
    if (!inForce(this.crl.lastUpdate, this.crl.nextUpdate, nowSeconds)) return 'crl-dates'
    return this.crl.has(this.ca.serial) ? 'ca-revoked' : null
  }

  /** Why this certificate is not trusted now; null: it is. */
  judge(leaf: Certificate, nowSeconds: number): VerifyReason | null {
    const problem = this.#leafProblem(leaf) ?? this.problem(nowSeconds)
    if (problem !== null) return problem
    if (!inForce(leaf.notBefore, leaf.notAfter, nowSeconds)) return 'certificate-dates'
    return this.crl?.has(leaf.serial) === true ? 'revoked' : null
  }

  #leafProblem(leaf: Certificate): VerifyReason | null {
    const known = this.#leaves.get(leaf)
    if (known !== undefined) return known.problem
    const problem = this.#findLeafProblem(leaf)
    this.#leaves.set(leaf, { problem })
    return problem
  }

  #findLeafProblem(leaf: Certificate): VerifyReason | null {
    if (!this.#issued(leaf)) return 'issuer'
    if (leaf.unhandled) return 'critical-extension'
    return this.crl !== null && leaf.wantsMoreLists ? 'crl-extension' : null
  }

  /** The CA itself may sign messages; anything else must be signed by it. */
  #issued(leaf: Certificate): boolean {
    const { x509 } = this.ca
    if (leaf.x509.raw.equals(x509.raw)) return true
    // It claims to be a root of its own.
    if (leaf.selfIssued && namesKeyOf(leaf, leaf.extensions)) return false
    try {
      return leaf.x509.checkIssued(x509) && leaf.x509.verify(this.ca.publicKey)
    } catch {
      return false // a signature of a kind that OpenSSL does not know
    }
  }
}

/** OpenSSL's ends of a period: the first second belongs to it, the last does not (crypto/x509 `X509_cmp_time`). */
function inForce(from: number, until: number | null, nowSeconds: number): boolean {
  return from <= nowSeconds && (until === null || nowSeconds < until)
}

function findCaProblem(ca: Certificate): VerifyReason | null {
  // What name constraints mean for a common name is OpenSSL's own; a CA that has them is not taken.
  const usable = ca.isCa && ca.selfIssued && ca.x509.checkIssued(ca.x509) && !ca.unhandled
  return usable && !ca.extensions.has(OID.nameConstraints) ? null : 'ca-unusable'
}

function findCrlProblem(ca: Certificate, crl: Crl): VerifyReason | null {
  if (!sameName(ca.subject, crl.issuer) || !namesKeyOf(ca, crl.extensions) || !ca.maySignCrl)
    return 'crl-issuer'
  if (!crl.isSignedBy(ca.publicKey)) return 'crl-signature'
  const partial = crl.extensions.has(OID.deltaCrl) || limited(crl) || ca.wantsMoreLists
  if (crl.unhandled || partial) return 'crl-extension'
  return null
}

/** Whether the authority key that something names is this certificate's, as far as both tell (crypto/x509 `X509_check_akid`). */
function namesKeyOf(issuer: Certificate, extensions: Certificate['extensions']): boolean {
  const authority = extensions.get(OID.authorityKeyIdentifier)
  if (authority === undefined) return true
  try {
    const named = readAuthorityKey(authority.value)
    const subject = issuer.extensions.get(OID.subjectKeyIdentifier)
    const own = subject === undefined ? null : readDer(subject.value, TAG.octetString).content
    if (named.issuer !== null && !sameName(named.issuer, issuer.issuer)) return false
    if (named.key !== null && own !== null && !named.key.equals(own)) return false
    return named.serial === null || named.serial.equals(issuer.serial)
  } catch {
    return false
  }
}

/** A list for a part of the certificates says nothing of the others, and both CA and leaf need one. */
function limited(crl: Crl): boolean {
  const point = crl.extensions.get(OID.issuingDistributionPoint)
  return point !== undefined && point.value.length > 2
}
