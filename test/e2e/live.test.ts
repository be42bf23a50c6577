import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PATIENCE_MS } from '../support/patience.ts'
import type { HereDaemon } from './daemon.ts'
import { seeded, shuffled } from './gates.ts'
import { said } from './log-lines.ts'
import { type E2eWorld, e2eWorld } from './world.ts'

let world: E2eWorld
let daemon: HereDaemon

beforeAll(async () => {
  world = await e2eWorld()
  const { prod } = world
  await prod.addTag('f43', { arches: 'x86_64 aarch64' })
  await prod.addTag('f43-updates', { arches: 'x86_64', parent: 'f43' })
  await prod.addPackage('f43', 'kernel')
  daemon = await world.start()
  // The next catch-up is an hour away: what follows is known from messages alone.
  await world.equal()
})
afterAll(() => world?.close())

const rpms = [{ arch: 'src' }, { arch: 'x86_64' }]

/** Time from now until staging shows it, by the daemon's own word. */
async function applied(key: RegExp, from: number): Promise<number> {
  const line = await daemon.log.until(
    `${key} applied`,
    (one) => one.msg === 'converged' && one.outcome === 'applied' && key.test(String(one.key)),
    { from },
  )
  return line.lagMs as number
}

test('a build that completes and is tagged stands in staging, with its files, in a moment', async () => {
  const from = daemon.log.all.length
  const begunMs = performance.now()
  const build = await world.prod.importBuild({ name: 'bash', version: '5.2', release: '1.fc43', rpms })
  await world.prod.addPackage('f43', 'bash')
  await world.prod.tagBuild('f43', build.id)
  const lagMs = await applied(/^tagged\//, from)
  // How far the clocks are apart is asked once, and a machine may pause in that question.
  expect(lagMs).toBeGreaterThan(-PATIENCE_MS)
  expect(lagMs).toBeLessThan(performance.now() - begunMs + PATIENCE_MS)
  await world.equal()
  const path = 'packages/bash/5.2/1.fc43'
  const [real, wanted] = [join(world.root, 'staging', path), join(world.root, 'prod', path)]
  expect(await realpath(real)).toBe(await realpath(wanted))
})

const changes: [string, () => Promise<unknown>][] = [
  [
    'a second build is tagged',
    async () => {
      await world.prod.importBuild({ name: 'bash', version: '5.2', release: '2.fc43', rpms })
      await world.prod.tagBuild('f43', 'bash-5.2-2.fc43')
    },
  ],
  [
    'the older one is tagged again, so that it is the latest',
    () => world.prod.retagBuild('f43', 'bash-5.2-1.fc43'),
  ],
  [
    'the package is blocked in a child',
    () => world.prod.addPackage('f43-updates', 'bash', { blocked: true }),
  ],
  ['and unblocked', () => world.prod.unblockPackage('f43-updates', 'bash')],
  ['a build is moved between tags', () => world.prod.moveBuild('f43', 'f43-updates', 'bash-5.2-2.fc43')],
  [
    'an rpm is signed',
    async () => {
      const [rpm] = await world.prod.rows(`select id from rpminfo where arch = 'x86_64' order by id limit 1`)
      await world.prod.signRpm(Number(rpm?.id), '15c59f2b')
    },
  ],
  ['a build is untagged', () => world.prod.untagBuild('f43-updates', 'bash-5.2-2.fc43')],
  [
    'a build is deleted',
    async () => {
      await world.prod.deleteBuild('bash-5.2-2.fc43')
      await world.told(daemon)
      await world.settled()
      const [row] = await world.sql(`select state from build where release = '2.fc43'`)
      expect(row).toEqual({ state: 2 })
    },
  ],
  [
    'a package is removed from a list',
    async () => {
      await world.prod.addPackage('f43-updates', 'gone')
      await world.equal()
      await world.prod.removePackage('f43-updates', 'gone')
    },
  ],
  [
    'a draft is tagged and promoted',
    async () => {
      const draft = await world.prod.importBuild({
        name: 'kernel',
        version: '6.9',
        release: '1',
        draft: true,
        rpms,
      })
      await world.prod.tagBuild('f43', draft.id)
      await world.equal()
      await world.prod.promoteBuild(draft.id)
    },
  ],
  [
    'a build is reset, built anew and tagged again',
    async () => {
      await world.prod.resetBuild('kernel-6.9-1')
      await world.equal()
      await world.prod.recycleBuild('kernel-6.9-1')
      await world.prod.completeBuild('kernel-6.9-1', { rpms: [...rpms, { arch: 'aarch64' }] })
      await world.prod.tagBuild('f43', 'kernel-6.9-1')
    },
  ],
  [
    'a build that is being made is cancelled',
    async () => {
      await world.prod.startBuild({ name: 'kernel', version: '7.0', release: '1' })
      await world.prod.cancelBuild('kernel-7.0-1')
    },
  ],
]

test.each(changes)('staging follows, told by messages alone: %s', async (_what, change) => {
  await change()
  await world.equal()
})

test('messages in any order, each twice, long after the commit or before it, lead to the same', async () => {
  const random = seeded(20_250_607)
  world.announce = 'keep'
  const held = await world.prod.begin()
  for (let n = 1; n <= 6; n += 1) {
    const where = n % 2 === 0 ? held : world.prod
    for (const change of [
      () => where.importBuild({ name: `pkg${n}`, version: '1', release: '1', rpms }),
      () => where.importBuild({ name: `pkg${n}`, version: '2', release: '1', rpms }),
      () => where.addPackage('f43', `pkg${n}`),
      () => where.tagBuild('f43', `pkg${n}-1-1`),
      () => where.tagBuild('f43', `pkg${n}-2-1`),
      () => where.retagBuild('f43', `pkg${n}-1-1`),
      () => where.untagBuild('f43', `pkg${n}-2-1`),
    ]) {
      await change()
      held.nextCall()
    }
  }
  const frames = world.kept.splice(0).map((announcement) => world.bus.frames(announcement))
  const duplicates = await daemon.metric('messages_total', { outcome: 'duplicate' })
  for (const pair of shuffled([...frames, ...frames], random)) await world.bus.sendRaw([...pair])
  await daemon.log.until(
    'all are handled',
    () => daemon.log.count(said('message handled', { outcome: 'duplicate' })) >= duplicates + frames.length,
  )
  expect(await daemon.metric('messages_total', { outcome: 'duplicate' })).toBe(duplicates + frames.length)
  await world.equal()

  // A transaction that was open all the time, with older events than what staging has by now.
  await held.commit()
  const early = world.kept.splice(0).map((announcement) => world.bus.frames(announcement))
  expect(early.length).toBeGreaterThan(10)
  for (const pair of shuffled([...early, ...early], random)) await world.bus.sendRaw([...pair])
  await world.equal()
  world.announce = 'at once'
})

test('a message that comes before prod has committed schedules looks until prod shows it', async () => {
  const build = await world.prod.importBuild({ name: 'early', version: '1', release: '1', rpms })
  await world.equal()
  world.announce = 'keep'
  const open = await world.prod.begin()
  await open.addPackage('f43', 'early')
  await open.tagBuild('f43', build.id)
  const tag = { tag: 'f43', tag_id: null, build_id: build.id, name: 'early', version: '1', release: '1' }
  const from = daemon.log.all.length
  await world.bus.publish({
    topic: 'package.list.change',
    body: {
      action: 'add',
      tag: 'f43',
      package: 'early',
      owner: 'admin',
      block: false,
      extra_arches: null,
      force: false,
      update: false,
    },
  })
  await world.bus.publish({ topic: 'tag', body: { ...tag, user: 'admin', owner: 'admin' } })
  await daemon.log.until(
    'a look that finds nothing',
    (line) =>
      line.msg === 'converged' &&
      /^(lookup\/)?(tagged|package)\//.test(String(line.key)) &&
      line.outcome !== 'applied',
    { from },
  )
  await open.commit()
  await applied(/^tagged\//, from)
  world.announce = 'at once'
  world.kept.length = 0
  await world.equal()
})

test('one message moves exactly its own counters; a foreign one is refused', async () => {
  const marked = await daemon.metric('messages_total', { topic: 'tag', outcome: 'marked' })
  const build = await world.prod.importBuild({ name: 'counted', version: '1', release: '1', rpms })
  await world.prod.addPackage('f43', 'counted')
  await world.prod.tagBuild('f43', build.id)
  await world.equal()
  expect(await daemon.metric('messages_total', { topic: 'tag', outcome: 'marked' })).toBe(marked + 1)
  const refused = await daemon.metric('messages_total', { outcome: 'refused' })
  const [topic, body] = world.bus.frames({ topic: 'tag', body: {} })
  await world.bus.sendRaw([topic, body.replace('"primary"', '"s390"')])
  await daemon.log.until('refused', said('message handled', { outcome: 'refused' }))
  expect(await daemon.metric('messages_total', { outcome: 'refused' })).toBe(refused + 1)
})

test('what is equal is not written again, whatever is told', async () => {
  const print = async () => {
    const [row] = await world.sql(
      `select (select max(id) from events) as events, (select md5(string_agg(xmin::text, ' ' order by ctid)) from tag_listing) as listing,
        (select md5(string_agg(xmin::text, ' ' order by ctid)) from build) as builds,
        (select md5(string_agg(xmin::text, ' ' order by ctid)) from rpminfo) as rpms`,
    )
    return row
  }
  const before = await print()
  const builds = await world.prod.rows(
    `select b.id, p.name, version, release from build b join package p on p.id = b.pkg_id where state = 1`,
  )
  const from = daemon.log.all.length
  for (const { id, name, version, release } of builds) {
    await world.bus.publish({
      topic: 'build.state.change',
      body: {
        attribute: 'state',
        old: 0,
        new: 1,
        build_id: id,
        name,
        version,
        release,
        epoch: null,
        task_id: null,
        request: null,
        owner: 'admin',
      },
    })
  }
  await daemon.log.until(
    'all are handled',
    () =>
      daemon.log.all.slice(from).filter(said('message handled', { outcome: 'marked' })).length >=
      builds.length,
  )
  await world.settled()
  expect(await print()).toEqual(before)
})
