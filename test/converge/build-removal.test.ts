import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SafetyError } from '../../src/errors.ts'
import type { NewBuild } from '../sim/world/builds.ts'
import {
  expectSame,
  placements,
  snapshotBuild,
  stagingRow,
  stagingTree,
  sweep,
  sweepOne,
} from './build-support.ts'
import { TestSync } from './support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open({ scope: { builds: 'all' } })
})
afterAll(() => sync.close())

const onRemoved = (
  policy: 'hold' | 'prod-wins',
): { conflicts: { build: 'hold'; tag: 'prod-wins'; onRemoved: typeof policy } } => ({
  conflicts: { build: 'hold', tag: 'prod-wins', onRemoved: policy },
})

/** A build with one of everything, in staging already. */
async function made(name: string): Promise<NewBuild> {
  const build = await sync.prod.importBuild({
    name,
    version: '1',
    release: '1',
    epoch: 1,
    maven: { groupId: 'g', artifactId: name, version: '1' },
    win: { platform: 'w' },
    image: true,
    rpms: [
      { arch: 'src', checksums: true },
      { arch: 'x86_64', checksums: true },
    ],
    archives: [
      {
        filename: 'a.jar',
        type: 'jar',
        btype: 'maven',
        maven: { groupId: 'g', artifactId: name, version: '1' },
      },
      { filename: 'a.exe', type: 'exe', btype: 'win', win: { relpath: '', platforms: 'w' } },
      { filename: 'a.tar', type: 'tar', btype: 'image', image: { arch: 'x86_64' } },
    ],
  })
  const [image] = build.archives.slice(2)
  await sync.prod.rows('insert into archive_rpm_components (archive_id, rpm_id) values ($1, $2)', [
    image,
    build.rpms[1],
  ])
  await sync.prod.rows('insert into archive_components (archive_id, component_id) values ($1, $2)', [
    image,
    build.archives[0],
  ])
  await sync.prod.signRpm(build.rpms[1] as number, 'cafe0001', { checksums: true })
  await sweep(sync, [build.id])
  await expectSame(sync, build.nvr)
  return build
}

const paths = async (name: string): Promise<string[]> =>
  Object.keys(await stagingTree(sync)).filter((path) => path.includes(`/${name}/`))

/** A buildroot of staging's own that holds these. */
async function buildroot(rpms: number[], archives: number[] = []): Promise<number> {
  const { local } = sync
  const [row] = await local.rows(`insert into buildroot (br_type) values (0) returning id`)
  const id = row?.id as number
  for (const rpm of rpms)
    await local.rows('insert into buildroot_listing (buildroot_id, rpm_id) values ($1, $2)', [id, rpm])
  for (const archive of archives)
    await local.rows(
      'insert into buildroot_archives (buildroot_id, archive_id, project_dep) values ($1, $2, false)',
      [id, archive],
    )
  return id
}

/** All rows that refer to the build, its rpms or its archives, by table. */
async function references(build: NewBuild): Promise<string[]> {
  const left: string[] = []
  const count = async (table: string, column: string, ids: number[]): Promise<void> => {
    const [row] = await sync.local.rows(`select count(*)::int as n from ${table} where ${column} = any($1)`, [
      ids,
    ])
    if (row?.n !== 0) left.push(table)
  }
  for (const table of [
    'rpminfo',
    'archiveinfo',
    'build_types',
    'maven_builds',
    'win_builds',
    'image_builds',
    'tag_listing',
  ])
    await count(table, 'build_id', [build.id])
  for (const table of ['rpmsigs', 'rpm_checksum', 'buildroot_listing', 'archive_rpm_components'])
    await count(table, 'rpm_id', build.rpms)
  for (const table of [
    'maven_archives',
    'win_archives',
    'image_archives',
    'buildroot_archives',
    'archive_rpm_components',
    'archive_components',
  ])
    await count(table, 'archive_id', build.archives)
  await count('archive_components', 'component_id', build.archives)
  return left
}

