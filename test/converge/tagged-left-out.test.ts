import { afterEach, describe, expect, it } from 'vitest'
import { readEventMap } from '../../src/staging/events.ts'
import { TestSync, type TestSyncOptions } from './support.ts'

let sync: TestSync
const open = async (options: TestSyncOptions = {}): Promise<TestSync> => {
  sync = await TestSync.open(options)
  sync.priority = 'sweep'
  return sync
}
afterEach(() => sync.close())

const build = (release: string) => ({ name: 'bash', version: '5', release, rpms: [{ arch: 'noarch' }] })

const listing = async (tag: string): Promise<unknown[]> =>
  (
    await sync.local.rows(
      `select b.release from tag_listing l join tag t on t.id = l.tag_id join build b on b.id = l.build_id
        where l.active and t.name = $1 order by l.create_event`,
      [tag],
    )
  ).map((row) => row.release)

/** A local build of the NVR that prod's next one has, with other content. */
const buildLocally = async (release: string): Promise<void> => {
  await sync.local.rows('select setval($1, 1000000001)', ['build_id_seq'])
  await sync.local.importBuild({ ...build(release), rpms: [{ arch: 'src' }] })
}

describe('a listing leaves out', () => {
  it('a build that staging’s people made anew: its content is theirs', async () => {
    const { prod, local } = await open()
    for (const tag of ['f43', 'f43-updates']) {
      await prod.addTag(tag)
      await prod.addPackage(tag, 'bash')
    }
    const { id, nvr } = await prod.importBuild(build('1'))
    await prod.tagBuild('f43', id)
    await sync.sync(['tag/f43', 'tag/f43-updates'])
    await local.resetBuild(nvr)
    await prod.tagBuild('f43-updates', id)

    // While it is being built, and after that.
    await local.recycleBuild(nvr)
    await sync.sync(['tagged/f43-updates/bash'])
    expect(await listing('f43-updates')).toEqual([])
    await local.completeBuild(nvr, { rpms: [{ arch: 'src' }, { arch: 'x86_64' }] })
    await sync.sync([`build/${id}`, 'tagged/f43-updates/bash', 'tagged/f43/bash'])
    expect(await listing('f43-updates')).toEqual([])
    expect(await listing('f43')).toEqual([])
    expect(await sync.clashes(`build/${id}`)).toMatchObject([{ kind: 'nvr', decision: 'held' }])
  })

  it('a build that staging’s people deleted', async () => {
    const { prod, local } = await open()
    for (const tag of ['f43', 'other']) {
      await prod.addTag(tag)
      await prod.addPackage(tag, 'bash')
    }
    const { id, nvr } = await prod.importBuild(build('1'))
    await prod.tagBuild('f43', id)
    await sync.sync(['tag/f43', 'tag/other'])
    await local.deleteBuild(nvr)
    await prod.tagBuild('other', id)
    await sync.sync(['tagged/other/bash'])
    expect(await listing('other')).toEqual([])
  })

  it('a build that policy keeps local, and rests; what it shows then is no checkpoint', async () => {
    const { prod } = await open({ conflicts: { build: 'local-wins' } })
    await prod.addTag('f43')
    await prod.addPackage('f43', 'bash')
    await buildLocally('1')
    for (const release of ['1', '2']) await prod.tagBuild('f43', (await prod.importBuild(build(release))).id)
    await sync.sync(['tag/f43'])
    expect(await listing('f43')).toEqual(['2'])
    expect(await sync.queued()).toEqual([])
    expect(await readEventMap(sync.database, 'tagged/1/1')).toEqual([])

    await prod.importBuild(build('3'))
    await prod.untagBuild('f43', 'bash-5-1')
    await prod.tagBuild('f43', 'bash-5-3')
    await sync.sync(['tagged/1/1'])
    expect(await listing('f43')).toEqual(['2', '3'])
    expect(await readEventMap(sync.database, 'tagged/1/1')).toHaveLength(1)
  })

  it('a build that does not come, after some waiting: reported, until prod untags it', async () => {
    const { prod } = await open({
      past: async (world) => {
        await world.addTag('stack-1')
        await world.addPackage('stack-1', 'bash')
        await world.importBuild(build('1'))
      },
    })
    // A side tag by now, which staging has not heard of: to the build's key it is out of scope.
    await prod.setExtra('stack-1', 'sidetag', true)
    const { id, nvr } = await prod.importBuild(build('2'))
    await prod.tagBuild('stack-1', nvr)
    await prod.tagBuild('stack-1', 'bash-5-1')
    expect((await sync.sync(['tagged/1/1'])).get('tagged/1/1')).toEqual({
      kind: 'held',
      reason: `missing: tag_listing build/${id}`,
      rows: 1,
    })
    expect(await listing('stack-1')).toEqual(['1'])
    expect(await sync.queued()).toEqual([])
    expect(await sync.clashes('tagged/1/1')).toMatchObject([{ kind: 'missing', decision: 'held' }])
    await prod.untagBuild('stack-1', nvr)
    await sync.sync(['tagged/1/1'])
    expect(await sync.clashes()).toEqual([])
  })
})

describe('a side tag that was copied with staging', () => {
  it('is out of scope for its listing as for its builds', async () => {
    const { prod } = await open({
      past: async (world) => {
        await world.addTag('stack-1', { extra: { sidetag: true } })
        await world.addPackage('stack-1', 'bash')
      },
    })
    await prod.tagBuild('stack-1', (await prod.importBuild(build('1'))).id)
    const reason = 'tag stack-1 is out of scope: staging keeps it as it is'
    expect(await sync.one('tagged/1/1')).toEqual({ kind: 'skipped', reason })
    expect(await sync.one('package/1/1')).toEqual({ kind: 'skipped', reason })
    await prod.deleteTag('stack-1')
    expect(await sync.one('tag/1')).toEqual({ kind: 'skipped', reason })
  })
})

describe('a draft that was copied with staging', () => {
  it('is waited for when prod has promoted it since, and tagged it', async () => {
    const { prod } = await open({
      past: async (world) => {
        await world.addTag('stack-1')
        await world.addPackage('stack-1', 'bash')
        await world.importBuild({ ...build('1'), draft: true })
      },
    })
    await prod.promoteBuild(1)
    await prod.tagBuild('stack-1', 1)
    const ended = await sync.sync(['tagged/1/1'])
    expect(ended.get('build/1')).toMatchObject({ kind: 'applied' })
    expect(ended.get('tagged/1/1')).toMatchObject({ kind: 'applied' })
    expect(await listing('stack-1')).toEqual(['1'])
  })
})
