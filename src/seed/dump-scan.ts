/** How far a statement of a dump was read. `need more` leaves everything as it was, so that the same bytes can be read on. */
export type Scanned = 'need more' | { readonly end: number }

const CODE = {
  newline: 0x0a,
  quote: 0x27,
  double: 0x22,
  dollar: 0x24,
  dash: 0x2d,
  slash: 0x2f,
  star: 0x2a,
  semicolon: 0x3b,
  open: 0x28,
  close: 0x29,
  backslash: 0x5c,
} as const

/**
 * Finds the semicolon that ends a statement, in pieces as they come: not one inside of a string, a quoted name, a dollar-quoted
 * text, a comment or parentheses (PostgreSQL's lexical rules, with standard_conforming_strings on, as pg_dump sets it).
 */
export class StatementScan {
  #at = 0
  #depth = 0
  #comments = 0
  /** what must come before anything else counts; null: plain text */
  #inside: {
    readonly kind: 'string' | 'escaped' | 'name' | 'line' | 'dollar'
    readonly tag?: Buffer
  } | null = null

  /** `bytes` begins where the statement begins; each call has all that the last one had, and more. */
  scan(bytes: Buffer, isLast: boolean): Scanned {
    while (this.#at < bytes.length) {
      // Two bytes decide in many places; at the very end one is all there is.
      const pair = this.#at + 1 < bytes.length || isLast
      if (this.#comments > 0 || this.#inside !== null) {
        if (!pair) return 'need more'
        if (!this.#leave(bytes, isLast)) return 'need more'
        continue
      }
      const code = bytes[this.#at]
      const next = bytes[this.#at + 1]
      if (code === CODE.semicolon && this.#depth === 0) return { end: this.#at + 1 }
      if (code === CODE.dollar) {
        const opened = this.#openDollar(bytes, isLast)
        if (opened === 'need more') return opened
        continue
      }
      if ((code === CODE.dash || code === CODE.slash) && !pair) return 'need more'
      if (code === CODE.dash && next === CODE.dash) this.#inside = { kind: 'line' }
      else if (code === CODE.slash && next === CODE.star) {
        this.#comments = 1
        this.#at += 1
      } else if (code === CODE.quote)
        this.#inside = { kind: isEscaped(bytes, this.#at) ? 'escaped' : 'string' }
      else if (code === CODE.double) this.#inside = { kind: 'name' }
      else if (code === CODE.open) this.#depth += 1
      else if (code === CODE.close) this.#depth = Math.max(0, this.#depth - 1)
      this.#at += 1
    }
    return 'need more'
  }

  /** One step inside of something quoted; false: more is needed to know. */
  #leave(bytes: Buffer, isLast: boolean): boolean {
    if (this.#comments > 0) {
      const two = bytes.readUInt16BE(Math.min(this.#at, bytes.length - 2))
      if (two === 0x2a2f) this.#comments -= 1
      else if (two === 0x2f2a) this.#comments += 1
      this.#at += two === 0x2a2f || two === 0x2f2a ? 2 : 1
      return true
    }
    const inside = this.#inside
    if (inside?.tag !== undefined) {
      const found = bytes.indexOf(inside.tag, this.#at)
      if (found < 0) {
        this.#at = Math.max(this.#at, bytes.length - inside.tag.length + 1)
        return isLast ? this.#giveUp(bytes) : false
      }
      this.#at = found + inside.tag.length
      this.#inside = null
      return true
    }
    const quote = inside?.kind === 'name' ? CODE.double : inside?.kind === 'line' ? CODE.newline : CODE.quote
    const code = bytes[this.#at]
    if (inside?.kind === 'escaped' && code === CODE.backslash) this.#at += 2
    else if (code !== quote) this.#at += 1
    else if (inside?.kind !== 'line' && bytes[this.#at + 1] === quote) this.#at += 2
    else {
      this.#at += 1
      this.#inside = null
    }
    return true
  }

  #giveUp(bytes: Buffer): boolean {
    this.#at = bytes.length
    return false
  }

  /** At a dollar sign: `$tag$` opens a text, `$1` and `a$b` do not. */
  #openDollar(bytes: Buffer, isLast: boolean): 'need more' | 'done' {
    const rest = bytes.subarray(this.#at, this.#at + 70).toString('latin1')
    const tag = /^\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$/.exec(rest)?.[0]
    if (tag === undefined && rest.length < 70 && !isLast && /^\$[A-Za-z0-9_\x80-\xff]*$/.test(rest)) {
      return 'need more'
    }
    const before = this.#at === 0 ? 0 : (bytes[this.#at - 1] as number)
    if (tag !== undefined && !isNamePart(before)) {
      this.#inside = { kind: 'dollar', tag: Buffer.from(tag, 'latin1') }
      this.#at += tag.length
    } else this.#at += 1
    return 'done'
  }
}

/** E'...': the E stands alone before the quote. */
function isEscaped(bytes: Buffer, at: number): boolean {
  const e = at > 0 ? bytes[at - 1] : 0
  if (e !== 0x45 && e !== 0x65) return false
  return at < 2 || !isNamePart(bytes[at - 2] as number)
}

function isNamePart(code: number): boolean {
  return /[A-Za-z0-9_$\x80-\xff]/.test(String.fromCharCode(code))
}