describe('a build that prod', () => {
  it('deleted is left as _delete_build leaves it, and its files go', async () => {
    const { prod, local } = sync
    const build = await made('deleted')
    await prod.deleteBuild(build.id)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
    await expectSame(sync, build.nvr)
    expect(await stagingRow(sync, build.nvr)).toMatchObject({ state: 2 })
    expect(await local.rows('select 1 from rpmsigs where rpm_id = any($1)', [build.rpms])).toEqual([])
    expect(await paths('deleted')).toEqual([])
    expect(await placements(sync, build.id)).toEqual([])
    const before = await sync.fingerprint()
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
    expect(await sync.fingerprint()).toEqual(before)
    // A reset of a deleted build takes the rest.
    await prod.resetBuild(build.id)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
    expect(await references(build)).toEqual([])
  })

  it('deleted leaves every tag that it was in', async () => {
    const { prod, local } = sync
    const build = await made('untagged')
    for (const tag of ['one', 'two']) {
      await prod.addTag(tag)
      await prod.addPackage(tag, 'untagged')
      await prod.tagBuild(tag, build.nvr)
      await sync.sync([`tag/${tag}`])
    }
    const tags = (): Promise<unknown[]> =>
      local.rows('select 1 from tag_listing where active and build_id = $1', [build.id])
    expect(await tags()).toHaveLength(2)
    await prod.deleteBuild(build.id)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
    expect(await tags()).toEqual([])
  })

  it('reset and failed anew is FAILED here too', async () => {
    const { prod } = sync
    const build = await made('fails-anew')
    await prod.resetBuild(build.id)
    await prod.recycleBuild(build.nvr)
    await prod.failBuild(build.nvr)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
    expect(await stagingRow(sync, build.nvr)).toMatchObject({ state: 3 })
  })

  it('reset is left bare: all that refers to it goes, what staging added too', async () => {
    const { prod, local } = sync
    const build = await made('reset')
    await local.rows(`insert into tag (name) values ('reset-tag')`)
    const ours = sync.deps().owner.userId
    const [tag] = await local.rows(`select id from tag where name = 'reset-tag'`)
    for (const active of [true, false]) {
      const [event] = await local.rows('select get_event() as id')
      await local.rows(
        `insert into tag_listing (build_id, tag_id, create_event, creator_id, active, revoke_event, revoker_id)
         values ($1, $2, $3, $4, $5, $6, $7)`,
        [
          build.id,
          tag?.id,
          event?.id,
          ours,
          active ? true : null,
          active ? null : event?.id,
          active ? null : ours,
        ],
      )
    }
    await local.addRpms(build.id, [{ arch: 'noarch', name: 'reset-local' }])
    await local.signRpm(build.rpms[0] as number, 'beef0001', { checksums: true })
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
    await prod.resetBuild(build.id)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
    expect(await references(build)).toEqual([])
    await expectSame(sync, build.nvr)
    expect(await stagingRow(sync, build.nvr)).toMatchObject({ state: 4, volume: 'DEFAULT', task_id: null })
    expect(await paths('reset')).toEqual([])
    expect(
      (await local.rows('select 1 from tag_updates where tag_id = $1', [tag?.id])).length,
    ).toBeGreaterThan(0)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
  })

  it('reset and imported anew keeps its id and has new rpm ids, which staging takes where free', async () => {
    const { prod, local } = sync
    const build = await made('again')
    await prod.resetBuild(build.id)
    await sweep(sync, [build.id])
    await prod.recycleBuild(build.id)
    await prod.completeBuild(build.id, { rpms: [{ arch: 'src', checksums: true }, { arch: 'x86_64' }] })
    const fresh = await prod.rows('select id from rpminfo where build_id = $1 order by id', [build.id])
    // One of the new ids is staging's own already.
    const own = await local.importBuild({
      name: 'again-own',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    await local.rows('update rpmsigs set rpm_id = rpm_id where false')
    const taken = fresh[1]?.id as number
    await local.rows('delete from rpmsigs where rpm_id = any($1)', [own.rpms])
    await local.rows('update rpminfo set id = $2 where id = $1', [own.rpms[0], taken])
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
    await expectSame(sync, build.nvr)
    expect(await stagingRow(sync, build.nvr)).toMatchObject({ id: build.id, state: 1, volume: 'prod' })
    const ids = (await local.rows('select id from rpminfo where build_id = $1 order by id', [build.id])).map(
      ({ id }) => id as number,
    )
    expect(ids[0]).toBe(fresh[0]?.id)
    expect(ids[1]).toBeGreaterThan(1_000_000_000)
  })

  it('recycled unseen (reset and import between two looks) gets its new content, without counting removals', async () => {
    const { prod, local } = sync
    const build = await made('unseen')
    await prod.resetBuild(build.id)
    await prod.recycleBuild(build.id, { epoch: 2 })
    await prod.completeBuild(build.id, { rpms: [{ arch: 'x86_64', checksums: true }] })
    const [spent] = await local.rows('select coalesce(sum(count), 0)::int as n from staging_sync.removal')
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
    await expectSame(sync, build.nvr)
    expect(await local.rows('select coalesce(sum(count), 0)::int as n from staging_sync.removal')).toEqual([
      spent,
    ])
    expect(
      await local.rows(`select 1 from staging_sync.owned where kind = 'rpm' and prod_id = any($1)`, [
        build.rpms,
      ]),
    ).toEqual([])
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
  })

  it('recycled unseen keeps the rows that a buildroot of staging uses, with the new content', async () => {
    const { prod, local } = sync
    const build = await made('kept')
    const root = await buildroot([build.rpms[1] as number], [build.archives[0] as number])
    await local.signRpm(build.rpms[1] as number, 'beef0002', { checksums: true })
    await prod.resetBuild(build.id)
    await prod.recycleBuild(build.id)
    await prod.completeBuild(build.id, {
      rpms: [{ arch: 'src' }, { arch: 'x86_64' }],
      archives: [
        {
          filename: 'a.jar',
          type: 'jar',
          btype: 'maven',
          maven: { groupId: 'g', artifactId: 'kept', version: '2' },
        },
      ],
    })
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
    // Nothing of the old payload stays, not even what staging signed.
    await expectSame(sync, build.nvr)
    expect(await local.rows('select rpm_id from buildroot_listing where buildroot_id = $1', [root])).toEqual([
      { rpm_id: build.rpms[1] },
    ])
    const [kept] = await local.rows(`select id from rpminfo where build_id = $1 and arch = 'x86_64'`, [
      build.id,
    ])
    expect(kept?.id).toBe(build.rpms[1])
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
    expect(await sync.clashes(`build/${build.id}`)).toEqual([])
  })

  it('recycled unseen without a part that staging uses: that part is held, the rest goes on', async () => {
    const { prod, local } = sync
    const build = await made('part')
    const root = await buildroot([build.rpms[0] as number])
    await prod.resetBuild(build.id)
    await prod.recycleBuild(build.id)
    await prod.completeBuild(build.id, { rpms: [{ arch: 'x86_64' }] })
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'held' })
    const arches = await local.rows('select arch from rpminfo where build_id = $1 order by 1', [build.id])
    expect(arches.map(({ arch }) => arch)).toEqual(['src', 'x86_64'])
    expect(await sync.clashes(`build/${build.id}`)).toMatchObject([{ kind: 'on_removed', decision: 'held' }])
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'held', rows: 0 })
    expect(await sweepOne(sync, build.id, onRemoved('prod-wins'))).toMatchObject({ kind: 'applied' })
    await expectSame(sync, build.nvr)
    expect(await local.rows('select 1 from buildroot_listing where buildroot_id = $1', [root])).toEqual([])
  })
})

