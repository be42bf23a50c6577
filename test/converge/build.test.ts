import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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

const applied = { kind: 'applied' }

describe('a COMPLETE build of prod', () => {
  it('of rpms comes with ids, epoch, source, owner, times to the microsecond, sigs, checksums, extra', async () => {
    const { prod } = sync
    await prod.addUser('builder')
    const extra = {
      one: 1,
      half: 0.5,
      big: 12345678901,
      text: 'Grüße ☃ \u0001 "quoted"',
      source: { original_url: 'git://x#y' },
      none: null,
      list: [1, [2]],
    }
    const build = await prod.importBuild({
      name: 'rpmish',
      version: '1.2',
      release: '3.fc43',
      epoch: 4,
      owner: 'builder',
      source: 'git+https://src/rpmish#abc',
      startTime: '2026-01-02 03:04:05.000001+00',
      completionTime: '2026-01-02 03:05:06.999999+00',
      extra,
      rpms: [
        { arch: 'src', checksums: true },
        { arch: 'x86_64', checksums: true, extra: { built: true } },
        { arch: 'noarch', name: 'rpmish-doc', epoch: null, buildtime: 4_000_000_000 },
      ],
    })
    await prod.rows('update rpminfo set size = 9007199254740993 where id = $1', [build.rpms[2]])
    await prod.signRpm(build.rpms[1] as number, 'cafe0001', { checksums: true })
    expect(await sweepOne(sync, build.id)).toMatchObject(applied)
    await expectSame(sync, build.nvr)
    const row = await stagingRow(sync, build.nvr)
    expect(row).toMatchObject({ id: build.id, volume: 'prod', task_id: null })
    const ids = await sync.local.rows('select id from rpminfo where build_id = $1 order by id', [build.id])
    expect(ids.map(({ id }) => id)).toEqual(build.rpms)
    expect(await stagingTree(sync)).toMatchObject({
      'packages/rpmish/1.2/3.fc43': '../../../vol/prod/packages/rpmish/1.2/3.fc43',
      'vol/prod/packages/rpmish/1.2/3.fc43': 'PROD/packages/rpmish/1.2/3.fc43',
    })
    expect(await placements(sync, build.id)).toEqual(['prod 3.fc43 placed'])
  })

  it('keeps 1 and 1.0 and numbers beyond 2^53 apart in extra', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild({ name: 'json', version: '1', release: '1' })
    const extra = '{"a": 1, "b": 1.0, "c": 9007199254740993, "d": "\\u2603"}'
    await prod.rows('update build set extra = $2 where id = $1', [build.id, extra])
    await sweepOne(sync, build.id)
    const [row] = await local.rows('select extra from build where id = $1', [build.id])
    expect(String(row?.extra)).toMatch(/"a": ?1,.*"b": ?1\.0,.*"c": ?9007199254740993/)
    await prod.rows('update build set extra = $2 where id = $1', [build.id, extra.replace('1.0', '1')])
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied', rows: 1 })
    const [after] = await local.rows('select extra from build where id = $1', [build.id])
    expect(String(after?.extra)).toMatch(/"b": ?1,/)
    // Spaced otherwise it is the same.
    await prod.rows('update build set extra = $2 where id = $1', [
      build.id,
      extra.replace('1.0', '1').replaceAll(': ', ':'),
    ])
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
  })

  it('of maven, win and image types comes with the rows of its types', async () => {
    const { prod } = sync
    const build = await prod.importBuild({
      name: 'many',
      version: '1',
      release: '1',
      maven: { groupId: 'org.many', artifactId: 'many', version: '1' },
      win: { platform: 'win10' },
      image: true,
      rpms: [{ arch: 'x86_64', metadataOnly: true }],
      archives: [
        {
          filename: 'many.jar',
          type: 'jar',
          btype: 'maven',
          maven: { groupId: 'org.many', artifactId: 'many', version: '1' },
        },
        {
          filename: 'many.exe',
          type: 'exe',
          btype: 'win',
          win: { relpath: 'a/b', platforms: 'win10', flags: null },
        },
        {
          filename: 'many.qcow2',
          type: 'qcow2',
          btype: 'image',
          image: { arch: 'x86_64' },
          extra: { image: { arch: 'x86_64' } },
        },
        { filename: 'many.tar', type: 'tar', btype: 'newtype', subdir: 'deep' },
        {
          filename: 'same.jar',
          type: 'jar',
          btype: 'maven',
          maven: { groupId: 'a', artifactId: 'b', version: '1' },
        },
        {
          filename: 'same.jar',
          type: 'jar',
          btype: 'maven',
          maven: { groupId: 'c', artifactId: 'd', version: '2' },
        },
      ],
    })
    expect(await sweepOne(sync, build.id)).toMatchObject(applied)
    await expectSame(sync, build.nvr)
  })

  it('of a content generator brings the builds that its archives contain, and external rpms with their repo', async () => {
    const { prod } = sync
    const base = await prod.importBuild({
      name: 'base',
      version: '1',
      release: '1',
      rpms: [{ arch: 'x86_64' }],
    })
    const layer = await prod.importBuild({
      name: 'layer',
      version: '1',
      release: '1',
      cg: 'osbs',
      archives: [
        {
          filename: 'layer.tar',
          type: 'tar',
          btype: 'image',
          image: { arch: 'x86_64' },
          rpmComponents: base.rpms,
        },
      ],
    })
    const repo = await prod.addExternalRepo('epel', 'https://epel/')
    const external = await prod.addExternalRpm('epel', {
      name: 'ext',
      version: '1',
      release: '1',
      arch: 'noarch',
    })
    const image = await prod.importBuild({
      name: 'image',
      version: '1',
      release: '1',
      cg: 'osbs',
      extra: { typeinfo: { image: { deep: 1 } } },
      rpms: [{ arch: 'ppc64le', name: 'own' }],
      archives: [{ filename: 'part.tar', type: 'tar', btype: 'image', image: { arch: 'x86_64' } }],
    })
    await prod.together(async () => undefined)
    const [part] = image.archives
    const whole = await prod.rows(
      `insert into archiveinfo (type_id, btype_id, build_id, filename, size, checksum, checksum_type, metadata_only)
       select type_id, btype_id, build_id, 'whole.tar', 1, 'x', 0, true from archiveinfo where id = $1 returning id`,
      [part],
    )
    const wholeId = whole[0]?.id as number
    for (const rpm of [...base.rpms, ...image.rpms, external])
      await prod.rows('insert into archive_rpm_components (archive_id, rpm_id) values ($1, $2)', [
        wholeId,
        rpm,
      ])
    for (const component of [...layer.archives, part])
      await prod.rows('insert into archive_components (archive_id, component_id) values ($1, $2)', [
        wholeId,
        component,
      ])

    const tagged = {
      scope: new (await import('../../src/converge/scope.ts')).Scope({
        tags: ['nothing'],
        excludeTags: [],
        builds: 'tagged',
        sideTags: false,
      }),
    }
    const outside = await sweepOne(sync, image.id, tagged)
    expect(outside).toMatchObject({ kind: 'skipped', reason: 'it is in no tag' })
    await sync.sync([`external-repo/${repo}`])
    expect(await sweepOne(sync, image.id)).toMatchObject(applied)
    await expectSame(sync, base.nvr, layer.nvr, image.nvr)
    expect((await snapshotBuild(sync.local, image.nvr))?.parts).toContainEqual({
      filename: 'whole.tar',
      rpm: 'ext-1-1.noarch',
      repo: 'epel',
    })
    const included = await sync.local.rows('select build_id::int from staging_sync.scope_build order by 1')
    expect(included.map((row) => row.build_id)).toEqual([base.id, layer.id])
  })

  it('with archive types that staging lacks brings them as they are', async () => {
    const { prod, local } = sync
    await prod.rows(
      `insert into archivetypes (name, description, extensions, compression_type)
       values ('new-a', 'A new one', 'na nb', 'zip'), ('new-b', 'Another', 'nc', null)`,
    )
    const archives = ['new-a', 'new-b'].map((type) => ({ filename: `x.${type}`, type, btype: 'new-btype' }))
    const build = await prod.importBuild({ name: 'types', version: '1', release: '1', archives })
    expect(await sweepOne(sync, build.id)).toMatchObject(applied)
    await expectSame(sync, build.nvr)
    const types = `select name, description, extensions, compression_type from archivetypes where name like 'new-%' order by 1`
    expect(await local.rows(types)).toEqual(await prod.rows(types))
  })

  it('does not wait for a component that prod has deleted', async () => {
    const { prod } = sync
    const gone = await prod.importBuild({
      name: 'gone',
      version: '1',
      release: '1',
      rpms: [{ arch: 'x86_64' }],
    })
    const image = await prod.importBuild({
      name: 'holder',
      version: '1',
      release: '1',
      archives: [
        {
          filename: 'h.tar',
          type: 'tar',
          btype: 'image',
          image: { arch: 'x86_64' },
          rpmComponents: gone.rpms,
        },
      ],
    })
    await prod.deleteBuild(gone.id)
    const ended = await sweep(sync, [image.id])
    expect([...ended]).toEqual([[`build/${image.id}`, expect.objectContaining(applied)]])
    expect((await snapshotBuild(sync.local, image.nvr))?.parts).toEqual([])
  })
})

