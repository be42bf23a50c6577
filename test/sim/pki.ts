import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'

/** A certificate authority as fedmsg has one, for tests and the demo: issues certificates and revocation lists. */
export interface Pki {
  /** PEM */
  readonly ca: string
  issue(options: IssueOptions): Signer
  /** PEM of a list of these serials. */
  crl(options?: CrlOptions): string
}

export interface IssueOptions {
  readonly commonName: string
  readonly serial?: number
  readonly notBefore?: Date
  readonly notAfter?: Date
}

export interface CrlOptions {
  readonly revoked?: readonly number[]
  readonly lastUpdate?: Date
  readonly nextUpdate?: Date
}

/** A sender: its certificate, and its way to sign a message. */
export interface Signer {
  readonly certificate: string
  /** The members that fedmsg adds, over the text that Python would write of the others. */
  sign(canonical: string): { readonly signature: string; readonly certificate: string }
}

const SHA256_RSA = '300d06092a864886f70d01010b0500'
const EPOCH = new Date('2012-01-01T00:00:00Z')
const END = new Date('2046-12-31T00:00:00Z')

export function createPki(name = 'test CA'): Pki {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const subject = nameOf(name)
  const basicConstraints = sequence(
    oid('551d13'),
    der(0x01, hex('ff')),
    der(0x04, sequence(der(0x01, hex('ff')))),
  )
  const period = { notBefore: EPOCH, notAfter: END }
  const ca = certificate(
    privateKey,
    { subject, issuer: subject, publicKey, serial: 1, ...period },
    basicConstraints,
  )
  let serials = 100
  return {
    ca,
    issue: ({ commonName, serial = ++serials, notBefore = EPOCH, notAfter = END }) => {
      // What Fedora's senders had, and fast to make.
      const keys = generateKeyPairSync('rsa', { modulusLength: 1024 })
      const wanted = { subject: nameOf(commonName), issuer: subject, publicKey: keys.publicKey, serial }
      return signer(keys.privateKey, certificate(privateKey, { ...wanted, notBefore, notAfter }))
    },
    crl: ({ revoked = [], lastUpdate = EPOCH, nextUpdate = END } = {}) => {
      const entries = revoked.map((serial) => sequence(integer(serial), time(lastUpdate)))
      const signed = sequence(
        integer(1),
        hex(SHA256_RSA),
        subject,
        time(lastUpdate),
        time(nextUpdate),
        ...(entries.length === 0 ? [] : [sequence(...entries)]),
      )
      return pem('X509 CRL', sealed(privateKey, signed))
    },
  }
}

function signer(key: KeyObject, text: string): Signer {
  const certificate = lines(Buffer.from(text))
  return {
    certificate: text,
    sign: (canonical) => {
      const signature = createSign('sha1').update(canonical, 'latin1').sign(key)
      return { signature: lines(signature), certificate }
    },
  }
}

interface Wanted {
  readonly subject: Buffer
  readonly issuer: Buffer
  readonly publicKey: KeyObject
  readonly serial: number
  readonly notBefore: Date
  readonly notAfter: Date
}

function certificate(key: KeyObject, wanted: Wanted, ...extensions: Buffer[]): string {
  const signed = sequence(
    der(0xa0, integer(2)),
    integer(wanted.serial),
    hex(SHA256_RSA),
    wanted.issuer,
    sequence(time(wanted.notBefore), time(wanted.notAfter)),
    wanted.subject,
    wanted.publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions))]),
  )
  return pem('CERTIFICATE', sealed(key, signed))
}

function sealed(key: KeyObject, signed: Buffer): Buffer {
  const signature = createSign('sha256').update(signed).sign(key)
  return sequence(signed, hex(SHA256_RSA), der(0x03, Buffer.concat([hex('00'), signature])))
}

function nameOf(commonName: string): Buffer {
  const attribute = (type: string, text: string): Buffer =>
    der(0x31, sequence(oid(type), der(0x0c, Buffer.from(text))))
  return sequence(attribute('55040a', 'Fedora Project'), attribute('550403', commonName))
}

function der(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function sequence(...members: Buffer[]): Buffer {
  return der(0x30, ...members)
}

function oid(text: string): Buffer {
  return der(0x06, hex(text))
}

function integer(value: number): Buffer {
  const text = value.toString(16)
  const even = text.length % 2 === 0 ? text : `0${text}`
  return der(0x02, hex(Number.parseInt(even.slice(0, 2), 16) > 0x7f ? `00${even}` : even))
}

function time(date: Date): Buffer {
  const text = date.toISOString().replace(/[-:T]|\.\d+/g, '')
  return date.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text))
}

function pem(label: string, content: Buffer): string {
  const base64 = content.toString('base64').replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`
}

/** Base64 as fedmsg cuts it: 76 characters and a line break. */
function lines(content: Buffer): string {
  return `${content.toString('base64').replace(/.{76}(?=.)/g, '$&\n')}\n`
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex')
}
