import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { VerifyReason } from '../../src/model/verify-reasons.ts'
import { runHere } from '../cli/scripted.ts'
import { CONFIGS, SIGNED, text, VECTORS } from './signed.ts'

/** Without gpg nothing can be judged, and that is said. */
const hasGpg = spawnSync('gpg', ['--version']).status === 0
const signature = text(join('gpg', 'signature.b64'))
const msg = { a: 1, b: 'é' }
const topic = 'org.debian.prod.debmessenger.foo'

function scratch(): string {
  const path = mkdtempSync(join(tmpdir(), 'kss-gpg-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return path
}

function keyRing(): string {
  const home = scratch()
  copyFileSync(join(SIGNED, 'gpg', 'pubring.gpg'), join(home, 'pubring.gpg'))
  return home
}

/** What verify-message says of such a body; `home`: the key ring. */
async function judge(body: object, home: string, backends = 'gpg'): Promise<[VerifyReason | null, number]> {
  const line = JSON.stringify({ wire_topic: topic, wire_body: JSON.stringify(body) })
  const ca = join(SIGNED, 'pki', CONFIGS.default?.ca ?? '')
  const argv = ['verify-message', '--ca', ca, '--backends', backends, '--gpg-home', home]
  const lines = join(scratch(), 'lines')
  writeFileSync(lines, line)
  const { code, stdout } = await runHere([...argv, lines])
  return [JSON.parse(stdout).reason, code]
}

it('signatures of GnuPG are judged by gpg and a key ring, as the reference does', async () => {
  const home = keyRing()
  const good = { crypto: 'gpg', i: 1, msg, topic, signature }
  const { crypto: _crypto, ...old } = good
  const { msg: _msg, ...empty } = good
  const judged = async (body: object, backends?: string) => (await judge(body, home, backends))[0]
  const verdicts = [
    await judged(good),
    await judged(old, 'x509,gpg'),
    // Only `msg` is signed.
    await judged({ ...good, i: 2, username: 'x' }),
    await judged({ ...good, msg: { a: 2 } }),
    await judged({ ...good, signature: 'AAAA' }),
    await judged(empty),
    await judged(good, 'x509'),
  ]
  const g = (reason: VerifyReason | null) => (hasGpg ? reason : 'gpg')
  expect(verdicts).toEqual([
    g(null),
    g(null),
    g(null),
    g('signature'),
    g('signature'),
    'signature',
    'backend',
  ])
})

it('a key ring without the key makes a signature bad; none at all leaves it open', async () => {
  const home = keyRing()
  const vector = VECTORS.find(({ name }) => name === 'gp-valid')
  const body = JSON.parse(vector?.wire_body ?? '')
  expect(await judge(body, home)).toEqual(hasGpg ? ['signature', 0] : ['gpg', 1])
  expect(await judge(body, join(home, 'none'))).toEqual(['gpg', 1])
})
