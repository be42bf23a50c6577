/**
 * The bytes of the first PEM block of a kind, text before and after it ignored; null if there is none. OpenSSL (crypto/pem
 * `check_pem`) takes the old name `X509 CERTIFICATE` for a certificate, but not `TRUSTED CERTIFICATE`.
 */
export function readPem(text: Buffer, kind: 'certificate' | 'crl'): Buffer | null {
  const label = kind === 'crl' ? 'X509 CRL' : '(?:X509 )?CERTIFICATE'
  const begin = new RegExp(`^(?:\\xef\\xbb\\xbf)?-----BEGIN (${label})-----[ \\t]*\\r?\\n`, 'm')
  const latin = text.toString('latin1')
  const found = begin.exec(latin)
  // One inside of a line is none for OpenSSL, and breaks python-cryptography, which reads the same text.
  if (found === null || /[^\n]-----BEGIN /.test(latin.slice(0, found.index))) return null
  const start = found.index + found[0].length
  const end = latin.indexOf('-----', start)
  if (end === -1 || latin[end - 1] !== '\n') return null
  if (!new RegExp(`^-----END ${found[1]}-----[ \\t]*(?:\\r?\\n|$)`).test(latin.slice(end, end + 64)))
    return null
  const body = latin.slice(start, end)
  // An empty line ends the headers that PEM may have; between the lines of the content there is none.
  if (/\n[ \t]*\r?\n/.test(body.trimStart())) return null
  const base64 = body.replace(/[ \t\v\f\r\n]/g, '')
  if (base64 === '' || base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return null
  return Buffer.from(base64, 'base64')
}
