import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ReconcileWorld, reconcileWorld } from './world.ts'

let world: ReconcileWorld

beforeAll(async () => {
  world = await reconcileWorld()
  const { prod } = world
  await prod.addExternalRepo('epel', 'https://example.org/epel/$arch/')
  await prod.addTag('base', { arches: 'x86_64' })
  await prod.addTag('f43', { arches: 'x86_64 aarch64', parent: 'base' })
  await prod.addExternalRepoToTag('f43', 'epel', { priority: 5 })
  await prod.addTag('other', { arches: 'x86_64' })
  for (const tag of ['base', 'f43', 'other'])
    for (const name of ['bash', 'zsh']) await prod.addPackage(tag, name)
  // Its owner stays.
  await prod.addPackage('f43', 'left')
  await prod.removePackage('f43', 'left')
  const rpms = [{ arch: 'src' }, { arch: 'x86_64' }]
  for (const [tag, name, release] of [
    ['base', 'bash', '1'],
    ['f43', 'bash', '2'],
    ['f43', 'bash', '3'],
    ['f43', 'zsh', '1'],
    ['other', 'zsh', '2'],
  ] as const) {
    const build = await prod.importBuild({ name, version: '5', release, rpms })
    await prod.tagBuild(tag, build.id)
    await prod.signRpm(build.rpms[0] as number, 'abcd1234')
  }
  await prod.retagBuild('f43', 'bash-5-2')
})
afterAll(() => world?.close())

it('plans without writing anything', async () => {
  const before = await world.written()
  const { report, found } = await world.reconcile({ dryRun: true, tags: ['f43'] })
  expect(found).toEqual(
    expect.arrayContaining([expect.stringMatching(/^tag tag\//), expect.stringMatching(/^build build\//)]),
  )
  expect(report).toMatchObject({ tags: 2, builds: 4, heldKeys: 0 })
  expect(await world.written()).toEqual(before)
})

it('brings a tag, its parents, their builds, signatures and what it refers to, and nothing else', async () => {
  const { report } = await world.reconcile({ tags: ['f43'] })
  expect(report).toMatchObject({ heldKeys: 0, parkedKeys: 0 })
  expect(await world.differences({ tags: ['f43', 'base'] })).toEqual([])
  expect(await world.sql(`select name from tag order by 1`)).toEqual([{ name: 'base' }, { name: 'f43' }])
  const again = await world.reconcile({ tags: ['f43'] })
  expect([again.found, again.missed]).toEqual([[], {}])
})

it('brings the rest when no tag is named, and then finds nothing and writes nothing', async () => {
  const { report } = await world.reconcile()
  expect(report).toMatchObject({ heldKeys: 0, parkedKeys: 0 })
  expect(await world.differences()).toEqual([])
  const before = await world.written()
  const dry = await world.reconcile({ dryRun: true })
  expect([dry.found, await world.written()]).toEqual([[], before])
  const events = await world.sql('select count(*) from events')
  const again = await world.reconcile()
  expect([again.found, again.missed]).toEqual([[], {}])
  expect(await world.sql('select count(*) from events')).toEqual(events)
  expect(await world.sql('select key from staging_sync.queue')).toEqual([])
})
