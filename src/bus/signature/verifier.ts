import { constants, verify } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Struct } from '../../model/value.ts'
import type { VerifyReason } from '../../model/verify-reasons.ts'
import { Certificate } from '../x509/certificate.ts'
import type { Trust } from '../x509/trust.ts'
import { canonicalText } from './canonical.ts'
import type { VerifyGpg } from './gpg.ts'
import { judgePolicy, type RoutingPolicy } from './policy.ts'
import { decodeMember } from './python-base64.ts'
import { Refused } from './refused.ts'
import { readBusMessage, readDatagrepperItem, type SignedMessage, signedText } from './signed-message.ts'

export type Backend = 'x509' | 'gpg'

/** Where the CA and its revocation list come from. */
export interface Trusted {
  /** What is trusted now. Throws Refused `ca-unreadable`, `crl-unreadable`. */
  current(): Promise<Trust>
  /** Something was not trusted: looks whether CA or list were changed, if the last look is old. null: nothing new. */
  again(): Promise<Trust | null>
}

export interface VerifierOptions {
  readonly trusted: Trusted
  readonly policy: RoutingPolicy
  /** Topics that the policy does not list are for nobody. */
  readonly nitpicky: boolean
  /** Those that are allowed; `gpg` needs `verifyGpg`. */
  readonly backends: readonly Backend[]
  readonly verifyGpg?: VerifyGpg | undefined
  /** This host's clock, milliseconds since 1970. */
  readonly now?: () => number
}

/** Characters of certificates' texts that are kept; Fedora had some 200 senders of 2,000 each. */
const CACHED_CHARACTERS = 4 * 1024 * 1024

/** Looking again cannot help: the fault is in the certificate. */
const FINAL: ReadonlySet<VerifyReason> = new Set(['critical-extension', 'certificate-dates'])

/**
 * Whether messages were signed by who may send them: fedmsg's own validation (fedmsg/crypto, fedmsg/crypto/x509_ng.py,
 * fedmsg/consumers `validate`), no looser and no stricter, but that it never throws for what a sender sent.
 */
export class Verifier {
  readonly #options: VerifierOptions
  readonly #now: () => number
  /** By their text: those that the CA has issued, and apart the others, so that a flood of them drives none out. */
  readonly #known = certificateCache<Certificate>()
  readonly #strangers = certificateCache<Certificate | VerifyReason>()

  constructor(options: VerifierOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /** Why a message off the bus is not accepted; null: it is. `body` is the second frame. */
  verify(wireTopic: string, body: Uint8Array): Promise<VerifyReason | null> {
    return this.#verdict(() => readBusMessage(wireTopic, body))
  }

  /** The same of an item of datagrepper's answer, after what datagrepper did to it is undone. */
  verifyDatagrepper(item: Uint8Array): Promise<VerifyReason | null> {
    return this.#verdict(() => readDatagrepperItem(item))
  }

  async #verdict(read: () => SignedMessage): Promise<VerifyReason | null> {
    try {
      const message = read()
      const backend = this.#chooseBackend(message.members)
      return backend === 'gpg' ? await this.#verifyGpg(message) : await this.#verifyX509(message)
    } catch (error) {
      if (error instanceof Refused) return error.reason
      throw error
    }
  }

  /** Messages before fedmsg 0.7.2 do not name theirs. Throws Refused unless it is known and allowed. */
  #chooseBackend(members: Struct): Backend {
    const named = members.crypto
    const guess = 'certificate' in members ? 'x509' : 'signature' in members ? 'gpg' : null
    const backend = named === undefined ? guess : named
    if (backend === null && named === undefined) throw new Refused('unsigned')
    if (backend !== 'x509' && backend !== 'gpg') throw new Refused('backend')
    if (!this.#options.backends.includes(backend)) throw new Refused('backend')
    return backend
  }

  /** Signs the member `msg` alone, and has no policy: who is in the key ring may send everything. */
  async #verifyGpg({ members }: SignedMessage): Promise<VerifyReason | null> {
    const { verifyGpg } = this.#options
    if (verifyGpg === undefined) return 'gpg'
    const { signature, msg } = members
    if (signature === undefined) throw new Refused('signature-missing')
    const signatureBytes = decodeMember(signature, 'signature-format')
    if (msg === undefined) return 'signature'
    const isGood = await verifyGpg(Buffer.from(canonicalText(msg), 'latin1'), signatureBytes)
    return isGood === null ? 'gpg' : isGood ? null : 'signature'
  }

  async #verifyX509(message: SignedMessage): Promise<VerifyReason | null> {
    const { signature, certificate: text } = message.members
    if (signature === undefined) throw new Refused('signature-missing')
    if (text === undefined) throw new Refused('certificate-missing')
    const signatureBytes = decodeMember(signature, 'signature-format')
    if (typeof text !== 'string') throw new Refused('certificate-format')
    const certificate = this.#known.get(text) ?? this.#read(text)
    const problem = await this.#judge(certificate)
    if (problem !== null) return problem
    if (!this.#known.has(text)) {
      this.#strangers.delete(text)
      this.#known.set(text, certificate)
    }
    return this.#judgeSignature(message, certificate, signatureBytes)
  }

  #judgeSignature(message: SignedMessage, certificate: Certificate, signature: Buffer): VerifyReason | null {
    if (certificate.publicKey.asymmetricKeyType !== 'rsa') return 'key-type'
    if (!isSignedBy(certificate, signedText(message), signature)) return 'signature'
    if (certificate.commonName === null) return 'common-name'
    const { policy, nitpicky } = this.#options
    return judgePolicy(policy, nitpicky, message.topic, certificate.commonName)
  }

  #read(text: string): Certificate {
    const known = this.#strangers.get(text)
    if (typeof known === 'string') throw new Refused(known)
    if (known !== undefined) return known
    try {
      const certificate = Certificate.ofSender(decodeMember(text, 'certificate-format'))
      this.#strangers.set(text, certificate)
      return certificate
    } catch (error) {
      this.#strangers.set(text, 'certificate-format')
      throw new Refused('certificate-format', { cause: error })
    }
  }

  async #judge(certificate: Certificate): Promise<VerifyReason | null> {
    const { trusted } = this.#options
    const trust = await trusted.current()
    const problem = trust.judge(certificate, this.#nowSeconds())
    if (problem === null || FINAL.has(problem)) return problem
    const newer = await trusted.again()
    return newer === null ? problem : newer.judge(certificate, this.#nowSeconds())
  }

  #nowSeconds(): number {
    return Math.floor(this.#now() / 1000)
  }
}

function isSignedBy(certificate: Certificate, text: string, signature: Buffer): boolean {
  const key = { key: certificate.publicKey, padding: constants.RSA_PKCS1_PADDING }
  try {
    return verify('sha1', Buffer.from(text, 'latin1'), key, signature)
  } catch {
    return false // a key that OpenSSL cannot use
  }
}

function certificateCache<T extends object | string>(): LRUCache<string, T> {
  return new LRUCache({
    maxSize: CACHED_CHARACTERS,
    maxEntrySize: 64 * 1024,
    sizeCalculation: (_value, text) => text.length + 1,
  })
}