describe('what staging uses of a build that prod removes', () => {
  for (const kind of ['a tagging by its people', 'a buildroot', 'an archive of its own'] as const) {
    it(`${kind}: held, and removed all the same when prod wins`, async () => {
      const { prod, local } = sync
      const name = `used-${kind.length}`
      const build = await made(name)
      if (kind === 'a tagging by its people') {
        await local.addTag('people')
        await local.tagBuild('people', build.id)
      } else if (kind === 'a buildroot') await buildroot([build.rpms[0] as number])
      else
        await local.importBuild({
          name: 'own-image',
          version: '1',
          release: '1',
          archives: [
            {
              filename: 'own.tar',
              type: 'tar',
              btype: 'image',
              image: { arch: 'x86_64' },
              rpmComponents: [build.rpms[0] as number],
            },
          ],
        })
      await prod.resetBuild(build.id)
      const before = await sync.fingerprint()
      expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'held', rows: 0 })
      expect(await sync.fingerprint()).toEqual(before)
      expect(await paths(name)).not.toEqual([])
      expect(await sync.clashes(`build/${build.id}`)).toMatchObject([
        { kind: 'on_removed', decision: 'held' },
      ])
      expect(await sweepOne(sync, build.id, onRemoved('prod-wins'))).toMatchObject({ kind: 'applied' })
      expect(await references(build)).toEqual([])
      expect(await paths(name)).toEqual([])
      await sweep(sync, [build.id])
      expect(await sync.clashes(`build/${build.id}`)).toEqual([])
    })
  }
})

describe('prod not knowing', () => {
  it('a build that came from it stops all writing, and removes nothing', async () => {
    const build = await made('lost')
    await sync.prod.rows('alter table build rename to build_hidden')
    await sync.prod.rows('create view build as select * from build_hidden where false')
    const before = await sync.fingerprint()
    await expect(sweep(sync, [build.id])).rejects.toThrow(SafetyError)
    await sync.prod.rows('drop view build')
    await sync.prod.rows('alter table build_hidden rename to build')
    expect(await sync.fingerprint()).toEqual(before)
    await sync.clearQueue()
  })

  it('a build that staging never had is nothing', async () => {
    expect(await sweepOne(sync, 999_999)).toMatchObject({ kind: 'skipped', reason: 'prod has no such build' })
  })

  it('it to be COMPLETE, and staging not having it, is nothing either', async () => {
    const build = await sync.prod.startBuild({ name: 'half', version: '1', release: '1' })
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'skipped' })
    await sync.prod.failBuild(build.id)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'skipped' })
    expect(await snapshotBuild(sync.local, build.nvr)).toBeNull()
  })
})
