import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type HereDaemon, openHere } from '../e2e/daemon.ts'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { firingAfter } from '../telemetry/alerts.ts'
import { command } from './command.ts'

/* The alerts about files and about what nobody tells of, as `alerts.test.ts` has the others: by a real daemon whose world has the cause. */

const HOUR = 60
let world: E2eWorld

beforeAll(async () => {
  world = await e2eWorld({
    config: '[[placement]]\npackages = ["big"]\nmode = "copy"\n[[placement]]\nmode = "volume"\n',
  })
})
afterAll(() => world?.close())

const here = (...argv: string[]) => command(...argv, '--config', world.file)
const scrape = async (daemon: HereDaemon): Promise<string> => (await daemon.page('/metrics')).text
const value =
  (daemon: HereDaemon, name: string, labels: Record<string, string> = {}) =>
  () =>
    daemon.metric(name, labels)
const poll = { interval: 50, timeout: PATIENCE_MS }
const rpms = [{ name: 'bash', arch: 'x86_64' }]

test('what nobody tells of: many changes of owners, a file that prod lost', async () => {
  const { prod } = world
  world.announce = 'keep'
  await prod.addTag('f45', { arches: 'x86_64' })
  await prod.addPackage('f45', 'bash')
  await prod.importBuild({ name: 'bash', version: '6', release: '1', rpms })
  await prod.tagBuild('f45', 'bash-6-1')
  await prod.addUser('other')
  // As many more, but for their rpms and files.
  await prod.rows(`with made as (
      insert into build (pkg_id, version, release, state, owner, completion_time, volume_id)
      select pkg_id, '7', n::text, 1, owner, completion_time, volume_id from build, generate_series(1, 101) n where version = '6'
      returning id)
    insert into tag_listing (build_id, tag_id, create_event, creator_id)
    select made.id, l.tag_id, get_event(), l.creator_id from made, tag_listing l join build b on b.id = l.build_id where b.version = '6'`)
  expect((await here('reconcile')).code).toBe(3)
  const before = (await here('reconcile')).code
  expect(before).toBe(0)
  await prod.rows(`update build set owner = (select id from users where name = 'other') where version = '7'`)
  expect((await here('reconcile')).code).toBe(3)
  const daemon = await world.start()
  await expect.poll(value(daemon, 'drift', { kind: 'owner' }), poll).toBe(101)
  const drifted = await scrape(daemon)
  expect(firingAfter([5, drifted])).toEqual(['KojiSyncQuietDrift'])
  expect((await here('reconcile')).code).toBe(0)
  await expect.poll(value(daemon, 'drift', { kind: 'owner' }), poll).toBe(0)
  const calm = await scrape(daemon)
  expect(firingAfter([5, drifted], [5, calm])).toEqual([])
  await daemon.stop()

  // The scrub of a command, whose series are the daemon's: that one takes its time.
  const scrubber = await openHere({ file: world.file })
  world.closing(() => scrubber.operations.destroy())
  const scrub = async (): Promise<string> => {
    for await (const _ of scrubber.operations.scrub(
      { once: true, tags: ['f45'] },
      new AbortController().signal,
    ));
    return scrubber.metrics.page()
  }
  const whole = await scrub()
  const [file, away] = ['bash-6-1.x86_64.rpm', 'away'].map((name) =>
    join(world.root, 'prod', 'packages', 'bash', '6', '1', 'x86_64', name),
  )
  await rename(file as string, away as string)
  const lost = await scrub()
  expect(firingAfter([5, whole], [5, lost])).toContain('KojiSyncProdFilesMissing')
  await rename(away as string, file as string)
  expect(firingAfter([5, whole], [5, lost], [25 * HOUR, await scrub()])).not.toContain(
    'KojiSyncProdFilesMissing',
  )
})

test('no room for copies, until there is', async () => {
  const { prod } = world
  world.announce = 'at once'
  const reserve = (bytes: number) => world.start({ set: [`copy.reserve_bytes=${bytes}`] })
  const full = await reserve(Number.MAX_SAFE_INTEGER)
  await prod.addTag('f46', { arches: 'x86_64' })
  await prod.addPackage('f46', 'big')
  await prod.importBuild({ name: 'big', version: '1', release: '1', rpms })
  await prod.tagBuild('f46', 'big-1-1')
  await expect.poll(value(full, 'breaker_open', { part: 'space' }), poll).toBe(1)
  const page = await scrape(full)
  expect(firingAfter([6, page])).toContain('KojiSyncNoRoom')
  await full.stop()
  const roomy = await reserve(0)
  await world.equal({ tags: ['f46'] })
  expect(firingAfter([6, page], [6, await scrape(roomy)])).not.toContain('KojiSyncNoRoom')
  await roomy.stop()
})
