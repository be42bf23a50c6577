/**
 * The content of a PEM block as OpenSSL decodes it (crypto/evp/encode.c `EVP_DecodeUpdate`): white space anywhere, groups of
 * four whole, at most two signs of padding in all and nothing behind them; a dash ends it. null for what it refuses.
 */
export function decodePemBase64(text: string): Buffer | null {
  const dash = text.indexOf('-')
  const digits = (dash === -1 ? text : text.slice(0, dash)).replace(/[\t\n\r ]/g, '')
  if (digits.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(digits)) return null
  return Buffer.from(digits, 'base64')
}

/**
 * The same as the base64 of python-cryptography reads it (the crate base64 0.13): no white space, padding may be missing, and
 * bits that stand for nothing must be 0.
 */
export function decodeStrictBase64(text: string): Buffer | null {
  const plain = /^([A-Za-z0-9+/]*)={0,2}$/.exec(text)?.[1]
  if (plain === undefined) return null
  const isPadded = plain.length < text.length
  const left = plain.length % 4
  if (left === 1 || (isPadded && (left === 0 || left + text.length - plain.length > 4))) return null
  const bytes = Buffer.from(plain, 'base64')
  return bytes.toString('base64').startsWith(plain) ? bytes : null
}
