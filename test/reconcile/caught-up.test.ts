import { afterAll, beforeAll, expect, it } from 'vitest'
import { StopError } from '../../src/errors.ts'
import type { CatchUpEnd, CatchUpNews, CatchUpOptions } from '../../src/model/operations.ts'
import { openHere } from '../e2e/daemon.ts'
import { type ReconcileWorld, reconcileWorld } from './world.ts'

let world: ReconcileWorld

/** The command, in this process. */
async function catchUp(options: CatchUpOptions = {}): Promise<{ end: CatchUpEnd; news: CatchUpNews[] }> {
  const here = await openHere({ file: world.file })
  const stop = new AbortController()
  const news: CatchUpNews[] = []
  try {
    for await (const one of here.operations.catchUp(options, stop.signal)) news.push(one)
  } finally {
    stop.abort(new StopError('STOPPED_BY_TEST', 'done'))
    await here.operations.destroy()
  }
  const last = news.at(-1)
  if (last?.kind !== 'end') throw new Error('no end')
  return { end: last.report, news }
}

async function build(name: string, release: string, tag: string | null = 'f43'): Promise<{ id: number }> {
  const rpms = [{ arch: 'src' }, { arch: 'x86_64' }]
  const made = await world.prod.importBuild({ name, version: '5', release, rpms })
  if (tag !== null) await world.prod.tagBuild(tag, made.id)
  return made
}

beforeAll(async () => {
  world = await reconcileWorld()
  const { prod } = world
  await prod.addUser('somebody')
  await prod.addExternalRepo('epel', 'https://example.org/epel/')
  await prod.addExternalRepo('gone', 'https://example.org/gone/')
  await prod.addTag('base', { arches: 'x86_64' })
  await prod.addTag('f43', { arches: 'x86_64', parent: 'base' })
  for (const tag of ['renamed', 'deleted']) await prod.addTag(tag, { arches: 'x86_64' })
  await prod.addExternalRepoToTag('f43', 'epel', { priority: 5 })
  for (const target of ['edited', 'removed']) await prod.addTarget(target, 'base', 'f43')
  for (const name of ['bash', 'zsh', 'vim', 'sed', 'awk', 'lost', 'make']) {
    await prod.addPackage('f43', name)
    await build(name, '1')
  }
  await build('bash', '2')
  expect((await world.reconcile()).report).toMatchObject({ heldKeys: 0, parkedKeys: 0 })
}, 60_000)
afterAll(() => world?.close())

it('leaves nothing to reconcile of all that catch-up should find, and counts nothing as missed', async () => {
  const { prod } = world
  await catchUp()
  const late = await prod.begin()
  await late.setExtra('base', 'mock.late', 1)
  await prod.editTag('base', { arches: 'x86_64 aarch64' })
  await prod.setExtra('f43', 'mock.package_manager', 'dnf')
  await prod.addGroup('f43', 'build')
  await prod.addGroupPackage('f43', 'build', 'bash')
  await prod.setInheritance('f43', [{ parent: 'base', priority: 7 }])
  await prod.removeExternalRepoFromTag('f43', 'epel')
  await prod.renameTag('renamed', 'renamed-now')
  await prod.deleteTag('deleted')
  await prod.editExternalRepo('epel', { url: 'https://example.org/other/' })
  await prod.deleteExternalRepo('gone')
  await prod.editTarget('edited', { destTag: 'base' })
  await prod.deleteTarget('removed')
  await prod.blockPackage('f43', 'vim')
  await prod.setOwner('f43', 'sed', 'somebody')
  await prod.addPackage('f43', 'fresh')
  await prod.untagBuild('f43', 'awk-5-1')
  await prod.retagBuild('f43', 'bash-5-1')
  await prod.untagBuild('f43', 'lost-5-1')
  await prod.deleteBuild('lost-5-1')
  await build('fresh', '1')
  await prod.addTag('f44', { arches: 'x86_64', parent: 'f43' })
  const [make] = await prod.rows(
    `select b.id from build b join package p on p.id = b.pkg_id where p.name = 'make'`,
  )
  await prod.addRpms(Number(make?.id), [{ arch: 's390x' }])
  const first = await catchUp()
  expect(first.end).toMatchObject({ heldKeys: 0, parkedKeys: 0, daemons: false })
  expect(first.end.keys).toBeGreaterThan(15)
  expect(new Set(first.news.map(({ kind }) => kind))).toEqual(new Set(['finding', 'converging', 'end']))
  await late.commit()
  expect((await catchUp()).end).toMatchObject({ heldKeys: 0, parkedKeys: 0 })
  expect(await world.differences()).toEqual([])
  const { found, missed } = await world.reconcile()
  expect([found, missed]).toEqual([[], {}])
})

