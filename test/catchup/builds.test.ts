import { expect, it } from 'vitest'
import { scene } from './world.ts'

const rpms = [{ arch: 'src' }, { arch: 'x86_64' }]

it('marks builds as they end, in whatever state, and none that is being built', async () => {
  const { prod, marked } = await scene()
  const [done, failed, canceled] = [
    await prod.startBuild({ name: 'bash', version: '5', release: '1' }),
    await prod.startBuild({ name: 'bash', version: '5', release: '2' }),
    await prod.startBuild({ name: 'bash', version: '5', release: '3' }),
  ]
  expect(await marked()).toEqual([])
  await prod.completeBuild(done.id, { rpms })
  await prod.failBuild(failed.id)
  await prod.cancelBuild(canceled.id)
  expect(await marked()).toEqual([done, failed, canceled].map(({ id }) => `build/${id}`))
  await prod.recycleBuild(failed.id)
  expect(await marked()).toEqual([])
  await prod.completeBuild(failed.id)
  expect(await marked()).toEqual([`build/${failed.id}`])
})

it('pages builds that were completed at one moment', async () => {
  const { prod, marked } = await scene()
  await marked()
  const ids: number[] = []
  await prod.together(async (actions) => {
    for (let release = 1; release <= 9; release++)
      ids.push((await actions.importBuild({ name: 'bash', version: '5', release: `${release}` })).id)
  })
  ids.push((await prod.importBuild({ name: 'zsh', version: '5', release: '1' })).id)
  expect(await marked({ limits: { pageRows: 2 } })).toEqual(ids.map((id) => `build/${id}`).sort())
})

it('finds a build that says it was completed years ago, and is not misled by one from the future', async () => {
  const { prod, marked } = await scene()
  await marked()
  const at = async (release: string, time: string | null) => {
    let id = 0
    await prod.together(async (actions) => {
      id = (await actions.importBuild({ name: 'image', version: '1', release })).id
      if (time !== null) await actions.setBuildTimestamp(id, time)
    })
    return `build/${id}`
  }
  const [past, future] = [await at('1', '2001-01-01 00:00:00+00'), await at('2', '2035-01-01 00:00:00+00')]
  expect(await marked()).toEqual([past, future])
  const late = await at('3', null)
  expect(await marked()).toEqual([late])
  expect(await marked()).toEqual([])
})

it('finds rpms and archives that are added to an old build', async () => {
  const { prod, marked } = await scene()
  const old = await prod.importBuild({ name: 'bash', version: '5', release: '1', rpms })
  await prod.importBuild({ name: 'zsh', version: '5', release: '1', rpms })
  await marked()
  await prod.addRpms(old.id, [{ arch: 's390x' }])
  expect(await marked({ limits: { pageRows: 2 } })).toEqual([`build/${old.id}`])
  await prod.rows(
    `insert into archiveinfo (type_id, btype_id, build_id, filename, size, checksum, checksum_type)
     values (1, (select id from btype where name = 'image'), $1, 'a.jar', 1, 'ab', 0)`,
    [old.id],
  )
  expect(await marked()).toEqual([`build/${old.id}`])
  expect(await marked()).toEqual([])
})

it('finds rpms of a transaction that was committed after newer ones were read', async () => {
  const { prod, marked } = await scene()
  const [one, other] = [
    await prod.importBuild({ name: 'bash', version: '5', release: '1', rpms }),
    await prod.importBuild({ name: 'zsh', version: '5', release: '1', rpms }),
  ]
  await marked()
  const late = await prod.begin()
  await late.addRpms(one.id, [{ arch: 's390x' }])
  await prod.addRpms(other.id, [{ arch: 's390x' }])
  await prod.rows('select get_event()')
  expect(await marked()).toEqual([`build/${other.id}`])
  await late.commit()
  expect(await marked()).toEqual([`build/${one.id}`])
})
