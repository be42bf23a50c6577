import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NewBuild } from '../sim/world/builds.ts'
import { expectSame, sweep, sweepOne } from './build-support.ts'
import { snapshotTag } from './snapshot.ts'
import { TestSync } from './support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open({ scope: { builds: 'all' } })
})
afterAll(() => sync.close())

const imported = (name: string, release: string): Promise<NewBuild> =>
  sync.prod.importBuild({ name, version: '1', release, rpms: [{ arch: 'src' }] })

const expectSameTags = async (...names: string[]): Promise<void> => {
  for (const name of names)
    expect(await snapshotTag(sync.local, name), name).toEqual(await snapshotTag(sync.prod, name))
}

describe('a build that prod reset and made anew between two looks', () => {
  it('leaves the tags that it is in no more, whose history went with the reset', async () => {
    const { prod } = sync
    // Other ids in staging than in prod.
    await sync.local.addTag('own')
    const tags = [await prod.addTag('was'), await prod.addTag('is')]
    await prod.addPackage('was', 'anew')
    await prod.addPackage('is', 'anew')
    const old = await imported('anew', '1')
    const build = await imported('anew', '2')
    for (const { id } of [old, build]) await prod.tagBuild('was', id)
    await sync.sync(tags.map((tag) => `tag/${tag}`))
    await expectSameTags('was', 'is')
    await prod.resetBuild(build.id)
    await prod.recycleBuild(build.id)
    await prod.completeBuild(build.id, { rpms: [{ arch: 'src' }] })
    await prod.tagBuild('is', build.id)
    await sweep(sync, [build.id])
    await expectSame(sync, build.nvr)
    await expectSameTags('was')
    // The tag that it came into has a message, and a row in prod's history.
    await sync.sync([`tag/${tags[1]}`, `tagged/${tags[1]}/1`])
    await expectSameTags('was', 'is')
  })
})

describe('a build that a clash kept out', () => {
  for (const kind of ['nvr', 'nvra'] as const) {
    it(`(${kind}) comes into its listings when the clash has ended`, async () => {
      const { prod, local } = sync
      const name = `kept-out-${kind}`
      const tag = await prod.addTag(name)
      await prod.addPackage(name, name)
      const build = await prod.importBuild({
        name,
        version: '1',
        release: '1',
        rpms: [{ arch: 'noarch', name: `${name}-rpm` }],
      })
      await prod.tagBuild(name, build.id)
      await local.rows(`select setval('build_id_seq', greatest(1000000001, (select max(id) from build)))`)
      const own = await local.importBuild({
        name: kind === 'nvr' ? name : `${name}-own`,
        version: '1',
        release: '1',
        rpms: [{ arch: 'noarch', name: `${name}-rpm` }],
      })
      await sync.sync([`tag/${tag}`])
      expect(await sync.clashes(`build/${build.id}`)).toMatchObject([{ kind, decision: 'held' }])
      expect((await snapshotTag(local, name))?.tag_listing).toEqual([])
      // The admin gives way.
      await local.rows(`update build set release = 'mine' where id = $1`, [own.id])
      await local.rows(`update rpminfo set release = 'mine' where build_id = $1`, [own.id])
      expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
      await expectSame(sync, build.nvr)
      await expectSameTags(name)
      expect(await sync.clashes(`build/${build.id}`)).toEqual([])
    })
  }

  it('(removed) comes back into its listings where staging has put it back itself', async () => {
    const { prod, local } = sync
    const tag = await prod.addTag('put-back')
    await prod.addPackage('put-back', 'put-back')
    const build = await imported('put-back', '1')
    await prod.tagBuild('put-back', build.id)
    await sync.sync([`tag/${tag}`])
    await expectSameTags('put-back')
    await local.rows('update build set state = 2 where id = $1', [build.id])
    const asked = `select 1 from staging_sync.clash where key = $1 and resolved_at is null`
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'held' })
    expect(await local.rows(asked, [`build/${build.id}`])).toHaveLength(1)
    await local.rows('update build set state = 1 where id = $1', [build.id])
    await sync.queue.mark([{ key: { kind: 'build', buildId: build.id }, priority: 'sweep' }])
    const ended = await sync.drain()
    expect([...ended.keys()].some((key) => key.startsWith('tagged/'))).toBe(true)
    expect(await local.rows(asked, [`build/${build.id}`])).toEqual([])
    await expectSameTags('put-back')
  })
})
