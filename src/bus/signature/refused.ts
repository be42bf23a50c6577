import type { VerifyReason } from '../../model/verify-reasons.ts'

/** A message's signature is not accepted. Never leaves the verifier: it becomes a verdict. */
export class Refused extends Error {
  override name = 'Refused'
  readonly reason: VerifyReason
  constructor(reason: VerifyReason, options: { readonly cause?: unknown } = {}) {
    super(reason, options)
    this.reason = reason
  }
}
