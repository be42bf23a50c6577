/**
 * Why a message's signature is not accepted: a closed list, so that it can be a metric's label. In the order in which
 * they are looked for.
 */
export const VERIFY_REASONS = [
  /** the body is no UTF-8, no JSON, no object, or has no topic: nothing that could be signed */
  'utf8',
  'json',
  'not-an-object',
  'topic-missing',
  /** the topic that it was routed by is not the one that is signed */
  'topic-mismatch',
  /** what datagrepper made of it cannot be undone */
  'fix-up',
  /** neither `crypto`, `certificate` nor `signature` */
  'unsigned',
  /** `crypto` is none that we know, or not one that is allowed */
  'backend',
  /** a GnuPG signature, allowed, but GnuPG or its key ring is not to be had */
  'gpg',
  'signature-missing',
  'certificate-missing',
  /** base64 as Python reads it; PEM; X.509 */
  'signature-format',
  'certificate-format',
  /** CA or CRL cannot be had, or are none */
  'ca-unreadable',
  'crl-unreadable',
  /** the CA is not self-signed, is no CA, or holds what we cannot honour */
  'ca-unusable',
  'ca-dates',
  'ca-revoked',
  /** not issued by the CA: another issuer, or not its signature */
  'issuer',
  'critical-extension',
  'certificate-dates',
  'crl-issuer',
  'crl-signature',
  'crl-dates',
  'crl-extension',
  'revoked',
  /** the certificate's key is not RSA */
  'key-type',
  'signature',
  'common-name',
  /** the policy lists the topic, without this sender */
  'policy',
  /** the policy does not list the topic, and only listed ones are allowed */
  'nitpicky',
] as const

export type VerifyReason = (typeof VERIFY_REASONS)[number]
