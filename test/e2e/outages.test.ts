import { rename } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SafetyError } from '../../src/errors.ts'
import type { Step } from '../../src/step.ts'
import { startHub } from '../sim/hub.ts'
import type { Trouble } from '../sim/knobs.ts'
import { openWorld } from '../sim/prod-world.ts'
import { startCluster } from '../support/cluster.ts'
import { testDatabase } from '../support/postgres.ts'
import type { HereDaemon } from './daemon.ts'
import { Gates } from './gates.ts'
import { said } from './log-lines.ts'
import { type E2eWorld, e2eWorld, type WorldOptions } from './world.ts'

let world: E2eWorld
let daemon: HereDaemon
const gates = new Gates()

/** Staging follows prod: one package in one tag. */
async function follow(options: WorldOptions & { step?: Step; set?: string[] }): Promise<void> {
  const { step, set, ...rest } = options
  world = await e2eWorld(rest)
  await world.prod.addTag('f43', { arches: 'x86_64' })
  await world.prod.addPackage('f43', 'bash')
  daemon = await world.start({ ...(step ? { step } : {}), ...(set ? { set } : {}) })
  await world.equal()
}

const rpms = [{ arch: 'x86_64' }]

let release = 0
async function buildAndTag(): Promise<void> {
  release += 1
  await world.prod.importBuild({ name: 'bash', version: '5', release: String(release), rpms })
  await world.prod.tagBuild('f43', `bash-5-${release}`)
}

const noFailures = () =>
  world.sql(
    'select key, attempts, last_code from staging_sync.queue where attempts > 0 or parked_at is not null',
  )

/** One of each kind; that all others are outages too, by their own codes, test/hub/client.test.ts shows. */
const TROUBLES: [Trouble, string][] = [
  ['http-500', 'HUB_HTTP_STATUS'],
  ['truncated', 'HUB_ANSWER_CUT'],
  ['silent', 'HUB_TIMEOUT'],
  ['server-offline', 'HUB_OFFLINE'],
]

