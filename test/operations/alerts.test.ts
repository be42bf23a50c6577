import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SafetyError } from '../../src/errors.ts'
import type { HereDaemon } from '../e2e/daemon.ts'
import { Relay } from '../e2e/relay.ts'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { startHub } from '../sim/hub.ts'
import { createPki } from '../sim/pki.ts'
import { openWorld } from '../sim/prod-world.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { testDatabase } from '../support/postgres.ts'
import { scratchHome } from '../support/scratch.ts'
import { firingAfter } from '../telemetry/alerts.ts'
import { command } from './command.ts'

/*
 * The alerts of config/prometheus/rules.yml (KojiSyncReloadRefused: test/e2e/service.test.ts), by a real daemon whose world has the cause: its /metrics are scraped, time passes as far as
 * the alert wants it, and then the cause goes. Time is Prometheus' here, so hours cost nothing; the daemon's own is never touched.
 */

const HOUR = 60
const DAY_MS = 86_400_000
const pki = createPki()
let world: E2eWorld
let database: Relay
let crl: string
let settings: readonly string[]

beforeAll(async () => {
  const directory = await mkdtemp(join(scratchHome(), 'kss-alerts-'))
  crl = join(directory, 'crl.pem')
  await writeFile(join(directory, 'ca.crt'), pki.ca)
  await writeFile(crl, pki.crl({ nextUpdate: new Date(Date.now() + 2 * DAY_MS) }))
  world = await e2eWorld({
    signer: pki.issue({ commonName: 'koji01' }),
    busConfig: `ca = ${JSON.stringify(join(directory, 'ca.crt'))}\ncrl = ${JSON.stringify(crl)}`,
    config: '[conflicts]\ntag = "hold"\n',
  })
  world.closing(() => rm(directory, { recursive: true, force: true }))
  const url = /database = "(.+)"/.exec(await readFile(world.file, 'utf8'))?.[1] ?? ''
  database = await Relay.to(url)
  world.closing(() => database.close())
  settings = [`staging.database=${database.url}`]
})
afterAll(() => world?.close())

const here = (...argv: string[]) => command(...argv, '--config', world.file)
const start = (more: readonly string[] = []) => world.start({ set: [...settings, ...more] })
const scrape = async (daemon: HereDaemon): Promise<string> => (await daemon.page('/metrics')).text
const value =
  (daemon: HereDaemon, name: string, labels: Record<string, string> = {}) =>
  () =>
    daemon.metric(name, labels)
const poll = { interval: 50, timeout: PATIENCE_MS }
const rpms = [{ name: 'bash', arch: 'x86_64' }]

test("what is the daemon's, the time's and the trust's: down, no catch-up, no message, no reconcile, an old list", async () => {
  const first = await start()
  // The list is read with the first message.
  await world.prod.addTag('f42', { arches: 'x86_64' })
  await world.prod.addPackage('f42', 'bash')
  await world.told(first)
  await world.settled()
  // What a process tells of itself is off in tests: this one has just begun.
  const began = `kojisync_process_start_time_seconds ${Math.floor(Date.now() / 1000)}`
  const page = `${await scrape(first)}\n${began}\n`
  await first.stop()
  await expect(scrape(first)).rejects.toThrow()
  // The list of two days; nothing was ever compared; hours pass in which nothing comes and no catch-up ends well.
  expect(firingAfter([30, page])).toEqual([])
  const silent = ['KojiSyncBusSilent', 'KojiSyncCatchUpStale']
  expect(firingAfter([2 * HOUR, page])).toEqual([...silent, 'KojiSyncTrustEnds'])
  expect(firingAfter([50 * HOUR, page])).toEqual([...silent, 'KojiSyncReconcileStale', 'KojiSyncTrustEnds'])
  expect(firingAfter([10, page], [10, null])).toEqual(['KojiSyncDown'])

  await writeFile(crl, pki.crl({ nextUpdate: new Date(Date.now() + 30 * DAY_MS) }))
  expect((await here('reconcile')).code).toBeLessThan(5)
  const second = await start()
  await world.prod.addPackage('f42', 'make')
  await world.told(second)
  await expect.poll(value(second, 'reconcile_last_success_timestamp_seconds'), poll).toBeGreaterThan(0)
  const after = await scrape(second)
  expect(firingAfter([10, null], [59, after])).toEqual([])
  // A day later all is as long ago again, but not two days.
  expect(firingAfter([25 * HOUR, after])).toEqual(['KojiSyncBusSilent', 'KojiSyncCatchUpStale'])
  await second.stop()
})