describe('what changes later', () => {
  it('signatures come and go by key; what staging signed with its own key stays', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild({
      name: 'signed',
      version: '1',
      release: '1',
      rpms: [{ arch: 'x86_64', checksums: true }],
    })
    const rpm = build.rpms[0] as number
    await prod.signRpm(rpm, 'cafe0002', { checksums: true })
    await sweepOne(sync, build.id)
    await local.signRpm(rpm, 'beef0001', { checksums: true })
    await prod.signRpm(rpm, 'cafe0003')
    await prod.deleteSig(rpm, 'cafe0002')
    expect(await sweepOne(sync, build.id)).toMatchObject(applied)
    const keys = await local.rows('select sigkey from rpmsigs where rpm_id = $1 order by 1', [rpm])
    expect(keys.map((row) => row.sigkey)).toEqual(['', 'beef0001', 'cafe0003'])
    const sums = await local.rows('select distinct sigkey from rpm_checksum where rpm_id = $1 order by 1', [
      rpm,
    ])
    expect(sums.map((row) => row.sigkey)).toEqual(['', 'beef0001'])
    // The sighash changes when a signature is made anew.
    await prod.rows(`update rpmsigs set sighash = 'other' where rpm_id = $1 and sigkey = 'cafe0003'`, [rpm])
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied', rows: 1 })
    const [sig] = await local.rows(`select sighash from rpmsigs where rpm_id = $1 and sigkey = 'cafe0003'`, [
      rpm,
    ])
    expect(sig?.sighash).toBe('other')
  })

  it('a checksum that another rpm of staging holds counts as equal', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild({
      name: 'summed',
      version: '1',
      release: '1',
      rpms: [
        { arch: 'x86_64', checksums: true },
        { arch: 'src', checksums: true },
      ],
    })
    await sweepOne(sync, build.id)
    const [first, second] = build.rpms as [number, number]
    await local.rows(`update rpm_checksum set checksum = 'moved' where rpm_id = $1 and checksum_type = 2`, [
      first,
    ])
    const [held] = await prod.rows(
      'select checksum from rpm_checksum where rpm_id = $1 and checksum_type = 2',
      [first],
    )
    await local.rows('update rpm_checksum set checksum = $2 where rpm_id = $1 and checksum_type = 2', [
      second,
      held?.checksum,
    ])
    await sweepOne(sync, build.id)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
    await expectSame(sync, build.nvr)
  })

  it('rpms that are added to a build come, and its tags are told', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild({
      name: 'grows',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    await sweepOne(sync, build.id)
    const tag = await local.addTag('local-tag')
    await local.tagBuild('local-tag', build.id)
    await prod.addRpms(build.id, [{ arch: 'x86_64' }, { arch: 'aarch64' }])
    expect(await sweepOne(sync, build.id)).toMatchObject(applied)
    await expectSame(sync, build.nvr)
    const told = await local.rows('select update_type from tag_updates where tag_id = $1', [tag])
    expect(told.length).toBeGreaterThan(0)
    expect(told.every((row) => row.update_type === 2)).toBe(true)
  })

  it('owner, times and volume follow; the old link goes after the row, tags are told', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild({
      name: 'moves',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    await sweepOne(sync, build.id)
    const tag = await local.addTag('moves-tag')
    await local.tagBuild('moves-tag', build.id)
    await prod.addUser('other')
    await prod.setBuildOwner(build.id, 'other')
    await prod.setBuildTimestamp(build.id, '2020-02-29 12:00:00.123456+00')
    await prod.changeVolume(build.id, 'archive')
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied', rows: 1 })
    await expectSame(sync, build.nvr)
    expect(await stagingRow(sync, build.nvr)).toMatchObject({ volume: 'archive' })
    const tree = await stagingTree(sync)
    expect(Object.fromEntries(Object.entries(tree).filter(([path]) => path.includes('moves')))).toEqual({
      'packages/moves/1/1': '../../../vol/archive/packages/moves/1/1',
      'vol/archive/packages/moves/1/1': 'PROD/vol/archive/packages/moves/1/1',
    })
    expect(await placements(sync, build.id)).toEqual(['archive 1 placed'])
    expect((await local.rows('select 1 from tag_updates where tag_id = $1', [tag])).length).toBe(1)
  })

  it('a draft is promoted: same id, new NVR, rpms follow, the old name leads to the new one', async () => {
    const { prod, local } = sync
    const draft = await prod.importBuild({
      name: 'drafty',
      version: '1',
      release: '1',
      draft: true,
      rpms: [{ arch: 'src' }, { arch: 'x86_64' }],
    })
    await sweepOne(sync, draft.id)
    await expectSame(sync, draft.nvr)
    const tag = await local.addTag('draft-tag')
    await local.tagBuild('draft-tag', draft.id)
    const nvr = await prod.promoteBuild(draft.id)
    expect(await sweepOne(sync, draft.id)).toMatchObject(applied)
    await expectSame(sync, nvr)
    expect(await stagingRow(sync, nvr)).toMatchObject({ id: draft.id, draft: false })
    expect(await local.rows('select distinct draft from rpminfo where build_id = $1', [draft.id])).toEqual([
      { draft: false },
    ])
    expect((await local.rows('select 1 from tag_updates where tag_id = $1', [tag])).length).toBe(1)
    const tree = await stagingTree(sync)
    expect(Object.fromEntries(Object.entries(tree).filter(([path]) => path.includes('drafty')))).toEqual({
      'packages/drafty/1/1': '../../../vol/prod/packages/drafty/1/1',
      [`packages/drafty/1/1,draft_${draft.id}`]: `../../../vol/prod/packages/drafty/1/1,draft_${draft.id}`,
      'vol/prod/packages/drafty/1/1': 'PROD/packages/drafty/1/1',
      [`vol/prod/packages/drafty/1/1,draft_${draft.id}`]: '../../../../../packages/drafty/1/1',
    })
    expect(await placements(sync, draft.id)).toEqual(['prod 1 placed'])
    // The draft's name goes with the build.
    await local.untagBuild('draft-tag', draft.id)
    await prod.deleteBuild(draft.id)
    await sweepOne(sync, draft.id)
    expect(Object.keys(await stagingTree(sync)).filter((path) => path.includes('drafty'))).toEqual([])
  })
})