it('counts what catch-up cannot see, so that the zero above means something', async () => {
  await world.prod.setBuildOwner(
    Number((await world.prod.rows(`select max(id) as id from build`))[0]?.id),
    'somebody',
  )
  expect((await catchUp()).end.keys).toBe(0)
  expect((await world.reconcile()).missed).toEqual({ owner: 1 })
})

it('leaves the work to a daemon that runs, and waits for it', async () => {
  const daemon = await world.start()
  await world.settled()
  await world.prod.setExtra('f43', 'mock.new_chroot', 0)
  const { end } = await catchUp()
  expect(end).toMatchObject({ keys: 1, daemons: true, heldKeys: 0, parkedKeys: 0 })
  expect(await world.differences()).toEqual([])
  expect(await daemon.metric('keys_total', { kind: 'tag', outcome: 'applied' })).toBeGreaterThan(0)
  await daemon.stop()
})

it("makes up for the day's reconcile and long look that were missed, when a daemon starts", async () => {
  await world.prod.addUser('another')
  await world.prod.setBuildOwner(
    Number((await world.prod.rows(`select max(id) as id from build`))[0]?.id),
    'another',
  )
  await world.sql(
    `insert into staging_sync.schedule (task, done) values ('reconcile', now() - interval '2 days'), ('long-catch-up', now() - interval '2 days')
     on conflict (task) do update set done = excluded.done`,
  )
  const daemon = await world.start()
  await daemon.log.until('its own reconcile', ({ msg }) => msg === 'reconcile finished')
  await world.settled()
  expect(await world.differences()).toEqual([])
  expect(await daemon.metric('missed_total', { kind: 'owner' })).toBe(1)
  expect(await daemon.metric('reconcile_last_success_timestamp_seconds')).toBeGreaterThan(0)
  await daemon.stop()
  const done = await world.sql(
    `select task from staging_sync.schedule where done > now() - interval '5 minutes' and holder is null order by 1`,
  )
  expect(done).toEqual([{ task: 'long-catch-up' }, { task: 'reconcile' }])
})

it('reads on from an event or a time that a person names', async () => {
  await world.prod.setExtra('f43', 'mock.yum.best', 0)
  await catchUp()
  await world.sql('delete from staging_sync.handled')
  const [last] = await world.prod.rows('select max(id)::int as id from events')
  expect((await catchUp({ since: Number(last?.id) - 1 })).end).toMatchObject({ keys: 1 })
  await world.sql('delete from staging_sync.handled')
  expect((await catchUp({ since: '2001-01-01 00:00:00.000000' })).end.keys).toBeGreaterThan(20)
  await expect(catchUp({ since: '2999-01-01 00:00:00.000000' })).rejects.toMatchObject({
    code: 'CATCHUP_SINCE',
  })
  await expect(catchUp({ since: 1_000_000 })).rejects.toMatchObject({ code: 'CATCHUP_SINCE' })
})

it('says what to do when prod was restored from a backup, and follows it from there on', async () => {
  const { prod } = world
  await catchUp()
  await expect(catchUp({ prodRestored: true })).rejects.toMatchObject({ code: 'CATCHUP_NOT_RESTORED' })
  const [backup] = await prod.rows('select max(id)::int as id from events')
  await prod.setExtra('f43', 'lost', 1)
  await catchUp()
  // The backup: what came after it is gone, and its ids are given out again.
  await prod.rows(`delete from tag_extra where key = 'lost'`)
  await prod.rows('delete from events where id > $1', [backup?.id])
  await prod.rows(`select setval('events_id_seq', $1)`, [backup?.id])
  await expect(catchUp()).rejects.toMatchObject({
    code: 'PROD_WENT_BACK',
    message: expect.stringContaining('koji-staging-sync catch-up --prod-restored'),
  })
  await prod.setExtra('f43', 'new', 1)
  await expect(catchUp()).rejects.toMatchObject({ code: 'PROD_WENT_BACK' })
  const { end } = await catchUp({ prodRestored: true })
  expect(end).toMatchObject({ keys: expect.any(Number), heldKeys: 0, parkedKeys: 0 })
  expect(end.keys).toBeGreaterThan(0)
  await world.reconcile()
  expect(await world.differences()).toEqual([])
})
