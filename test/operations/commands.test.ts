import { afterAll, beforeAll, expect, test } from 'vitest'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { command } from './command.ts'

let world: E2eWorld
beforeAll(async () => {
  world = await e2eWorld({ init: false })
})
afterAll(() => world?.close())

const here = (verb: string, ...argv: string[]) => command(verb, '--config', world.file, ...argv)
const rpms = [{ arch: 'x86_64' }]

test('init says what it did; the second time it changes nothing', async () => {
  const first = await here('init', ...world.asOwner)
  expect(first.code).toBe(0)
  for (const what of ['schema staging_sync', 'user', 'sequences', 'history cursor'])
    expect(first.stdout).toContain(what)
  const state = () =>
    world.sql(`select (select count(*) from users) as users, (select last_value from events_id_seq) as event,
      (select last_value from build_id_seq) as build, (select count(*) from staging_sync.setting) as settings,
      (select array_agg(id) from staging_sync.migration) as migrations`)
  const before = await state()
  const second = await here('init', ...world.asOwner)
  expect(second.code).toBe(0)
  expect(second.stdout).not.toMatch(/\bdone\b/)
  expect(await state()).toEqual(before)
  const [user] = await world.sql(
    `select status, password, usertype from users where name = 'koji-staging-sync'`,
  )
  expect(user).toEqual({ status: 1, password: null, usertype: 0 })
})

test('the service is told what it may not do, until it is granted what is printed, and that is all', async () => {
  const before = await here('doctor', '--listen', '0')
  expect(before.code).toBe(1)
  expect(before.stdout).toMatch(/fail +database\.grants: not allowed: /)
  const denied = await here('status')
  expect(denied).toMatchObject({ code: 12 })
  expect(denied.stderr).toContain('error DATABASE_DENIED: ')
  await world.sql('drop owned by "koji-staging-sync"')
  const none = await here('doctor', '--listen', '0')
  expect(none.stdout).toMatch(/fail +database\.grants: not allowed: .* and \d+ more/)
  const print = (role: string) => here('init', '--print-grants', ...world.asOwner, '--role', role)
  const printed = await print('koji-staging-sync')
  expect(printed).toMatchObject({ code: 0, stderr: '' })
  expect((await print('a "person"')).stdout).toContain('to "a ""person""";')
  await world.sql(printed.stdout)
  expect((await here('doctor', '--listen', '0')).stdout).toMatch(/ok +database\.grants: /)
  expect(printed.stdout).not.toMatch(/password|"sessions"|"task"|"host"|"repo"|all privileges/)
  expect((await here('doctor', '--listen', '0', ...world.asOwner)).stdout).toMatch(
    /warn +database\.grants: .*superuser/,
  )
})

test('doctor finds everything in order but for the mount, which may be written to', async () => {
  const ended = await here('doctor', '--listen', '0')
  expect(ended.code).toBe(0)
  for (const name of [
    'hub.reachable',
    'database.schema',
    'database.sequences',
    'database.floor',
    'storage.prod mount',
  ]) {
    expect(ended.stdout).toContain(name)
  }
})

test('sync makes names and ids equal, with what they depend on, and says so', async () => {
  await world.prod.addTag('f43', { arches: 'x86_64' })
  await world.prod.addPackage('f43', 'bash')
  const build = await world.prod.importBuild({ name: 'bash', version: '5', release: '1', rpms })
  await world.prod.tagBuild('f43', build.id)
  const ended = await here('sync', 'tag/f43', 'package/f43/bash', 'tagged/f43/bash')
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  expect(ended.stdout.split('\n').filter((line) => line !== '')).toHaveLength(3)
  expect(await world.differences({ tags: ['f43'] })).toEqual([])
  const again = await here('sync', `build/${build.id}`, 'build/bash-5-1', 'tagged/f43/bash')
  expect(again.code).toBe(0)
  expect(again.stdout).not.toContain('applied')
})

