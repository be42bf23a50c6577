import { afterAll, beforeAll, expect, test } from 'vitest'
import { type E2eWorld, e2eWorld } from './world.ts'

let world: E2eWorld
beforeAll(async () => {
  world = await e2eWorld()
})
afterAll(() => world?.close())

test('two daemons are restarted one after the other, and nothing that prod announces meanwhile waits for a catch-up', async () => {
  const { prod } = world
  await prod.addTag('f43', { arches: 'x86_64' })
  await prod.addPackage('f43', 'bash')
  const builds = Array.from({ length: 7 }, (_, i) => `bash-5-${i + 1}`)
  for (const release of builds.map((_, i) => `${i + 1}`))
    await prod.importBuild({ name: 'bash', version: '5', release, rpms: [{ arch: 'x86_64' }] })
  const first = await world.start()
  const second = await world.start()
  await world.equal()
  // From here on only messages tell.
  world.breakCatchUp(true)
  const announce = async (): Promise<void> => void (await prod.tagBuild('f43', builds.shift() as string))
  const arrived = (): Promise<void> => world.equal({ tags: ['f43'] })

  await announce()
  const ending = first.stop()
  // While one ends, and after it.
  await announce()
  expect(await ending).toBeNull()
  await announce()
  await arrived()
  expect(await world.sql('select 1 from staging_sync.queue where lease_until is not null')).toEqual([])
  expect(await world.sql('select 1 from staging_sync.daemon')).toHaveLength(1)

  const third = await world.start({ catchUp: 'off' })
  await announce()
  const endingToo = second.stop()
  await announce()
  expect(await endingToo).toBeNull()
  await announce()
  await arrived()
  await third.stop()
  expect(await world.sql('select 1 from staging_sync.daemon')).toEqual([])

  // That it was not another way: with nobody there it does not arrive.
  await announce()
  expect(await world.differences({ tags: ['f43'] })).not.toEqual([])
})