test('what people and prod must settle: a held clash, a parked key, drift', async () => {
  const { prod, local } = world
  await prod.addTag('f43', { arches: 'x86_64' })
  await prod.addTag('f44', { arches: 'x86_64' })
  await prod.addPackage('f43', 'bash')
  expect((await here('sync', 'tag/f43', 'tag/f44', 'package/f43/bash')).code).toBe(0)
  await prod.importBuild({ name: 'bash', version: '4', release: '1', rpms })
  await prod.tagBuild('f43', 'bash-4-1')
  await here('reconcile')
  // Nobody tells of it, and nothing looks but a comparison by hand.
  world.announce = 'keep'
  await prod.editTag('f44', { arches: 'aarch64' })
  expect((await here('reconcile')).code).toBe(3)
  const daemon = await start()
  await local.editTag('f43', { arches: 'ppc64le' })
  expect((await here('sync', 'tag/f43')).code).toBe(4)
  await prod.importBuild({ name: 'bash', version: '5', release: '1', rpms })
  await prod.tagBuild('f43', 'bash-5-1')
  const [files, away] = ['5', '5-away'].map((name) => join(world.root, 'prod', 'packages', 'bash', name))
  await rename(files as string, away as string)
  const [build] = await prod.rows('select max(id)::int as id from build')
  // It has failed nine times: the pauses between are not waited for.
  await world.sql(
    `insert into staging_sync.queue (key, kind, priority, due_at, marked_at, attempts) values ($1, 'build', 0, now(), now(), 9)
     on conflict (key) do update set attempts = 9, due_at = now()`,
    [`build/${build?.id}`],
  )
  await world.sql('notify staging_sync_queue')
  await expect.poll(value(daemon, 'parked_keys', { code: 'STORAGE_SOURCE_MISSING' }), poll).toBe(1)
  await expect.poll(value(daemon, 'drift'), poll).toBeGreaterThan(0)
  await expect.poll(value(daemon, 'clashes', { state: 'held' }), poll).toBe(1)
  const bad = await scrape(daemon)
  const causes = ['KojiSyncClashesHeld', 'KojiSyncDriftFound', 'KojiSyncParkedKeys']
  expect(firingAfter([20, bad])).toEqual(['KojiSyncDriftFound'])
  expect(firingAfter([62, bad]).filter((one) => causes.includes(one))).toEqual(causes)

  await rename(away as string, files as string)
  for (const announcement of world.kept.splice(0)) await world.bus.publish(announcement)
  expect((await here('clashes', 'resolve', 'tag/f43', 'prod-wins')).code).toBe(0)
  expect((await here('parked', 'retry', '--all')).code).toBe(0)
  await world.equal({ tags: ['f43', 'f44'] })
  await here('reconcile')
  await here('reconcile')
  await expect.poll(value(daemon, 'drift'), poll).toBe(0)
  await expect.poll(value(daemon, 'clashes', { state: 'held' }), poll).toBe(0)
  await expect.poll(value(daemon, 'queue_keys', { state: 'parked' }), poll).toBe(0)
  expect(firingAfter([5, bad], [40, await scrape(daemon)])).toEqual([])
  world.announce = 'at once'
  await daemon.stop()
})

