import { expect, it } from 'vitest'
import { XmlRpcHub } from '../../src/hub/xml-rpc-hub.ts'
import { startProxy } from './proxy.ts'
import { idOf, scene } from './world.ts'

it('reads every row where one event is larger than a page and others tie at its end', async () => {
  const { prod, marked, catchUp, signal, taken } = await scene()
  await prod.addTag('f43')
  await marked()
  const names = Array.from({ length: 23 }, (_, n) => `package-${String(n).padStart(2, '0')}`)
  await prod.addPackage('f43', 'first')
  await prod.together(async (actions) => {
    for (const name of names.slice(0, 11)) await actions.addPackage('f43', name)
  })
  for (const name of names.slice(11, 17)) await prod.addPackage('f43', name)
  await prod.together(async (actions) => {
    for (const name of names.slice(17)) await actions.addPackage('f43', name)
  })
  const report = await catchUp({ limits: { firstRows: 3, pageRows: 4 } }).run(signal)
  expect(await taken()).toHaveLength(24)
  // tag_packages and tag_package_owners, each in pages of its own
  expect(report.keys).toBe(48)

  await prod.together(async (actions) => {
    for (const name of names) await actions.removePackage('f43', name)
  })
  expect(await marked({ limits: { firstRows: 3, pageRows: 4 } })).toHaveLength(23)
})

it('asks prod for the id of a package that staging lacks, also of one named with digits only, and once', async () => {
  const { prod, sim, marked, catchUp, signal, taken } = await scene()
  const tag = await prod.addTag('f43')
  const [bash, digits] = [
    await prod.importBuild({ name: 'bash', version: '5', release: '1' }),
    await prod.importBuild({ name: '389', version: '5', release: '1' }),
  ]
  await marked()
  await prod.tagBuild('f43', bash.id)
  await prod.tagBuild('f43', digits.id)
  const one = catchUp()
  await one.run(signal)
  expect(await taken()).toEqual(
    [
      `tagged/${tag}/${await idOf(prod, 'package', 'bash')}`,
      `tagged/${tag}/${await idOf(prod, 'package', '389')}`,
    ].sort(),
  )
  sim.knobs.clear()
  await one.run(signal)
  expect(sim.knobs.counts.get('getPackage')).toBeUndefined()
})

it('takes the id of a package from staging where that came from prod under another id', async () => {
  const { prod, sim, marked, sql } = await scene()
  const tag = await prod.addTag('f43')
  const build = await prod.importBuild({ name: 'bash', version: '5', release: '1' })
  await marked()
  await sql(`insert into package (id, name) values (777, 'bash')`)
  const bash = await idOf(prod, 'package', 'bash')
  await sql(`insert into staging_sync.owned (kind, prod_id, staging_id) values ('package', $1, 777)`, [bash])
  await prod.tagBuild('f43', build.id)
  sim.knobs.clear()
  expect(await marked()).toEqual([`tagged/${tag}/${bash}`])
  expect(sim.knobs.counts.get('getPackage')).toBeUndefined()
})

it('refuses an answer of a hub that does not heed the filter', async () => {
  const { prod, sim, catchUp, signal, marked, cursor, taken } = await scene()
  for (const name of ['f41', 'f42', 'f43']) await prod.addTag(name)
  await marked()
  const before = await cursor()
  await prod.addTag('f44')
  const proxy = await startProxy(sim.url, (request) =>
    request.replaceAll(/(<name>afterEvent<\/name>\s*<value><(?:int|i4|i8)>)\d+/g, '$10'),
  )
  const hub = new XmlRpcHub({ url: proxy.url, requestsPerSecond: 1000, concurrency: 2, timeoutMs: 5000 })
  try {
    await expect(catchUp({ hub, overlapMs: 0 }).run(signal)).rejects.toMatchObject({
      code: 'HUB_ANSWER_INVALID',
      message: expect.stringContaining('tag_config'),
    })
    expect(await cursor()).toBe(before)
    expect(await taken()).toEqual([])
  } finally {
    await hub.destroy()
    await proxy.close()
  }
})
