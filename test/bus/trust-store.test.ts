import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TrustStore, type TrustStoreOptions } from '../../src/bus/signature/trust-store.ts'
import { Verifier } from '../../src/bus/signature/verifier.ts'
import { noStep } from '../../src/step.ts'
import { signMessage } from '../sim/bus-publisher.ts'
import { createPki, type Signer } from '../sim/pki.ts'
import { until } from './publisher.ts'

const closers: (() => unknown)[] = []
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kss-trust-'))
  closers.push(() => rmSync(folder, { recursive: true }))
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const pki = createPki()
const other = createPki()
const hub = pki.issue({ commonName: 'koji01', serial: 7 })

/** A clock that a test moves, and a verifier over a store that counts what it reads. */
function world(options: Partial<TrustStoreOptions> = {}) {
  const reads: string[] = []
  const clock = { ms: 1_000_000, date: Date.parse('2026-01-01T00:00:00Z') }
  const trusted = new TrustStore({
    ca: file('ca.crt', pki.ca),
    crl: null,
    step: noStep,
    onRead: ({ what, outcome }) => reads.push(`${what} ${outcome}`),
    maxAgeMs: 10_000,
    retryMs: 1_000,
    monotonicMs: () => clock.ms,
    ...options,
  })
  const verifier = new Verifier({
    trusted,
    policy: new Map(),
    nitpicky: false,
    backends: ['x509'],
    now: () => clock.date,
  })
  const verify = (signer: Signer) => verifier.verify('t', message(signer))
  /** The list is old now: a message comes, and it has been read again. */
  const age = async (): Promise<void> => {
    const listReads = (): number => reads.filter((read) => read.startsWith('crl ')).length
    const before = listReads()
    clock.ms += 10_001
    await verify(hub)
    await until(() => listReads() > before)
  }
  return { reads, clock, verify, age }
}

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

function message(signer: Signer): Buffer {
  return Buffer.from(JSON.stringify(signMessage({ i: 1, msg: {}, topic: 't' }, signer)))
}

describe('CA and revocation list', () => {
  it('that are rotated are taken over by the first message that needs them', async () => {
    const { verify, clock, reads } = world()
    expect(await verify(hub)).toBe(null)
    file('ca.crt', other.ca)
    clock.ms += 2_000
    expect(await verify(other.issue({ commonName: 'koji01' }))).toBe(null)
    expect(await verify(hub)).toBe('issuer')
    expect(reads).toEqual(['ca changed', 'ca changed'])
  })

  it('are read again in the background when they are old', async () => {
    const { verify, age, reads } = world({ crl: file('crl.pem', pki.crl()) })
    expect(await verify(hub)).toBe(null)
    file('crl.pem', pki.crl({ revoked: [7] }))
    await age()
    expect(await verify(hub)).toBe('revoked')
    expect(reads.filter((read) => read === 'crl changed')).toHaveLength(2)
  })

  it('stay when they cannot be read any more, or become nonsense, which is told once', async () => {
    const { verify, age, reads } = world({ crl: file('crl.pem', pki.crl()) })
    expect(await verify(hub)).toBe(null)
    for (const text of ['', 'nonsense', pki.crl().slice(0, 200)]) {
      file('crl.pem', text)
      await age()
      expect(await verify(hub)).toBe(null)
      expect(await verify(hub)).toBe(null)
    }
    rmSync(join(folder, 'crl.pem'))
    await age()
    expect(await verify(hub)).toBe(null)
    expect(reads.filter((read) => read === 'crl failed')).toHaveLength(4)
  })

  it('that were never there, or are empty, refuse everything, and are read once they are', async () => {
    const { verify, clock, age } = world({ ca: join(folder, 'none.crt'), crl: file('crl.pem', '') })
    expect(await verify(hub)).toBe('ca-unreadable')
    file('none.crt', pki.ca)
    expect(await verify(hub)).toBe('ca-unreadable') // not yet asked again
    clock.ms += 1_001
    expect(await verify(hub)).toBe('crl-unreadable')
    file('crl.pem', pki.crl())
    await age()
    expect(await verify(hub)).toBe(null)
  })

  it('refuse by their dates, to the second, whatever the message says of its own', async () => {
    const at = (text: string): Date => new Date(text)
    const lastUpdate = at('2026-01-01T00:00:00Z')
    const nextUpdate = at('2026-02-01T00:00:00Z')
    const { verify, clock } = world({ crl: file('crl.pem', pki.crl({ lastUpdate, nextUpdate })) })
    const short = pki.issue({
      commonName: 'koji01',
      notBefore: at('2026-01-10T00:00:00Z'),
      notAfter: at('2026-01-20T00:00:00Z'),
    })
    const verdict = async (signer: Signer, text: string) => {
      clock.date = Date.parse(text)
      return verify(signer)
    }
    expect(await verdict(hub, '2025-12-31T23:59:59.999Z')).toBe('crl-dates')
    expect(await verdict(hub, '2026-01-01T00:00:00.000Z')).toBe(null)
    expect(await verdict(hub, '2026-01-31T23:59:59.999Z')).toBe(null)
    expect(await verdict(hub, '2026-02-01T00:00:00.000Z')).toBe('crl-dates')
    expect(await verdict(short, '2026-01-09T23:59:59.999Z')).toBe('certificate-dates')
    expect(await verdict(short, '2026-01-10T00:00:00.000Z')).toBe(null)
    expect(await verdict(short, '2026-01-19T23:59:59.999Z')).toBe(null)
    expect(await verdict(short, '2026-01-20T00:00:00.000Z')).toBe('certificate-dates')
    expect(await verdict(hub, '2047-01-01T00:00:00.000Z')).toBe('ca-dates')
  })
})

describe('from a web server', () => {
  it('a flood of bad messages fetches no more than one at a time allows, and redirects are followed', async () => {
    const asked: (string | undefined)[] = []
    const server = createServer(({ url }, response) => {
      asked.push(url)
      if (url === '/old.crt') response.writeHead(302, { location: '/ca.crt' }).end()
      else if (url === '/ca.crt') response.end(pki.ca)
      else response.writeHead(404).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closers.push(
      () => server.closeAllConnections(),
      () => server.close(),
    )
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { verify, clock } = world({ ca: `${address}/old.crt`, retryMs: 60_000, maxAgeMs: 1_800_000 })
    const strangers = Array.from({ length: 5 }, () => other.issue({ commonName: 'koji01' }))
    for (let n = 0; n < 100; n++) {
      expect(await verify(strangers[n % 5] as Signer)).toBe('issuer')
      clock.ms += 500
    }
    expect(asked).toHaveLength(2)
    clock.ms += 60_000
    expect(await verify(hub)).toBe(null)
    expect(asked).toHaveLength(2)
    expect(await Promise.all(strangers.map(verify))).toEqual(Array(5).fill('issuer'))
    expect(asked).toHaveLength(4)

    const missing = world({ ca: `${address}/ca.crt`, crl: `${address}/crl.pem` })
    for (let n = 0; n < 20; n++) expect(await missing.verify(hub)).toBe('crl-unreadable')
    expect(asked.filter((url) => url === '/crl.pem')).toHaveLength(1)
  })
})
