import { asError } from '../../errors.ts'
import type { Step } from '../../step.ts'
import { Certificate } from '../x509/certificate.ts'
import { Crl } from '../x509/crl.ts'
import { Trust } from '../x509/trust.ts'
import { Document } from './document.ts'
import { Refused } from './refused.ts'
import type { Trusted } from './verifier.ts'

export type TrustFile = 'ca' | 'crl'

/** What became of one reading of the CA or the revocation list. `failed`: the old one is kept, if there is one. */
export interface TrustRead {
  readonly what: TrustFile
  readonly outcome: 'changed' | 'unchanged' | 'failed'
  readonly error: Error | null
}

export interface TrustStoreOptions {
  /** A path, or an http:// or https:// address. */
  readonly ca: string
  /** null: no list; nothing is revoked */
  readonly crl: string | null
  readonly step: Step
  readonly onRead: (read: TrustRead) => void
  /** What was read is in use from now on. When the list ends, seconds since 1970; null: no list, or it never ends. */
  readonly onTrust?: (crlNextUpdate: number | null) => void
  /** Older contents are read again; default 10 seconds for files, 30 minutes (as fedmsg does) for addresses. */
  readonly maxAgeMs?: number
  /** Between two attempts at least; default 1 second for files, 1 minute for addresses. */
  readonly retryMs?: number
  readonly monotonicMs?: () => number
}

/**
 * The CA and its revocation list, wherever they stand: read at the first message, again when they are old or when something is
 * not trusted, never more often than `retryMs`. What is no CA or no list never replaces one that is.
 */
export class TrustStore implements Trusted {
  readonly #ca: Document
  readonly #crl: Document | null
  readonly #onRead: TrustStoreOptions['onRead']
  readonly #onTrust: NonNullable<TrustStoreOptions['onTrust']>
  /** What `#made` was made of, by identity. */
  #contents: readonly (Buffer | null | undefined)[] = [undefined]
  /** The newest that is one; while there was none, why. */
  #made: Trust | Refused | null = null

  constructor(options: TrustStoreOptions) {
    this.#onRead = options.onRead
    this.#onTrust = options.onTrust ?? (() => {})
    this.#ca = this.#document('ca', options.ca, options)
    this.#crl = options.crl === null ? null : this.#document('crl', options.crl, options)
  }

  async current(): Promise<Trust> {
    const contents = await this.#read()
    if (!contents.every((content, index) => content === this.#contents[index])) {
      this.#contents = contents
      const made = this.#make(contents)
      if (made instanceof Trust || !(this.#made instanceof Trust)) this.#made = made
      if (made instanceof Trust) this.#onTrust(made.crl?.nextUpdate ?? null)
    }
    if (this.#made instanceof Trust) return this.#made
    throw this.#made
  }

  async again(): Promise<Trust | null> {
    const before = this.#made
    await Promise.all([this.#ca.again(), this.#crl?.again()])
    const trust = await this.current()
    return trust === before ? null : trust
  }

  async #read(): Promise<readonly [Buffer, Buffer | null]> {
    const ca = this.#ca.content().catch((error: unknown) => {
      throw new Refused('ca-unreadable', { cause: error })
    })
    const crl = this.#crl?.content().catch((error: unknown) => {
      throw new Refused('crl-unreadable', { cause: error })
    })
    return Promise.all([ca, crl ?? null])
  }

  /** Tells of what cannot be used once, since the contents are kept as read. */
  #make([ca, crl]: readonly (Buffer | null)[]): Trust | Refused {
    let what: TrustFile = 'ca'
    try {
      const certificate = Certificate.ofCa(ca as Buffer)
      what = 'crl'
      return new Trust(certificate, crl === null ? null : new Crl(crl as Buffer))
    } catch (error) {
      this.#tell(what, 'failed', asError(error))
      return new Refused(`${what}-unreadable`, { cause: error })
    }
  }

  #document(what: TrustFile, location: string, options: TrustStoreOptions): Document {
    const remote = /^https?:/.test(location)
    return new Document({
      location,
      step: options.step,
      maxAgeMs: options.maxAgeMs ?? (remote ? 1_800_000 : 10_000),
      retryMs: options.retryMs ?? (remote ? 60_000 : 1_000),
      monotonicMs: options.monotonicMs ?? (() => performance.now()),
      onRead: (outcome, error) => this.#tell(what, outcome, error),
    })
  }

  #tell(what: TrustFile, outcome: TrustRead['outcome'], error: Error | null): void {
    this.#onRead({ what, outcome, error })
  }
}
