import { isAscii } from 'node:buffer'
import { PlainAnswer } from './plain-answer.ts'
import { StrictAnswer } from './strict-answer.ts'
import { type Answer, UndecodableError } from './undecodable.ts'

export interface DecodeLimits {
  /** Of the body as it is parsed, unpacked. */
  readonly maxBytes: number
  /** Of arrays and structs in one another. */
  readonly maxDepth: number
}

const BEGINNING = '<?xml version='

/** So much that does not become plain is none. */
const MOST_PENDING = 256 * 1024

/**
 * A streaming, strict decoder of one XML-RPC response. What hubs write is read as they write it (`PlainAnswer`), all else by the rules of XML
 * (`StrictAnswer`), with one result. Feed it with `write`, then `end`. Both throw UndecodableError, `end` also for what `write` has not judged yet.
 */
export class AnswerDecoder {
  readonly #limits: DecodeLimits
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  readonly #plain: PlainAnswer
  #strict: StrictAnswer | undefined
  /** text that was not read yet */
  #pending = ''
  /** characters of it that are worth another try: each costs as much as there is */
  #enough = 1
  /** the last piece ended with a whole character */
  #isWhole = true
  #bytes = 0

  constructor(limits: DecodeLimits) {
    this.#limits = limits
    this.#plain = new PlainAnswer(limits.maxDepth)
  }

  write(chunk: Uint8Array): void {
    this.#bytes += chunk.byteLength
    if (this.#bytes > this.#limits.maxBytes)
      throw new UndecodableError('large', `an answer of more than ${this.#limits.maxBytes} bytes`)
    const text = this.#textOf(chunk)
    if (this.#strict !== undefined) {
      this.#strict.write(text)
      return
    }
    this.#pending += text
    if (this.#pending.length < this.#enough) return
    this.#read()
    if (this.#pending.length >= MOST_PENDING || this.#isForeign()) this.#goStrict()
  }

  end(): Answer {
    const rest = this.#decodeUtf8()
    if (this.#strict === undefined) {
      this.#pending += rest
      this.#read()
      const { value } = this.#plain
      if (value !== undefined && this.#plain.isEnd(this.#pending)) return { kind: 'value', value }
      this.#goStrict()
    }
    const strict = this.#strict as unknown as StrictAnswer
    if (strict.answer === undefined)
      throw new UndecodableError('cut', `an answer that ends at byte ${this.#bytes}`)
    strict.close()
    return strict.answer
  }

  #read(): void {
    const text = this.#pending
    const read = this.#plain.read(text)
    this.#pending = text.slice(read)
    this.#enough = 2 * this.#pending.length
  }

  /** Nothing was plain yet, so nothing will be. */
  #isForeign(): boolean {
    return this.#plain.place === 'before' && !BEGINNING.startsWith(this.#pending.slice(0, BEGINNING.length))
  }

  #goStrict(): void {
    this.#strict = new StrictAnswer(this.#limits.maxDepth, this.#plain)
    this.#strict.write(this.#pending)
    this.#pending = ''
  }

  /** Nearly all answers are ASCII, which needs no decoding. */
  #textOf(chunk: Uint8Array): string {
    if (this.#isWhole && isAscii(chunk)) return latin1(chunk)
    this.#isWhole = (chunk.at(-1) ?? 0x80) < 0x80
    return this.#decodeUtf8(chunk)
  }

  #decodeUtf8(chunk?: Uint8Array): string {
    try {
      return chunk === undefined ? this.#utf8.decode() : this.#utf8.decode(chunk, { stream: true })
    } catch {
      // What came before may be worse.
      if (this.#strict === undefined) this.#goStrict()
      const cut = chunk === undefined && this.#strict?.answer === undefined
      throw new UndecodableError(cut ? 'cut' : 'malformed', 'bytes that are not UTF-8')
    }
  }
}

function latin1({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1')
}