test('what is down or slow: hub, storage, database, and what waited for them', async () => {
  const { prod } = world
  world.announce = 'at once'
  const daemon = await start()
  const before = await scrape(daemon)
  /** A change that comes while the hub is down, and is said to have waited for long. */
  const late = async (change: () => Promise<unknown>): Promise<{ waiting: string; after: string }> => {
    const [outages, lags] = [
      await daemon.metric('outages_total', { part: 'hub' }),
      await daemon.metric('lag_seconds'),
    ]
    await world.way.down()
    await change()
    await expect.poll(value(daemon, 'outages_total', { part: 'hub' }), poll).toBeGreaterThan(outages)
    await world.sql(`update staging_sync.queue set marked_at = marked_at - interval '20 minutes'`)
    await expect.poll(value(daemon, 'queue_oldest_seconds'), poll).toBeGreaterThan(900)
    const waiting = await scrape(daemon)
    await world.way.up()
    await expect.poll(value(daemon, 'lag_seconds'), poll).toBeGreaterThan(lags)
    await world.settled()
    return { waiting, after: await scrape(daemon) }
  }
  const one = await late(() => prod.untagBuild('f43', 'bash-4-1'))
  // The hub goes down once more. The message names a package that nobody knows yet: the look for its id waits, too.
  const two = await late(() => prod.addPackage('f43', 'later'))
  const again = two.waiting
  expect(firingAfter([16, one.waiting])).toContain('KojiSyncQueueOld')
  expect(firingAfter([5, before], [6, one.waiting], [7, again])).toContain('KojiSyncHubErrors')
  await expect.poll(value(daemon, 'queue_oldest_seconds'), poll).toBeLessThan(900)
  const quiet = await scrape(daemon)
  // What came at last was late: Prometheus sees it for ten minutes after each.
  expect(firingAfter([2, before], [8, one.after], [8, two.after])).toContain('KojiSyncLagHigh')
  expect(firingAfter([2, before], [8, one.after], [8, two.after], [12, quiet])).toEqual([])
  expect(firingAfter([5, before], [6, one.waiting], [7, again], [30, quiet])).toEqual([])

  // Storage: prod's tree is gone as a whole.
  const [tree, gone] = [join(world.root, 'prod'), join(world.root, 'gone')]
  await rename(tree, gone)
  await world.sql(`insert into staging_sync.queue (key, kind, priority, due_at, marked_at) select 'build/' || prod_id, 'build', 0, now(), now()
    from staging_sync.owned where kind = 'build' on conflict do nothing`)
  await world.sql('notify staging_sync_queue')
  await expect.poll(value(daemon, 'breaker_open', { part: 'storage' }), poll).toBe(1)
  const sick = await scrape(daemon)
  expect(firingAfter([6, sick])).toEqual(['KojiSyncStorageRefused'])
  await rename(gone, tree)
  await expect.poll(value(daemon, 'breaker_open', { part: 'storage' }), poll).toBe(0)
  expect(firingAfter([6, sick], [6, await scrape(daemon)])).toEqual([])

  await database.down()
  await prod.addPackage('f43', 'nowhere')
  await expect.poll(value(daemon, 'breaker_open', { part: 'database' }), poll).toBe(1)
  const down = await scrape(daemon)
  expect(firingAfter([6, down])).toEqual(['KojiSyncDatabaseDown'])
  await expect.poll(value(daemon, 'bus_pending_messages'), poll).toBe(1)
  await expect.poll(value(daemon, 'bus_pending_oldest_seconds'), poll).toBeGreaterThan(0.1)
  const waiting = (await scrape(daemon)).replace(/^(kojisync_bus_pending_oldest_seconds) .*$/m, '$1 901')
  expect(firingAfter([20, waiting])).toContain('KojiSyncQueueOld')
  await database.up()
  await expect.poll(value(daemon, 'bus_pending_messages'), poll).toBe(0)
  await expect.poll(value(daemon, 'breaker_open', { part: 'database' }), poll).toBe(0)
  expect(firingAfter([6, down], [6, await scrape(daemon)])).toEqual([])
  await daemon.stop()
})

test('all writing stops for safety: the daemon still tells so for a while, then ends', async () => {
  const other = await testDatabase()
  const empty = await openWorld({ databaseUrl: other.url })
  await empty.rows('select get_event() from generate_series(1, 1000)')
  const hub = await startHub({ databaseUrl: other.url })
  const daemon = await start(['http.linger_seconds=60'])
  try {
    expect(firingAfter([1, await scrape(daemon)])).not.toContain('KojiSyncWritingStopped')
    // Another prod answers, which does not know a build that ours had.
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
        release: '1',
        epoch: null,
        task_id: null,
        request: null,
        owner: 'admin',
      },
    })
    await expect.poll(value(daemon, 'writing_stopped'), poll).toBe(1)
    const page = await scrape(daemon)
    expect(firingAfter([1, page])).toContain('KojiSyncWritingStopped')
    const health = async () => (await daemon.page('/healthz')).text
    await expect.poll(health, poll).toContain('writing stopped for safety: ')
    expect((await daemon.page('/readyz')).text).toMatch(/^fail writing: /m)
    // A signal ends the wait.
    expect(await daemon.stop()).toBeInstanceOf(SafetyError)
    world.way.lead(world.prodHub.url)
    const again = await start()
    expect(firingAfter([1, page], [2, await scrape(again)])).not.toContain('KojiSyncWritingStopped')
    await again.stop()
  } finally {
    await hub.close()
    await empty.close()
    await other.drop()
  }
})
