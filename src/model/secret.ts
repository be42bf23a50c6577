import { inspect } from 'node:util'

const MASK = '***'

/** A password. Printing, logging or serialising it gives `***`; only `reveal()` gives the text. */
export class Secret {
  readonly #text: string
  constructor(text: string) {
    this.#text = text
  }

  reveal(): string {
    return this.#text
  }

  toString(): string {
    return MASK
  }

  toJSON(): string {
    return MASK
  }

  [inspect.custom](): string {
    return MASK
  }
}

// user:password@ of an address, up to the last @ before the path (a password may hold one unescaped).
const USER_INFO = /(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s/?#:@]*):[^\s/?#]*@/gi
const PARAMETER = /([?&;](?:[\w-]*password|passwd|secret|token|api_?key)=)[^&\s"'#]*/gi
const SECRET_NAME = /passw(or)?d$|secret$|^authorization$|^cookie$|private_?key$/i
const MAX_DEPTH = 8

/** The text with the passwords of all addresses in it masked. */
export function maskText(text: string): string {
  // Most texts hold neither, and this runs for each field of each log line.
  if (!text.includes('://') && !text.includes('=')) return text
  return text.replace(USER_INFO, `$1:${MASK}@`).replace(PARAMETER, `$1${MASK}`)
}

/** A plain copy in which secrets are masked: by the member's name, by type, and inside of addresses. */
export function maskValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return maskText(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Secret) return MASK
  if (depth >= MAX_DEPTH) return '[deeper]'
  if (Array.isArray(value)) return value.map((item) => maskValue(item, depth + 1))
  if (value instanceof Date) return value.toISOString()
  const entries = Object.entries(value).map(([name, member]) => [
    name,
    SECRET_NAME.test(name) && member !== null && member !== undefined ? MASK : maskValue(member, depth + 1),
  ])
  return Object.fromEntries(entries)
}