test('sync of a name that prod does not have fails, of what is out of scope is skipped, of nonsense is refused', async () => {
  const unknown = await here('sync', 'tag/f99', 'build/nope-1-1')
  expect(unknown.code).toBe(1)
  expect(unknown.stdout).toContain('f99')
  const outside = await here('sync', '--set', 'scope.exclude_tags=["f43"]', 'tagged/f43/bash')
  expect(outside.code).toBe(0)
  expect(outside.stdout).toMatch(/skipped|unchanged|held/)
  expect(await here('sync', 'colour/blue')).toMatchObject({ code: 2 })
})

test('sync works beside a daemon, whoever of them does it; status and the metrics tell of it', async () => {
  const daemon = await world.start()
  await world.equal()
  world.announce = 'keep'
  await world.prod.importBuild({ name: 'bash', version: '5', release: '2', rpms })
  await world.prod.tagBuild('f43', 'bash-5-2')
  const ended = await here('sync', 'tagged/f43/bash')
  expect(ended.code).toBe(0)
  expect(await world.differences({ tags: ['f43'] })).toEqual([])

  world.announce = 'at once'
  const page = async () => (await daemon.page('/metrics')).text
  const value = (text: string, series: string): number => {
    const line = text.split('\n').find((one) => one.startsWith(`kojisync_${series} `))
    if (line === undefined) throw new Error(`no series ${series}`)
    return Number(line.split(' ').at(-1))
  }
  const series = [
    'messages_total{topic="tag",outcome="marked"}',
    'keys_total{kind="tagged",outcome="applied"}',
    'keys_total{kind="build",outcome="applied"}',
    'lag_seconds_count',
    'hub_requests_total{method="multiCall",outcome="ok"}',
    'hub_requests_seconds_total{method="multiCall",outcome="ok"}',
    'hub_calls_total{method="getBuild",outcome="ok"}',
    'hub_bytes_total',
    'rows_written_total{kind="build"}',
    'converge_seconds_count{kind="tagged"}',
  ]
  const before = await page()
  await world.prod.importBuild({ name: 'bash', version: '5', release: '3', rpms })
  await world.prod.tagBuild('f43', 'bash-5-3')
  await world.told(daemon)
  await world.equal()
  const after = await page()
  for (const one of series) expect([one, value(after, one)]).not.toEqual([one, value(before, one)])
  expect(value(after, 'queue_measured_timestamp_seconds')).toBeGreaterThan(0)
  expect(value(after, 'catchup_last_success_timestamp_seconds')).toBeGreaterThan(0)
  expect(value(after, 'bus_connected_endpoints')).toBe(1)
  expect(await daemon.page('/healthz')).toEqual({ status: 200, text: 'ok\n' })

  const status = await here('status', '--json')
  expect(status.code).toBe(0)
  const report = JSON.parse(status.stdout) as {
    owned: Record<string, number>
    ownedCountedAt: string
    cursors: unknown[]
    queue: { parked: number }
  }
  // As the daemon counted them at its start.
  expect(report.owned).toMatchObject({ build: 1, rpm: 1 })
  expect(Date.parse(report.ownedCountedAt)).toBeGreaterThan(0)
  expect(report.queue.parked).toBe(0)
  expect(report.cursors).not.toEqual([])
  await daemon.stop()
})

test('status answers while prod is down, and shows what is parked and why', async () => {
  await world.way.down()
  await world.sql(`insert into staging_sync.queue (key, kind, priority, due_at, marked_at, parked_at, attempts, last_code, last_error)
    values ('build/777', 'build', 1, now() + interval '1 hour', now(), now(), 3, 'STORAGE_SOURCE_MISSING', 'gone')`)
  const ended = await here('status')
  expect(ended.code).toBe(0)
  for (const text of ['build/777', 'STORAGE_SOURCE_MISSING', 'gone']) expect(ended.stdout).toContain(text)
  await world.way.up()
})
