import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { signMessage } from '../sim/bus-publisher.ts'
import { createPki } from '../sim/pki.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { scratchHome } from '../support/scratch.ts'
import { said } from './log-lines.ts'
import { e2eWorld, PREFIX } from './world.ts'

const closers: (() => unknown)[] = []
afterAll(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const FAKE = {
  name: 'bash',
  version: '5',
  release: '1',
  build_id: 1,
  tag: 'f43',
  tag_id: 1,
  instance: 'primary',
}

test('only what prod signed is acted on at once, and what was dropped is found by catch-up', {
  timeout: PATIENCE_MS,
}, async () => {
  const directory = await mkdtemp(join(scratchHome(), 'kss-trust-'))
  closers.push(() => rm(directory, { recursive: true, force: true }))
  const pki = createPki()
  const path = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), text)
    return JSON.stringify(join(directory, name))
  }
  const hub = pki.issue({ commonName: 'koji01' })
  const world = await e2eWorld({
    signer: hub,
    busConfig: [
      `ca = ${await path('ca.crt', pki.ca)}`,
      `crl = ${await path('crl.pem', pki.crl({ revoked: [7] }))}`,
      `policy_file = ${await path('policy.json', JSON.stringify({ [`${PREFIX}tag`]: ['koji01'] }))}`,
    ].join('\n'),
  })
  closers.push(() => world.close())
  const daemon = await world.start()
  await world.prod.addTag('f43', { arches: 'x86_64' })
  await world.prod.addPackage('f43', 'bash')
  await world.prod.importBuild({ name: 'bash', version: '5', release: '1', rpms: [] })
  await world.prod.tagBuild('f43', 'bash-5-1')
  await world.told(daemon)
  await world.equal()
  const marked = await daemon.metric('messages_total', { topic: 'tag', outcome: 'marked' })
  expect(marked).toBeGreaterThan(0)

  // Prod changes, and what it says of it is forged on the way, or comes from others.
  world.announce = 'keep'
  await world.prod.untagBuild('f43', 'bash-5-1')
  const message = { i: 1, msg: FAKE, msg_id: 'x', timestamp: 1, topic: `${PREFIX}tag`, username: 'apache' }
  const stranger = createPki().issue({ commonName: 'koji01' })
  const forged: [reason: string, body: object][] = [
    ['unsigned', message],
    ['signature', { ...signMessage(message, hub), i: 2 }],
    ['issuer', signMessage(message, stranger)],
    ['revoked', signMessage(message, pki.issue({ commonName: 'koji01', serial: 7 }))],
    ['policy', signMessage(message, pki.issue({ commonName: 'git01' }))],
  ]
  for (const [reason, body] of [...forged, ...forged]) {
    await world.bus.sendRaw([message.topic, JSON.stringify(body)])
    await daemon.log.until(`refused: ${reason}`, said('message handled', { reason: `verify:${reason}` }))
  }
  await world.heard(daemon)
  for (const [reason] of forged) {
    expect([reason, await daemon.metric('messages_refused_total', { reason: `verify:${reason}` })]).toEqual([
      reason,
      2,
    ])
  }
  expect(await daemon.metric('messages_total', { topic: 'tag', outcome: 'marked' })).toBe(marked)
  const told = daemon.log.all.filter((line) => line.msg === 'messages refused: not signed as they should be')
  expect(told.map(({ reason, count }) => [reason, count])).toEqual(forged.map(([reason]) => [reason, 1]))
  expect(await world.differences({ tags: ['f43'] })).not.toEqual([])

  await world.start()
  await world.equal()
})
