/*
 * The hub sends stored text as it is (NOTES: nothing filters it), also characters that XML 1.0 forbids, and a carriage
 * return that an XML parser would turn into a line feed. So that a strict parser lets them pass unharmed, each is
 * written as two characters that XML allows, and put back in the parsed text.
 */

/** A noncharacter that XML 1.0 allows; it stands for "the next one is not itself". */
const ESCAPE = '\ufdd0'
/** Added to a code to get into the private use area. Codes that are escaped: 0-31, 0xFFFE, 0xFFFF, ESCAPE. */
const SHIFT = 0xe000
const ESCAPED = '\\u0000-\\u0008\\u000b-\\u001f\\ufffe\\uffff\\ufdd0'

const FORBIDDEN = new RegExp(`[${ESCAPED}]`, 'g')
const PAIR = new RegExp(`${ESCAPE}([\\u0000-\\uffff])`, 'g')

/** Any piece of a document, cut anywhere. */
export function hideControlCharacters(text: string): string {
  return text.replace(FORBIDDEN, (character) => {
    const code = character.charCodeAt(0)
    return ESCAPE + String.fromCharCode(SHIFT + (code & 0xfff))
  })
}

/** The text as the hub sent it. */
export function showControlCharacters(text: string): string {
  if (!text.includes(ESCAPE)) return text
  return text.replace(PAIR, (_, shifted: string) => {
    const code = shifted.charCodeAt(0) - SHIFT
    return String.fromCharCode(code < 0x20 ? code : code | 0xf000)
  })
}
