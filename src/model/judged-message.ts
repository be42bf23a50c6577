import type { VerifyReason } from './verify-reasons.ts'

/** How messages are to be judged: the settings of fedmsg that decide. */
export interface JudgeOptions {
  /** A path or an http(s) address. */
  readonly ca: string
  readonly crl: string | null
  /** A JSON file; null: no policy. */
  readonly policyFile: string | null
  readonly nitpicky: boolean
  readonly backends: readonly ('x509' | 'gpg')[]
  /** The directory of GnuPG's key ring; null: signatures of GnuPG cannot be judged. */
  readonly gpgHome: string | null
  /** false: fedmsg's `validate_signatures` is off, and every message that can be read is valid. */
  readonly validateSignatures: boolean
}

/** A message as it was on the wire, and the way that it came. */
export interface WireMessage {
  readonly topic: string
  readonly body: Uint8Array
  readonly path: 'bus' | 'datagrepper'
}

/** Why a message is invalid; null: it is valid. */
export type JudgeMessage = (message: WireMessage) => Promise<VerifyReason | null>
