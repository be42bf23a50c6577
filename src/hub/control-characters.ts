/*
 * The hub sends stored text as it is (NOTES: nothing filters it), also characters that XML 1.0 forbids, and a carriage
 * return that an XML parser would turn into a line feed. So that a strict parser lets them pass unharmed, each is
 * written as two characters that XML allows, and put back in the parsed text.
 */

/** A noncharacter that XML 1.0 allows; it stands for "the next one is not itself". */
const ESCAPE = 0xfdd0
/** Added to a code to get into the private use area. Codes that are escaped: 0-31, 0xFFFE, 0xFFFF, ESCAPE. */
const SHIFT = 0xe000
const ESCAPED = '\\u0000-\\u0008\\u000b-\\u001f\\ufffe\\uffff\\ufdd0'
const FORBIDDEN = new RegExp(`[${ESCAPED}]`)

/** Any piece of a document, cut anywhere. */
export function hideControlCharacters(text: string): string {
  if (!FORBIDDEN.test(text)) return text
  const units = new Uint16Array(2 * text.length)
  let length = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (isForbidden(code)) {
      units[length] = ESCAPE
      units[length + 1] = SHIFT + (code & 0xfff)
      length += 2
    } else {
      units[length] = code
      length += 1
    }
  }
  return textOf(units, length)
}

/** The text as the hub sent it. */
export function showControlCharacters(text: string): string {
  if (!text.includes(String.fromCharCode(ESCAPE))) return text
  const units = new Uint16Array(text.length)
  let length = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    const isPair = code === ESCAPE && at + 1 < text.length
    if (isPair) at += 1
    units[length] = isPair ? shown(text.charCodeAt(at) - SHIFT) : code
    length += 1
  }
  return textOf(units, length)
}

function isForbidden(code: number): boolean {
  return (code < 0x20 && code !== 9 && code !== 10) || code === 0xfffe || code === 0xffff || code === ESCAPE
}

function shown(code: number): number {
  return code < 0x20 ? code : code | 0xf000
}

/** No `replace` with a function: that remembers every match until the end, 200 bytes for each byte of an answer. */
function textOf(units: Uint16Array, length: number): string {
  const pieces: string[] = []
  for (let at = 0; at < length; at += 8_192)
    pieces.push(String.fromCharCode(...units.subarray(at, Math.min(at + 8_192, length))))
  return pieces.join('')
}
