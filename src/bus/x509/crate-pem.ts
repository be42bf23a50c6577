import { decodeStrictBase64 } from './pem-base64.ts'

const BEGIN = '-----BEGIN '
const END = '-----END '
const TAIL = '-----'
const CERTIFICATES: readonly string[] = ['CERTIFICATE', 'X509 CERTIFICATE']

/**
 * The bytes of the first certificate of a PEM text, as python-cryptography finds it (its crate pem 1): marks may stand
 * anywhere, also within a line, and every block of the text must be one. null where it raises.
 */
export function readCratePem(text: Buffer): Buffer | null {
  const latin = text.toString('latin1')
  let found: Buffer | null = null
  for (let at = 0; ; ) {
    const block = readBlock(latin, at)
    if (block === null) return found
    const data = decodeBlock(block)
    if (data === null) return null
    if (found === null && CERTIFICATES.includes(block.begin)) found = data
    at = block.next
  }
}

interface Block {
  readonly begin: string
  readonly body: string
  readonly end: string
  readonly next: number
}

/** null: the text ends before the block does, and what there is of it is not looked at. */
function readBlock(text: string, from: number): Block | null {
  const beginStart = after(text, BEGIN, from)
  const bodyStart = after(text, TAIL, beginStart)
  const endStart = after(text, END, bodyStart)
  const next = after(text, TAIL, endStart)
  if (next === -1) return null
  return {
    begin: text.slice(beginStart, bodyStart - TAIL.length),
    body: text.slice(bodyStart, endStart - END.length).replace(/^[ \t\n\r]+/, ''),
    end: text.slice(endStart, next - TAIL.length),
    next,
  }
}

/** Where the mark ends; -1 if it does not come. A dash too many before it hides it, as the crate never looks back. */
function after(text: string, mark: string, from: number): number {
  if (from === -1) return -1
  let found = 0
  for (let at = from; at < text.length; at += 1) {
    found = text[at] === mark[found] ? found + 1 : 0
    if (found === mark.length) return at + 1
  }
  return -1
}

/** White space of Unicode at the ends of lines does not count, elsewhere it does. */
function decodeBlock({ begin, body, end }: Block): Buffer | null {
  if (begin === '' || begin !== end) return null
  const text = utf8(body)
  if (text === null || utf8(begin) === null) return null
  return decodeStrictBase64(
    text
      .split('\n')
      .map((line) => line.replace(/\p{White_Space}+$/u, ''))
      .join(''),
  )
}

function utf8(latin: string): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(latin, 'latin1'))
  } catch {
    return null
  }
}
