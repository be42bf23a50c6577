import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { Verifier } from '../../src/bus/signature/verifier.ts'
import { Certificate } from '../../src/bus/x509/certificate.ts'
import { readCratePem } from '../../src/bus/x509/crate-pem.ts'
import { Crl } from '../../src/bus/x509/crl.ts'
import { readPem } from '../../src/bus/x509/pem.ts'
import { Trust } from '../../src/bus/x509/trust.ts'
import { SIGNED } from './signed.ts'

function readGz(name: string): unknown {
  return JSON.parse(gunzipSync(readFileSync(join(SIGNED, name))).toString())
}

interface Forms {
  readonly der: string
  /** bytes as latin1, whether OpenSSL 3.0 reads the certificate of it, whether python-cryptography 38 does */
  readonly forms: readonly (readonly [string, boolean, boolean])[]
}

describe('a certificate written in odd ways', () => {
  const { der, forms } = readGz('pem-forms.json.gz') as Forms
  const certificate = Buffer.from(der, 'base64')
  const texts = forms.map(([text, openSsl, crate]) => ({ text: Buffer.from(text, 'latin1'), openSsl, crate }))

  it('is read where OpenSSL reads it', () => {
    const differ = texts.filter(({ text, openSsl }) => {
      const read = readPem(text, 'certificate')
      return (read?.subarray(0, certificate.length).equals(certificate) ?? false) !== openSsl
    })
    expect(differ.map(({ text }) => text.toString('latin1'))).toEqual([])
    expect(texts.length).toBeGreaterThan(500)
  })

  it('is read where python-cryptography reads it', () => {
    const differ = texts.filter(
      ({ text, crate }) => (readCratePem(text)?.equals(certificate) ?? false) !== crate,
    )
    expect(differ.map(({ text }) => text.toString('latin1'))).toEqual([])
  })

  it('is none of a sender when the two would read another each', () => {
    const pem = (bytes: Buffer) =>
      `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64')}\n-----END CERTIFICATE-----\n`
    const other = Buffer.concat([certificate.subarray(0, -1), Buffer.from([(certificate.at(-1) ?? 0) ^ 1])])
    // OpenSSL wants the mark at the beginning of a line.
    const text = Buffer.from(` ${pem(other)}${pem(certificate)}`)
    expect(readPem(text, 'certificate')).toEqual(certificate)
    expect(readCratePem(text)).toEqual(other)
    expect(() => Certificate.ofSender(text)).toThrow('no PEM block')
    expect(Certificate.ofSender(Buffer.from(pem(certificate))).commonName).toBe('koji01')
  })
})

interface OddChains {
  readonly signed: object
  readonly signature: string
  /** DER, base64 */
  readonly ders: readonly string[]
  /** what is odd, and by their index: CA, list, sender; the reference's verdict */
  readonly cases: readonly (readonly [
    'leaf' | 'ca' | 'crl',
    number,
    number | null,
    number,
    'valid' | 'invalid',
  ])[]
}

/**
 * Where we are stricter than OpenSSL, all in what only the operator's own CA can make: name constraints, an entry with a critical
 * reason that cannot be read, an entry of another issuer.
 */
const STRICTER: ReadonlySet<string | null> = new Set([
  'ca-unusable',
  'crl-extension',
  'ca-revoked',
  'revoked',
])

it('signed parts that were mutated and signed again get the verdict of the reference', async () => {
  const { signed, signature, ders, cases } = readGz('odd-chains.json.gz') as OddChains
  const pem = (label: string, index: number): Buffer =>
    Buffer.from(`-----BEGIN ${label}-----\n${ders[index]}\n-----END ${label}-----\n`)
  const judge = async (ca: number, crl: number | null, sender: number): Promise<string | null> => {
    const read = (): Trust =>
      new Trust(Certificate.ofCa(pem('CERTIFICATE', ca)), crl === null ? null : new Crl(pem('X509 CRL', crl)))
    let trust: Trust
    try {
      trust = read()
    } catch {
      return 'unreadable'
    }
    const verifier = new Verifier({
      trusted: { current: async () => trust, again: async () => null },
      policy: new Map([['t', new Set(['koji01', 'köji', 'the CA'])]]),
      nitpicky: false,
      backends: ['x509'],
      now: () => Date.parse('2026-11-22T17:22:00Z'),
    })
    const certificate = pem('CERTIFICATE', sender).toString('base64')
    return verifier.verify('t', Buffer.from(JSON.stringify({ ...signed, certificate, signature })))
  }
  const looser: unknown[] = []
  const stricter: unknown[] = []
  for (const [odd, ca, crl, sender, wanted] of cases) {
    const reason = await judge(ca, crl, sender)
    if (reason === null && wanted === 'invalid') looser.push([odd, ca, crl, sender])
    const known = odd !== 'leaf' && STRICTER.has(reason)
    if (reason !== null && wanted === 'valid' && !known) stricter.push([odd, ca, crl, sender, reason])
  }
  expect(looser).toEqual([])
  expect(stricter).toEqual([])
  expect(cases.length).toBeGreaterThan(500)
})
