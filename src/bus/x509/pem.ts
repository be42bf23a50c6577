import { decodePemBase64 } from './pem-base64.ts'

/** How OpenSSL's `BIO_gets` is called here: a longer line comes in pieces, each of which counts as a line. */
const PIECE = 254
const BEGIN = '-----BEGIN '
const END = '-----END '
const TAIL = '-----'
/** Of base64, once an empty line has ended the headers that PEM may have. */
const LINE = 64

/** Names by what is looked for; OpenSSL (crypto/pem `check_pem`) takes an old name for a certificate. */
const NAMES = { certificate: ['CERTIFICATE', 'X509 CERTIFICATE'], crl: ['X509 CRL'] } as const

/**
 * The bytes of the first PEM block of a kind, as OpenSSL finds it (crypto/pem/pem_lib.c `PEM_read_bio`, flags as for
 * certificates): blocks before it are read too, and must be whole. null if there is none. Not all of the bytes need be the
 * certificate or list.
 */
export function readPem(text: Buffer, kind: keyof typeof NAMES): Buffer | null {
  const lines = new Lines(text)
  for (;;) {
    const name = nextName(lines)
    if (name === null) return null
    const block = readBlock(lines, name)
    if (block === null) return null
    if ((NAMES[kind] as readonly string[]).includes(name)) return block.hasHeader ? null : block.data
  }
}

interface Line {
  /** Without what is white space, a control character or not ASCII at its end (`sanitize_line`). */
  readonly text: string
  readonly hasColon: boolean
  /** Its end is not the end of the line. */
  readonly isPiece: boolean
}

class Lines {
  readonly #text: string
  #at = 0

  constructor(text: Buffer) {
    this.#text = text.toString('latin1')
  }

  next(): Line | null {
    if (this.#at >= this.#text.length) return null
    const piece = this.#text.slice(this.#at, this.#at + PIECE)
    const end = piece.indexOf('\n')
    const raw = end === -1 ? piece : piece.slice(0, end + 1)
    this.#at += raw.length
    return {
      text: raw.slice(0, endOf(raw)),
      hasColon: raw.includes(':'),
      isPiece: raw.length === PIECE && end === -1,
    }
  }
}

/** No expression: those that look for an end try every beginning. */
function endOf(line: string): number {
  let end = line.length
  while (end > 0 && isBlank(line.charCodeAt(end - 1))) end -= 1
  return end
}

function isBlank(unit: number): boolean {
  return unit <= 0x20 || unit >= 0x80
}

/** Of the block that begins next; a byte order mark may stand before it. */
function nextName(lines: Lines): string | null {
  for (let line = lines.next(), first = true; line !== null; line = lines.next(), first = false) {
    const text = first ? line.text.replace(/^\xef\xbb\xbf/, '') : line.text
    if (text.startsWith(BEGIN) && text.endsWith(TAIL)) return text.slice(BEGIN.length, -TAIL.length)
  }
  return null
}

/** What stands up to the end of the block; null if it has none, or is no base64. */
function readBlock(
  lines: Lines,
  name: string,
): { readonly hasHeader: boolean; readonly data: Buffer } | null {
  let place: 'unknown' | 'header' | 'data' = 'unknown'
  let wasPiece = false
  let isLast = false
  const parts = { header: '', data: '' }
  for (let line = lines.next(); line !== null; line = lines.next()) {
    const { text, isPiece } = line
    if (place === 'unknown' && line.hasColon) place = 'header'
    if (text === '') {
      if (!wasPiece) {
        if (place === 'data') return null
        place = 'data'
      }
      wasPiece = isPiece
      continue
    }
    wasPiece = isPiece
    if (text.startsWith(END)) {
      if (text !== `${END}${name}${TAIL}`) return null
      // Without an empty line there is no header: what was taken for one is the content.
      if (place === 'unknown') [parts.header, parts.data] = ['', parts.header]
      const data = decodePemBase64(parts.data)
      return data === null || data.length === 0 ? null : { hasHeader: parts.header !== '', data }
    }
    if (isLast) return null
    parts[place === 'data' ? 'data' : 'header'] += `${text}\n`
    if (place === 'data') {
      if (text.length > LINE) return null
      isLast = text.length < LINE
    }
  }
  return null
}