describe('round trips', () => {
  it('are few: statements up to the commit of a new build, and of a look at an equal one', async () => {
    const { prod } = sync
    const spec = { name: 'trips', version: '1', rpms: [{ arch: 'src' }, { arch: 'x86_64' }] }
    await sweepOne(sync, (await prod.importBuild({ ...spec, release: '1' })).id)
    const build = await prod.importBuild({ ...spec, release: '2' })
    const statementsOf = async (): Promise<string[]> => {
      const names: string[] = []
      sync.onStep = (name) => {
        if (/^sql\.(?!queue\.)/.test(name)) names.push(name)
        return undefined
      }
      await sweepOne(sync, build.id)
      sync.onStep = () => undefined
      return names
    }
    const fresh = await statementsOf()
    expect(fresh.slice(0, fresh.indexOf('sql.build.commit') + 1).length, fresh.join(' ')).toBeLessThanOrEqual(
      17,
    )
    expect(await statementsOf()).toEqual(['sql.build.standing', 'sql.owned.find', 'sql.build.present'])
  })
})

describe('an equal build', () => {
  it('is not touched: no row version, no event, no file, no transaction', async () => {
    const builds = await sync.prod.rows('select id from build where state = 1 order by id')
    await sweep(
      sync,
      builds.map(({ id }) => id as number),
    )
    const before = await sync.fingerprint()
    const tree = await stagingTree(sync)
    const steps: string[] = []
    sync.onStep = (name) => {
      if (/\.begin$|file\.(symlink|unlink|rename|mkdir|rmdir)/.test(name)) steps.push(name)
      return undefined
    }
    const ended = await sweep(
      sync,
      builds.map(({ id }) => id as number),
    )
    sync.onStep = () => undefined
    expect(new Set([...ended.values()].map(({ kind }) => kind))).toEqual(new Set(['unchanged']))
    expect(await sync.fingerprint()).toEqual(before)
    expect(await stagingTree(sync)).toEqual(tree)
    expect(steps.filter((name) => !name.startsWith('sql.queue.'))).toEqual([])
  })
})
