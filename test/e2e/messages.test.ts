import { afterAll, beforeAll, expect, test } from 'vitest'
import type { HereDaemon } from './daemon.ts'
import { said } from './log-lines.ts'
import { type E2eWorld, e2eWorld, PREFIX } from './world.ts'

let world: E2eWorld
let daemon: HereDaemon

beforeAll(async () => {
  world = await e2eWorld()
  await world.prod.addTag('f43', { arches: 'x86_64' })
  await world.prod.addPackage('f43', 'bash')
  daemon = await world.start()
  await world.equal()
})
afterAll(() => world?.close())

const TAG = {
  tag: 'f43',
  tag_id: 2,
  build_id: 1,
  name: 'bash',
  version: '5',
  release: '1',
  user: 'admin',
  owner: 'admin',
}

/** Sends frames, and tells what became of each of the messages. */
async function outcomes(messages: readonly (string | Buffer)[][]): Promise<unknown[]> {
  const from = daemon.log.all.length
  for (const frames of messages) await world.bus.sendRaw(frames)
  const handled = () => daemon.log.all.slice(from).filter(said('message handled'))
  await daemon.log.until('all are handled', () => handled().length >= messages.length, { from })
  return handled().map(({ topic, outcome, reason }) => [topic, outcome, String(reason ?? '').split(':')[0]])
}

const envelope = (topic: string, msg: unknown) => {
  const [name, body] = world.bus.frames({ topic, body: {} })
  return [name, JSON.stringify({ ...(JSON.parse(body) as object), msg })]
}

test('what is no message of ours is refused or ignored, each with its reason, and the next one is heard', async () => {
  const topic = `${PREFIX}tag`
  const [, right = ''] = world.bus.frames({ topic: 'tag', body: TAG })
  const seen = await outcomes([
    [topic],
    [topic, right, 'a third frame'],
    [topic, 'not json'],
    [topic, '[1, 2]'],
    [topic, Buffer.from([0xff, 0xfe, 0x7b])],
    [topic, '{}'],
    [`${PREFIX}untag`, right],
    [topic, JSON.stringify({ ...JSON.parse(right), filler: 'x'.repeat(5 * 1024 * 1024) })],
    envelope('no.such.topic', TAG),
    envelope('tag', null),
    envelope('tag', { ...TAG, instance: 's390' }),
    envelope('repo.done', { instance: 'primary', tag: 'f43-build', tag_id: 3, repo_id: 5 }),
  ])
  expect(seen.map((one) => (one as string[])[1])).toEqual([
    ...Array(8).fill('refused'),
    'ignored',
    'refused',
    'refused',
    'ignored',
  ])
  const reasons = seen.map((one) => (one as string[])[2])
  for (const reason of ['frames', 'json', 'not-an-object', 'topic-mismatch', 'size'])
    expect(reasons).toContain(reason)
  expect(reasons).not.toContain('')
  expect(await daemon.metric('messages_refused_total', { reason: 'size' })).toBe(1)
  expect(await daemon.metric('messages_refused_total', { reason: 'frames' })).toBe(2)

  await world.prod.importBuild({ name: 'bash', version: '5', release: '1', rpms: [{ arch: 'x86_64' }] })
  await world.prod.tagBuild('f43', 'bash-5-1')
  await world.told(daemon).catch(() => {})
  await world.equal()
})

const WRONG: unknown[] = [
  null,
  true,
  -1,
  1.5,
  2 ** 53,
  '',
  '1',
  'a/b',
  '../..',
  '\0',
  '\ud800',
  'x'.repeat(3000),
  [],
  {},
  [1],
]

test('wrong types in every field of every kind of message stop nothing and stay in no queue', async () => {
  const bodies: Record<string, Record<string, unknown>> = {
    tag: TAG,
    untag: TAG,
    'build.state.change': {
      attribute: 'state',
      old: 0,
      new: 1,
      build_id: 1,
      name: 'bash',
      version: '5',
      release: '1',
      epoch: null,
      task_id: null,
      request: null,
      owner: 'admin',
    },
    'package.list.change': {
      action: 'add',
      tag: 'f43',
      package: 'bash',
      owner: 'admin',
      block: false,
      extra_arches: null,
      force: false,
      update: false,
    },
    'rpm.sign': {
      sigkey: 'abcdef12',
      sighash: '0'.repeat(32),
      build: { id: 1, build_id: 1, name: 'bash', version: '5', release: '1' },
      rpm: { id: 1, name: 'bash', version: '5', release: '1', arch: 'x86_64' },
    },
    'build.promote': {},
  }
  const messages: string[][] = []
  for (const [topic, body] of Object.entries(bodies)) {
    for (const field of [...Object.keys(body), 'instance', 'base_url']) {
      for (const wrong of WRONG)
        messages.push(envelope(topic, { instance: 'primary', ...body, [field]: wrong }))
    }
  }
  const seen = await outcomes(messages)
  expect(seen).toHaveLength(messages.length)
  const kinds = seen.map((one) => (one as string[])[1])
  expect(kinds).toContain('refused')
  expect(kinds).toContain('marked')
  // Names that prod does not have are asked for and end; none is parked as unreadable, none stops the loop.
  await expect
    .poll(() =>
      world.sql(
        `select key, last_code from staging_sync.queue where last_code in ('KEY_INVALID', 'QUEUE_ROW_INVALID', 'INTERNAL')`,
      ),
    )
    .toEqual([])
  await world.prod.retagBuild('f43', 'bash-5-1')
  await world.prod.importBuild({ name: 'bash', version: '5', release: '2', rpms: [{ arch: 'x86_64' }] })
  await world.prod.tagBuild('f43', 'bash-5-2')
  await expect.poll(() => world.differences({ tags: ['f43'] })).toEqual([])
  expect(daemon.log.all.filter((line) => line.level === 'error')).toEqual([])
  expect((await daemon.page('/healthz')).status).toBe(200)
})
