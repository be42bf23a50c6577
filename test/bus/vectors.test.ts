import { createHash, type KeyObject, verify, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { decodePythonBase64 } from '../../src/bus/signature/python-base64.ts'
import { readBusMessage, readDatagrepperItem, signedText } from '../../src/bus/signature/signed-message.ts'
import { judgeUnchecked } from '../../src/bus/signature/unchecked.ts'
import { Verifier } from '../../src/bus/signature/verifier.ts'
import { Certificate } from '../../src/bus/x509/certificate.ts'
import { Crl } from '../../src/bus/x509/crl.ts'
import { Trust } from '../../src/bus/x509/trust.ts'
import { CONFIGS, parseLines, SIGNED, text, VECTORS, verifierOf } from './signed.ts'

/** Valid where the key ring has the sender's key. The vectors bring none, so nothing can be said of them. */
const GPG_ONLY = ['gp-both', 'gp-valid', 'gp-topic-tampered', 'gp-no-crypto']

describe('messages of the reference implementation', () => {
  it("get the same verdict, all but those of GnuPG whose senders' keys are not known", async () => {
    const verifiers = new Map<string, Verifier>()
    const differ: unknown[] = []
    let judged = 0
    for (const vector of VECTORS) {
      const config = CONFIGS[vector.config]
      if (config === undefined) throw new Error(vector.config)
      const verifier = verifiers.get(vector.config) ?? verifierOf(config)
      verifiers.set(vector.config, verifier)
      const body = Buffer.from(vector.wire_body)
      const reason =
        config.validate_signatures === false
          ? judgeUnchecked(vector.path, body)
          : vector.path === 'bus'
            ? await verifier.verify(vector.wire_topic, body)
            : await verifier.verifyDatagrepper(body)
      judged += 1
      if ((reason === null ? 'valid' : 'invalid') !== vector.expect) differ.push([vector.name, reason])
    }
    expect(differ).toEqual(GPG_ONLY.map((name) => [name, 'gpg']))
    expect(judged).toBe(236)
  })

  it('have the same text that is signed, byte for byte', () => {
    const bodies = new Map(VECTORS.map((vector) => [vector.name, vector]))
    const canonical = parseLines<{ name: string; canonical: string; sha1: string }>(text('canonical.jsonl'))
    expect(canonical).toHaveLength(103)
    for (const { name, canonical: wanted, sha1 } of canonical) {
      const vector = bodies.get(name)
      if (vector === undefined) throw new Error(name)
      const ours = signedText(readBusMessage(vector.wire_topic, Buffer.from(vector.wire_body)))
      expect(ours, name).toBe(wanted)
      expect(createHash('sha1').update(ours, 'latin1').digest('hex'), name).toBe(sha1)
    }
  })

  it("that Fedora signed in 2017 carry their senders' signatures, once what datagrepper did is undone", () => {
    const path = join(SIGNED, '..', 'fedmsg', 'real-signed-koji-2017.datagrepper.jsonl')
    const lines = readFileSync(path, 'utf8').trim().split('\n')
    expect(lines).toHaveLength(13)
    for (const line of lines) {
      const message = readDatagrepperItem(Buffer.from(line))
      const { certificate, signature } = message.members as { certificate: string; signature: string }
      const key = new X509Certificate(decodePythonBase64(certificate) as Buffer).publicKey
      const bytes = decodePythonBase64(signature) as Buffer
      expect(verifySha1(signedText(message), key, bytes)).toBe(true)
      expect(verifySha1(signedText(readBusMessage(message.topic, Buffer.from(line))), key, bytes)).toBe(false)
    }
  })
})

interface Chains {
  readonly cas: Readonly<Record<string, string>>
  readonly crls: Readonly<Record<string, string>>
  readonly leaves: Readonly<Record<string, { readonly pem: string; readonly signature: string }>>
  /** ca, crl, leaf, verdict */
  readonly cases: readonly (readonly [string, string | null, string, 'valid' | 'invalid'])[]
}

it('odd certificates, CAs and revocation lists get the verdict of OpenSSL', async () => {
  const { cas, crls, leaves, cases } = JSON.parse(text('chains.json')) as Chains
  const policy = new Map([['t', new Set(['koji01', 'the CA'])]])
  const differ: unknown[] = []
  for (const [ca, crl, name, wanted] of cases) {
    const list = crl === null ? null : new Crl(Buffer.from(crls[crl] ?? ''))
    const trust = new Trust(Certificate.ofCa(Buffer.from(cas[ca] ?? '')), list)
    const trusted = { current: async () => trust, again: async () => null }
    const verifier = new Verifier({ trusted, policy, nitpicky: false, backends: ['x509'] })
    const leaf = leaves[name] ?? { pem: '', signature: '' }
    const certificate = Buffer.from(leaf.pem).toString('base64')
    const signed = { crypto: 'x509', i: 1, msg: { a: 1 }, msg_id: 'x', topic: 't' }
    const body = JSON.stringify({ ...signed, certificate, signature: leaf.signature })
    const reason = await verifier.verify('t', Buffer.from(body))
    if ((reason === null ? 'valid' : 'invalid') !== wanted) differ.push([ca, crl, name, reason])
  }
  expect(differ).toEqual([])
  expect(cases.length).toBeGreaterThan(800)
})

function verifySha1(signed: string, key: KeyObject, signature: Buffer): boolean {
  return verify('sha1', Buffer.from(signed, 'latin1'), key, signature)
}
