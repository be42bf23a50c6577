import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { CONFIGS, SIGNED, VECTORS } from '../bus/signed.ts'
import { runHere } from './scripted.ts'

const folder = mkdtempSync(join(tmpdir(), 'kss-verify-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(...lines: unknown[]): string {
  const path = join(folder, 'lines')
  writeFileSync(
    path,
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  )
  return path
}

function flags(name: string): string[] {
  const { ca, crl, policy, nitpicky, backends, validate_signatures } =
    CONFIGS[name] ?? CONFIGS.default ?? fail()
  const pki = (one: string): string => join(SIGNED, 'pki', one)
  return [
    ...['--ca', pki(ca), '--backends', backends.join(',')],
    ...(crl === null ? [] : ['--crl', pki(crl)]),
    ...(policy === null ? [] : ['--policy', join(SIGNED, policy)]),
    ...(nitpicky ? ['--nitpicky'] : []),
    ...(validate_signatures === false ? ['--no-validation'] : []),
  ]
}

function fail(): never {
  throw new Error('no configuration')
}

const named = (name: string) => VECTORS.find((one) => one.name === name) ?? fail()

describe('verify-message', () => {
  it('prints the verdict of the reference for each line, and ends with 0', async () => {
    const configs = [
      'default',
      'nitpicky',
      'nopolicy',
      'nocrl',
      'crl-forged',
      'ca-missing-file',
      'no-validation',
    ]
    for (const config of configs) {
      const vectors = VECTORS.filter((one) => one.config === config)
      const { code, stdout } = await runHere(['verify-message', ...flags(config), file(...vectors)])
      const verdicts = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(verdicts.map(({ name, verdict }) => [name, verdict])).toEqual(
        vectors.map(({ name, expect: wanted }) => [name, wanted]),
      )
      expect(verdicts.every(({ verdict, reason }) => (verdict === 'valid') === (reason === null))).toBe(true)
      expect(code).toBe(0)
    }
  })

  it('takes bodies as base64, and skips empty lines', async () => {
    const { wire_body: body, ...rest } = named('en-plain')
    const line = { ...rest, wire_body_b64: Buffer.from(body).toString('base64') }
    const { code, stdout } = await runHere(['verify-message', ...flags('default'), file('', line, '')])
    expect([code, stdout]).toEqual([0, '{"name":"en-plain","verdict":"valid","reason":null}\n'])
  })

  it('without validation takes whatever can be read, as the reference does', async () => {
    const bodies = ['[]', '{"a": 1}', 'null', '{', '\ufeff{}']
    const lines = bodies.map((body) => ({ wire_topic: 't', wire_body: body }))
    const path = file(...lines, { path: 'datagrepper', wire_body: '[]' })
    const { stdout } = await runHere(['verify-message', ...flags('no-validation'), path])
    const reasons = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).reason)
    expect(reasons).toEqual([null, null, null, 'json', 'json', 'not-an-object'])
  })

  it('ends with 1 when a line is no message, or has a signature that cannot be judged', async () => {
    const bad = [
      '{',
      '[]',
      'null',
      { name: 'a' },
      { ...named('en-plain'), path: 'mail' },
      { wire_topic: 't' },
    ]
    const { code, stdout } = await runHere([
      'verify-message',
      ...flags('default'),
      file(...bad, named('en-plain')),
    ])
    const verdicts = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(verdicts.map(({ reason }) => reason)).toEqual([...bad.map(() => 'input'), null])
    expect(code).toBe(1)
    const gpg = await runHere(['verify-message', ...flags('gpg'), file(named('gp-valid'))])
    expect([gpg.code, gpg.stdout]).toEqual([1, '{"name":"gp-valid","verdict":"invalid","reason":"gpg"}\n'])
  })

  it.each([
    [[], 2, "required option '--ca <location>' not specified"],
    [['--ca', '/ca', '--backends', 'pgp'], 2, 'x509 and gpg are known'],
    [['--ca', '/ca', '--policy', '/none.json'], 78, '--policy: /none.json cannot be read'],
    [['--ca', '/ca', '/none'], 78, '/none cannot be read'],
  ])('says what is wrong with %j', async (argv, wanted, text) => {
    const { code, stdout, stderr } = await runHere(['verify-message', ...argv])
    expect([code, stdout]).toEqual([wanted, ''])
    expect(stderr).toContain(text)
  })
})