describe('a daemon that has caught up', () => {
  beforeAll(() => follow({ step: gates.step, set: ['prod.timeout_seconds=2'] }))
  afterAll(() => world?.close())

  test('whatever the hub answers instead of an answer is an outage, named, and nothing is lost', async () => {
    const seen: Record<string, string> = {}
    for (const [trouble] of TROUBLES) {
      const before = daemon.log.all.length
      const outages = await daemon.metric('outages_total', { part: 'hub' })
      world.prodHub.knobs.failNext(trouble, 20)
      await buildAndTag()
      await daemon.log.until(`an outage by ${trouble}`, said('part is down, work waits', { part: 'hub' }), {
        from: before,
      })
      while (world.prodHub.knobs.takeTrouble() !== undefined);
      await world.told(daemon)
      await world.equal()
      const line = daemon.log.all.slice(before).find(said('part is down, work waits'))
      seen[trouble] = String((line?.err as { code?: string } | undefined)?.code)
      if ((await daemon.metric('outages_total', { part: 'hub' })) === outages)
        seen[trouble] += ' (no outage counted)'
    }
    expect(seen).toEqual(Object.fromEntries(TROUBLES))
    expect(await noFailures()).toEqual([])
    expect(await daemon.metric('breaker_open', { part: 'hub' })).toBe(0)
  })

  test('a hub that refuses connections is waited for; the daemon stays healthy and catches up by its queue', async () => {
    const from = daemon.log.all.length
    await world.way.down()
    await buildAndTag()
    await daemon.log.until('the hub is down', said('part is down, work waits', { part: 'hub' }), { from })
    expect(await daemon.metric('breaker_open', { part: 'hub' })).toBe(1)
    expect(await daemon.page('/healthz')).toEqual({ status: 200, text: 'ok\n' })
    await buildAndTag()
    await world.told(daemon)
    await world.way.up()
    await world.equal()
    expect(await daemon.metric('breaker_open', { part: 'hub' })).toBe(0)
    expect(await noFailures()).toEqual([])
  })

  test('a read-only disk opens the breaker of the storage; rows wait for their files', async () => {
    const from = daemon.log.all.length
    const mend = gates.fail(
      (name) => name.startsWith('file.symlink') || name.startsWith('file.mkdir'),
      () => Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS', syscall: 'symlink' }),
    )
    await buildAndTag()
    await daemon.log.until('the disk is down', said('part is down, work waits', { part: 'storage' }), {
      from,
    })
    expect(await world.sql(`select 1 from build where release = $1`, [String(release)])).toEqual([])
    // What needs no files goes on meanwhile.
    await world.prod.addPackage('f43', 'needs-no-files')
    await expect
      .poll(() =>
        world.sql(
          `select 1 from tag_packages l join package p on p.id = l.package_id where p.name = 'needs-no-files'`,
        ),
      )
      .toHaveLength(1)
    expect(await daemon.metric('breaker_open', { part: 'storage' })).toBe(1)
    mend()
    await world.equal()
    expect(await daemon.metric('breaker_open', { part: 'storage' })).toBe(0)
    expect(await noFailures()).toEqual([])
  })

  test('a mount of prod that goes away is no missing build: rows wait for the mount', async () => {
    await buildAndTag()
    await world.equal()
    await rename(`${world.root}/prod`, `${world.root}/away`)
    const from = daemon.log.all.length
    world.announce = 'keep'
    // The world writes to the tree that is away.
    await rename(`${world.root}/away`, `${world.root}/prod`)
    await buildAndTag()
    await rename(`${world.root}/prod`, `${world.root}/away`)
    for (const announcement of world.kept.splice(0)) await world.bus.publish(announcement)
    await daemon.log.until(
      'something is said of it',
      (line) => ['part is down, work waits', 'key failed', 'key parked'].includes(line.msg),
      { from },
    )
    expect(daemon.log.all.slice(from).filter((line) => line.msg === 'key parked')).toEqual([])
    await rename(`${world.root}/away`, `${world.root}/prod`)
    world.announce = 'at once'
    await world.equal()
  })

  test('an empty hub behind the same name stops all writing: exit 14, and staging keeps what it has', async () => {
    await buildAndTag()
    await world.equal()
    const before = await world.sql('select * from tag_listing')
    const other = await testDatabase()
    const empty = await openWorld({ databaseUrl: other.url })
    // It is as far on as prod is; it only has nothing.
    await empty.rows('select get_event() from generate_series(1, 1000)')
    const hub = await startHub({ databaseUrl: other.url })
    try {
      world.way.lead(hub.url)
      const [build] = await world.prod.rows('select max(id)::int as id from build')
      await world.bus.publish({
        topic: 'build.state.change',
        body: {
          attribute: 'state',
          old: 1,
          new: 2,
          build_id: build?.id,
          name: 'bash',
          version: '5',
          release: String(release),
          epoch: null,
          task_id: null,
          request: null,
          owner: 'admin',
        },
      })
      const error = await daemon.ended
      expect(error).toBeInstanceOf(SafetyError)
      expect(daemon.log.count(said('writing stopped for safety'))).toBe(1)
      expect(await world.sql('select * from tag_listing')).toEqual(before)
    } finally {
      await hub.close()
      await empty.close()
      await other.drop()
    }
  })
})

test('a database that goes away, by crash or in order, is waited for; what came meanwhile is not lost', async () => {
  const cluster = await startCluster({ durable: true })
  try {
    const name = await cluster.createDatabase('1.35.0')
    await follow({ stagingUrl: cluster.url(name) })
    for (const crash of [true, false]) {
      const from = daemon.log.all.length
      await cluster.stop({ crash })
      await daemon.log.until('the database is down', said('part is down, work waits', { part: 'database' }), {
        from,
      })
      await buildAndTag()
      expect((await daemon.page('/healthz')).status).toBe(200)
      await cluster.start()
      await daemon.log.until('it is up', said('part is up again', { part: 'database' }), { from })
      await world.told(daemon)
      await world.equal()
      expect(await daemon.metric('breaker_open', { part: 'database' })).toBe(0)
    }
    expect(await noFailures()).toEqual([])
  } finally {
    await world?.close()
    await cluster.remove()
  }
})
