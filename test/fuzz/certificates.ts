import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { Certificate } from '../../src/bus/x509/certificate.ts'
import { Crl } from '../../src/bus/x509/crl.ts'
import { Trust } from '../../src/bus/x509/trust.ts'
import { SIGNED } from '../bus/signed.ts'
import { type Edit, edited, edits } from './edits.ts'

const folder = join(SIGNED, 'pki')
const files = readdirSync(folder)
  .filter((name) => /\.(crt|pem)$/.test(name))
  .map((name) => readFileSync(join(folder, name)))
const ca = Certificate.ofCa(readFileSync(join(folder, 'ca.crt')))
const crl = new Crl(readFileSync(join(folder, 'crl.pem')))
const trust = new Trust(ca, crl)

const pieces = fc.oneof(
  fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
  fc
    .constantFrom('\n', '-----', '=', ' ', 'A', '-----BEGIN CERTIFICATE-----\n', '\0')
    .map((text) => Buffer.from(text)),
)
const derPieces = fc.oneof(
  fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
  fc
    .constantFrom(
      [0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
      [0x30, 0x80],
      [0x1f],
      [0x06, 0x00],
      [0x02, 0x00],
      [0x03, 0x01],
    )
    .map((bytes) => Buffer.from(bytes)),
)

/** Whatever stands in place of a certificate or list is refused by an error, or judged. */
function read(text: Buffer): void {
  for (const make of [Certificate.ofSender, Certificate.ofCa]) {
    const certificate = attempt(() => make(text))
    if (certificate === null) continue
    if (trust.judge(certificate, 1_800_000_000) === null && !isKnown(certificate))
      throw new Error('trusted, and never issued')
    new Trust(certificate, crl).problem(1_800_000_000)
  }
  const list = attempt(() => new Crl(text))
  if (list !== null) new Trust(ca, list).problem(1_800_000_000)
}

const issued = new Set(
  files.map((text) => attempt(() => Certificate.ofSender(text))?.x509.raw.toString('hex')),
)

function isKnown(certificate: Certificate): boolean {
  return issued.has(certificate.x509.raw.toString('hex'))
}

function attempt<T>(make: () => T): T | null {
  try {
    return make()
  } catch (error) {
    if (error instanceof Error) return null
    throw error
  }
}

/** PEM texts of certificates and lists with bytes changed. */
export const certificateTexts = fc.property(
  fc.constantFrom(...files),
  edits(pieces, { maxEdits: 4, maxCut: 70 }),
  (text: Buffer, changes: readonly Edit[]) => read(edited(text, changes)),
)

/** The same with the encoded content changed. */
export const certificateContents = fc.property(
  fc.constantFrom(...files),
  edits(derPieces, { maxEdits: 3, maxCut: 4 }),
  (text: Buffer, changes: readonly Edit[]) => {
    const [, label = 'CERTIFICATE', base64 = ''] =
      /-----BEGIN ([^-]+)-----\n([^-]+)-----END/.exec(text.toString('latin1')) ?? []
    const content = edited(Buffer.from(base64, 'base64'), changes).toString('base64')
    read(Buffer.from(`-----BEGIN ${label}-----\n${content}\n-----END ${label}-----\n`))
  },
)
