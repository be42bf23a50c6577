import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectSame, snapshotBuild, stagingRow, stagingTree, sweepOne } from './build-support.ts'
import { TestSync } from './support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open({ scope: { builds: 'all' } })
})
afterAll(() => sync.close())

const spec = (name: string) => ({
  name,
  version: '1',
  release: '1',
  rpms: [{ arch: 'src' }, { arch: 'x86_64' }],
})

/** The first converging of a build, without what the queue does after it. */
async function once(buildId: number): Promise<string[]> {
  const methods: string[] = []
  sync.hub.knobs.clear()
  await sweepOne(sync, buildId)
  for (const { method } of sync.hub.knobs.calls) methods.push(method)
  return methods
}

describe('prod changing while it is read', () => {
  it('makes the read be repeated, and what is written is whole', async () => {
    const { prod, hub } = sync
    const build = await prod.importBuild(spec('torn'))
    hub.knobs.beforeNext('queryRPMSigs', async () => {
      await prod.addRpms(build.id, [{ arch: 'aarch64' }])
    })
    const methods = await once(build.id)
    expect(methods.filter((method) => method === 'getBuildType')).toHaveLength(2)
    await expectSame(sync, build.nvr)
  })

  it('and a build that goes under our hands, with its rpms, is no fault of the key', async () => {
    const { prod, hub } = sync
    const build = await prod.importBuild(spec('vanishing'))
    hub.knobs.beforeNext('getRPMChecksums', () => prod.resetBuild(build.id))
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'skipped' })
    expect(await snapshotBuild(sync.local, build.nvr)).toBeNull()
  })

  it('again and again gives the key back with HUB_TORN, and it comes later', async () => {
    const { prod, hub } = sync
    const build = await prod.importBuild({ ...spec('restless'), rpms: [{ arch: 'src' }] })
    let rounds = 0
    const disturb = async (): Promise<void> => {
      rounds += 1
      await prod.setBuildTimestamp(build.id, `2020-01-0${rounds} 00:00:00+00`)
      if (rounds < 4) hub.knobs.beforeNext('queryRPMSigs', disturb)
    }
    hub.knobs.beforeNext('queryRPMSigs', disturb)
    const given: string[] = []
    const release = sync.queue.release.bind(sync.queue)
    sync.queue.release = async (claims, options) => {
      given.push(...claims.map(({ key }) => key.kind))
      await release(claims, options)
    }
    await sweepOne(sync, build.id)
    sync.queue.release = release
    expect(given).toEqual(['build'])
    expect(rounds).toBe(4)
    await expectSame(sync, build.nvr)
  })
})

describe('staging changing while it is written', () => {
  it('a hub transaction that holds the row makes us give way at once; it commits unharmed', async () => {
    const { prod } = sync
    const build = await prod.importBuild(spec('locked'))
    await sweepOne(sync, build.id)
    await prod.addUser('locked-owner')
    await prod.setBuildOwner(build.id, 'locked-owner')
    const hub = new pg.Client({ connectionString: sync.stagingUrl })
    await hub.connect()
    await hub.query('begin')
    await hub.query('update build set task_id = null where id = $1', [build.id])
    let released = 0
    const release = sync.queue.release.bind(sync.queue)
    sync.queue.release = async (claims, options) => {
      released += 1
      await hub.query('commit')
      sync.queue.release = release
      await release(claims, options)
    }
    await sweepOne(sync, build.id)
    // The hub's transaction ends only when we have given way.
    expect(released).toBe(1)
    await hub.end()
    await expectSame(sync, build.nvr)
  })

  it('by somebody between our commit and our last look marks the key again', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild(spec('after'))
    let committed = false
    let disturbed = false
    sync.onStep = async (name) => {
      if (name === 'sql.build.commit') committed = true
      if (!committed || name !== 'sql.build.standing') return
      sync.onStep = () => undefined
      disturbed = true
      await local.rows(`update rpminfo set payloadhash = 'other' where build_id = $1`, [build.id])
    }
    await sweepOne(sync, build.id)
    expect(disturbed).toBe(true)
    await expectSame(sync, build.nvr)
  })

  it('by a build of staging of the same NVR between our look and our write is seen', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild(spec('between'))
    sync.onStep = async (name) => {
      if (name !== 'sql.build.begin') return
      sync.onStep = () => undefined
      await local.rows(`select setval('build_id_seq', 1000000500)`)
      await local.importBuild({ name: 'between', version: '1', release: '1', rpms: [{ arch: 'noarch' }] })
    }
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'held' })
    expect((await snapshotBuild(local, build.nvr))?.rpms).toHaveLength(1)
  })

  it('by a tagging of its people between our look and a removal is seen', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild(spec('tagged-late'))
    await sweepOne(sync, build.id)
    await prod.deleteBuild(build.id)
    await local.addTag('late')
    sync.onStep = async (name) => {
      if (name !== 'sql.build.remove.begin') return
      sync.onStep = () => undefined
      await local.tagBuild('late', build.id)
    }
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'held' })
    expect(await stagingRow(sync, build.nvr)).toMatchObject({ state: 1 })
  })
})

describe("a name that staging's admin gave away after it was looked up", () => {
  for (const table of ['volume', 'btype', 'archivetypes', 'content_generator', 'users', 'package']) {
    it(`(${table}) leads no row to the wrong place`, async () => {
      const { prod, local } = sync
      const own = `given-${table}`
      const of = { owner: own, volume: own, cg: own }
      await prod.addUser(own)
      await prod.rows(`insert into archivetypes (name, description, extensions) values ($1, 'x', $2)`, [
        own,
        own,
      ])
      const make = (release: string) =>
        prod.importBuild({
          ...of,
          name: own,
          version: '1',
          release,
          archives: [{ filename: 'a', type: own, btype: own }],
        })
      await sweepOne(sync, (await make('1')).id)
      // Other rows of that name, as by another seed: nothing of them is recorded as prod's.
      await local.rows(`delete from staging_sync.owned where kind <> 'build' and digest = $1`, [own])
      const build = await make('2')
      sync.onStep = async (name) => {
        if (name !== 'sql.build.begin') return
        sync.onStep = () => undefined
        await local.rows(`update ${table} set name = 'old-' || name where name = $1`, [own])
      }
      await sweepOne(sync, build.id)
      await expectSame(sync, build.nvr)
      expect(await stagingRow(sync, build.nvr)).toMatchObject({ volume: own })
    })
  }
})

describe('files that are missing in the mount', () => {
  it('keep the build from being written, with that reason; it comes when they do', async () => {
    const { prod } = sync
    const build = await prod.importBuild(spec('fileless'))
    const directory = join(sync.prodTopdir, 'packages/fileless/1')
    await rename(join(directory, '1'), join(directory, 'away'))
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'failed', code: 'STORAGE_SOURCE_MISSING' })
    expect(await snapshotBuild(sync.local, build.nvr)).toBeNull()
    expect(Object.keys(await stagingTree(sync)).filter((path) => path.includes('fileless/'))).toEqual([])
    await rename(join(directory, 'away'), join(directory, '1'))
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
    await expectSame(sync, build.nvr)
  })
})
