import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { checkSignatures } from '../../src/context/bus-trust.ts'
import { noStep } from '../../src/step.ts'
import { Seldom } from '../../src/telemetry/seldom.ts'
import { ConfigFolder, file } from '../config/files.ts'
import { createPki } from '../sim/pki.ts'

const folder = new ConfigFolder()
afterAll(() => folder.remove())
const pki = createPki()
const DAY_MS = 86_400_000

/** What doctor says of a bus with these lines. */
async function check(...lines: string[]): Promise<string> {
  const rest = ['[bus.fedmsg]', 'endpoints = ["tcp://a:1"]', ...lines].join('\n')
  const { status, message } = await checkSignatures(folder.load(file({ rest })), noStep)
  return `${status}: ${message}`
}

function put(name: string, text: string): string {
  folder.write(text, name)
  return JSON.stringify(join(folder.path, name))
}

const ca = `ca = ${put('ca.crt', pki.ca)}`

it('doctor tells whether signatures are checked, and whether they can be', async () => {
  const policy = `policy_file = ${put('policy.json', '{"t": ["a"], "u": []}')}`
  const until = (days: number): string => {
    const nextUpdate = new Date(Date.now() + days * DAY_MS)
    return `crl = ${put(`crl${days}.pem`, pki.crl({ revoked: [1_000, 1_001], nextUpdate }))}`
  }
  expect(await check('validate_signatures = false')).toBe(
    'warn: not checked: messages are taken from everybody',
  )
  expect(await check(ca)).toBe('ok: CA test CA, no revocation list, 0 topics with a policy')
  expect(await check(ca, policy, until(30))).toMatch(
    /^ok: CA test CA, 2 revoked \(list until \d{4}-\d\d-\d\d\), 2 topics with a policy$/,
  )
  expect(await check(ca, until(3))).toMatch(/^warn: CA test CA, 2 revoked/)
  expect(await check(ca, until(-1))).toBe('fail: no message can be accepted: crl-dates')
  expect(await check(ca, `crl = ${put('other.pem', createPki().crl())}`)).toBe(
    'fail: no message can be accepted: crl-signature',
  )
  expect(await check(ca, `crl = ${put('empty.pem', '')}`)).toBe('fail: no PEM block of a revocation list')
  expect(await check('ca = "/none.crt"')).toMatch(/^fail: bus: \/none\.crt cannot be read: ENOENT/)
})

it.each([
  ['', /cannot be read: Unexpected end of JSON input$/],
  ['[]', /must be \{"topic": \["common name", \.\.\.\], \.\.\.\}$/],
  ['{"t": "a"}', /; t is not$/],
  ['{"t": ["a", 1]}', /; t: 1 is not$/],
])('doctor names what is wrong with the policy %s', async (policy, words) => {
  expect(await check(ca, `policy_file = ${put('bad.json', policy)}`)).toMatch(words)
})

it('what happens often is told the first time, then once in a while with how often it was', () => {
  let nowMs = 0
  const seldom = new Seldom({ intervalMs: 1_000, nowMs: () => nowMs })
  const told = [0, 1, 2, 999, 1_000, 1_001, 2_500].map((ms) => {
    nowMs = ms
    return seldom.count('a')
  })
  expect(told).toEqual([1, null, null, null, 4, null, 2])
  expect(seldom.count('b')).toBe(1)
})
