import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cellsOf, editedColumns } from '../../src/converge/build/base.ts'
import { decideRow } from '../../src/converge/build/row.ts'
import type { Deps } from '../../src/converge/deps.ts'
import type { BuildSpec, NewBuild } from '../sim/world/builds.ts'
import { expectSame, snapshotBuild, stagingRow, stagingTree, sweepOne } from './build-support.ts'
import { TestSync } from './support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open({ scope: { builds: 'all' } })
})
afterAll(() => sync.close())

const policy = (build: Deps['conflicts']['build']): Partial<Deps> => ({
  conflicts: { build, tag: 'prod-wins', onRemoved: 'hold' },
})
const clashesOf = (build: { id: number }) => sync.clashes(`build/${build.id}`)

/** Gives staging's builds other ids than prod's. */
async function apart(): Promise<void> {
  await sync.local.rows(`select setval('build_id_seq', greatest(1000000001, (select max(id) from build)))`)
}

/** Makes staging's own build of the same payload: same hashes, other ids, another owner. */
async function sameInStaging(build: NewBuild, spec: BuildSpec): Promise<NewBuild> {
  const { prod, local } = sync
  const own = await local.importBuild(spec)
  const rpms = await prod.rows('select arch, payloadhash, size, buildtime from rpminfo where build_id = $1', [
    build.id,
  ])
  for (const rpm of rpms) {
    await local.rows(
      'update rpminfo set payloadhash = $3, size = $4, buildtime = $5 where build_id = $1 and arch = $2',
      [own.id, rpm.arch, rpm.payloadhash, rpm.size, rpm.buildtime],
    )
  }
  await local.rows(
    `update rpmsigs s set sighash = r.payloadhash from rpminfo r where r.id = s.rpm_id and s.sigkey = '' and r.build_id = $1`,
    [own.id],
  )
  return own
}

describe('a build of staging with the same NVR', () => {
  it('is adopted when it holds the same, with its id, its volume, and what staging signed', async () => {
    const { prod, local } = sync
    await apart()
    const spec = { name: 'same', version: '1', release: '1', rpms: [{ arch: 'src' }, { arch: 'x86_64' }] }
    const build = await prod.importBuild(spec)
    const own = await sameInStaging(build, spec)
    await local.signRpm(own.rpms[1] as number, 'beef0001')
    await mkdir(join(sync.stagingTopdir, 'packages/same/1/1'), { recursive: true })
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
    expect(await stagingRow(sync, build.nvr)).toMatchObject({ id: own.id, volume: 'DEFAULT' })
    expect(await clashesOf(build)).toEqual([])
    const sigs = await local.rows('select sigkey from rpmsigs where rpm_id = $1 order by 1', [own.rpms[1]])
    expect(sigs.map(({ sigkey }) => sigkey)).toEqual(['', 'beef0001'])
    const before = await sync.fingerprint()
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
    expect(await sync.fingerprint()).toEqual(before)
    // A signature of prod would be a row without a file there.
    await prod.signRpm(build.rpms[0] as number, 'cafe0001')
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'failed', code: 'STORAGE_OWN_TREE' })
    await sync.clearQueue()
  })

  it('with other content is held by default: nothing is written for it', async () => {
    const { prod, local } = sync
    await apart()
    const build = await prod.importBuild({
      name: 'other',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    await local.importBuild({ name: 'other', version: '1', release: '1', rpms: [{ arch: 'src' }] })
    const before = await sync.fingerprint()
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'held', rows: 0 })
    const after = await sync.fingerprint()
    // What it would point to may have been made beforehand.
    expect({ ...after, volume: '', users: '' }).toEqual({ ...before, volume: '', users: '' })
    expect(await clashesOf(build)).toMatchObject([{ kind: 'nvr', decision: 'held', subject: build.nvr }])
  })

  it('stays where local wins, and is recorded', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild({
      name: 'stays',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    await apart()
    await local.importBuild({
      name: 'stays',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }, { arch: 'noarch' }],
    })
    const before = await snapshotBuild(local, build.nvr)
    expect(await sweepOne(sync, build.id, policy('local-wins'))).toMatchObject({ kind: 'unchanged' })
    expect(await snapshotBuild(local, build.nvr)).toEqual(before)
    expect(await clashesOf(build)).toMatchObject([{ kind: 'nvr', decision: 'local-won' }])
  })

  it('is replaced where prod wins: id and taggings stay, the old rows are in the record', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild({
      name: 'wins',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src', checksums: true }, { arch: 'x86_64' }],
    })
    await apart()
    const own = await local.importBuild({
      name: 'wins',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src', checksums: true }, { arch: 'noarch' }],
    })
    await local.signRpm(own.rpms[0] as number, 'beef0003', { checksums: true })
    await local.addTag('wins-tag')
    await local.tagBuild('wins-tag', own.id)
    expect(await sweepOne(sync, build.id, policy('prod-wins'))).toMatchObject({ kind: 'applied' })
    await expectSame(sync, build.nvr)
    expect(await stagingRow(sync, build.nvr)).toMatchObject({ id: own.id, volume: 'prod', task_id: null })
    expect(
      await local.rows('select 1 from tag_listing where build_id = $1 and active', [own.id]),
    ).toHaveLength(1)
    const [record] = await local.rows(`select local, state from staging_sync.clash where key = $1`, [
      `build/${build.id}`,
    ])
    expect(JSON.stringify(record?.local)).toContain('noarch')
    expect(await sweepOne(sync, build.id, policy('prod-wins'))).toMatchObject({ kind: 'unchanged' })
    expect(await clashesOf(build)).toEqual([])
  })

  it('is not replaced over a directory of staging: the clash is named and nothing is written', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild({
      name: 'realdir',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    await apart()
    await local.importBuild({ name: 'realdir', version: '1', release: '1', rpms: [{ arch: 'src' }] })
    const directory = join(sync.stagingTopdir, 'packages/realdir/1/1')
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, 'file'), 'x')
    const before = await snapshotBuild(local, build.nvr)
    expect(await sweepOne(sync, build.id, policy('prod-wins'))).toMatchObject({
      kind: 'failed',
      code: 'STORAGE_CLASH',
    })
    expect(await snapshotBuild(local, build.nvr)).toEqual(before)
    expect((await stagingTree(sync))['packages/realdir/1/1/file']).toBe('a file')
    await sync.clearQueue()
  })

  for (const end of ['failed', 'canceled'] as const) {
    it(`that ${end} without content is taken over with its id, as recycle_build does`, async () => {
      const { prod, local } = sync
      const name = `end-${end}`
      const build = await prod.importBuild({ name, version: '1', release: '1', rpms: [{ arch: 'src' }] })
      await apart()
      const own = await local.startBuild({ name, version: '1', release: '1', epoch: 7 })
      await local.rows(
        `insert into task (id, state, owner, channel_id, arch) values ($1, 1, 1, (select min(id) from channels), 'noarch') on conflict do nothing`,
        [own.id],
      )
      await local.rows('update build set task_id = $1 where id = $1', [own.id])
      await local.rows(
        `insert into maven_builds (build_id, group_id, artifact_id, version) values ($1, 'a', 'b', 'c')`,
        [own.id],
      )
      expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'failed', code: 'LOCAL_BUILDING' })
      expect(await stagingRow(sync, build.nvr)).toMatchObject({ state: 0, epoch: 7 })
      await (end === 'failed' ? local.failBuild(own.id) : local.cancelBuild(own.id))
      expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
      await expectSame(sync, build.nvr)
      expect(await stagingRow(sync, build.nvr)).toMatchObject({ id: own.id, task_id: null, volume: 'prod' })
      expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
    })
  }
})

describe('ids', () => {
  it('that are taken in staging are replaced by ones above the floor', async () => {
    const { prod, local } = sync
    const next = await prod.importBuild({ name: 'probe', version: '1', release: '1' })
    await local.rows(`select setval('build_id_seq', $1)`, [next.id])
    const own = await local.importBuild({ name: 'id-own', version: '1', release: '1' })
    await apart()
    const build = await prod.importBuild({
      name: 'id-prod',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    expect(build.id).toBe(own.id)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
    await expectSame(sync, build.nvr)
    expect((await stagingRow(sync, build.nvr))?.id).toBeGreaterThan(1_000_000_000)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
  })

  it('a draft whose id is taken is refused with that reason, until it is promoted', async () => {
    const { prod, local } = sync
    const next = await prod.importBuild({ name: 'probe', version: '2', release: '1' })
    await local.rows(`select setval('build_id_seq', $1)`, [next.id])
    await local.importBuild({ name: 'draft-own', version: '1', release: '1' })
    await apart()
    const draft = await prod.importBuild({
      name: 'draft-prod',
      version: '1',
      release: '1',
      draft: true,
      rpms: [{ arch: 'src' }],
    })
    expect(await sweepOne(sync, draft.id)).toMatchObject({ kind: 'failed', code: 'DRAFT_ID_TAKEN' })
    expect(await snapshotBuild(local, draft.nvr)).toBeNull()
    const nvr = await prod.promoteBuild(draft.id)
    expect(await sweepOne(sync, draft.id)).toMatchObject({ kind: 'applied' })
    await expectSame(sync, nvr)
  })

  it('of events that staging has itself cost the time of creation, not a write at each look', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild({ name: 'event', version: '1', release: '1' })
    const [event] = await prod.rows('select create_event as id from build where id = $1', [build.id])
    await local.rows(`insert into events (id, time) values ($1, '2001-01-01') on conflict do nothing`, [
      event?.id,
    ])
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
    expect((await stagingRow(sync, build.nvr))?.create_event).toBeGreaterThan(1_000_000_000)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
    await prod.addUser('event-owner')
    await prod.setBuildOwner(build.id, 'event-owner')
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied', rows: 1 })
    expect(await clashesOf(build)).toEqual([])
  })
})

describe('an rpm name', () => {
  it('that a build of staging has is a clash, not an endless race', async () => {
    const { prod, local } = sync
    await apart()
    await local.importBuild({
      name: 'nvra-own',
      version: '1',
      release: '1',
      rpms: [{ arch: 'noarch', name: 'shared' }],
    })
    const build = await prod.importBuild({
      name: 'nvra-prod',
      version: '1',
      release: '1',
      rpms: [{ arch: 'noarch', name: 'shared' }],
    })
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'held' })
    expect(await clashesOf(build)).toMatchObject([{ kind: 'nvra', decision: 'held' }])
    expect(await snapshotBuild(local, build.nvr)).toBeNull()
  })

  it('that another build of prod had before brings that build first', async () => {
    const { prod } = sync
    const old = await prod.importBuild({
      name: 'had',
      version: '1',
      release: '1',
      rpms: [{ arch: 'noarch', name: 'passed' }],
    })
    await sweepOne(sync, old.id)
    await prod.resetBuild(old.id)
    const build = await prod.importBuild({
      name: 'has',
      version: '1',
      release: '1',
      rpms: [{ arch: 'noarch', name: 'passed' }],
    })
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
    await expectSame(sync, build.nvr, old.nvr)
  })
})

describe('what staging did to a build of prod', () => {
  const edit = async (name: string): Promise<NewBuild> => {
    const { prod, local } = sync
    const build = await prod.importBuild({ name, version: '1', release: '1', rpms: [{ arch: 'src' }] })
    await sweepOne(sync, build.id)
    await local.addUser(`${name}-owner`)
    await local.setBuildOwner(build.id, `${name}-owner`)
    await prod.setBuildTimestamp(build.id, '2021-01-01 00:00:00+00')
    await prod.addRpms(build.id, [{ arch: 'x86_64' }])
    return build
  }
  const ownerOf = async (build: NewBuild): Promise<unknown> =>
    (await snapshotBuild(sync.local, build.nvr))?.build

  for (const how of ['hold', 'local-wins'] as const) {
    it(`an edited owner stays under ${how}; other columns and rpms follow prod`, async () => {
      const build = await edit(`edit-${how}`)
      const ended = await sweepOne(sync, build.id, policy(how))
      expect(ended).toMatchObject({ kind: how === 'hold' ? 'held' : 'applied' })
      expect(await ownerOf(build)).toMatchObject([
        { owner: `edit-${how}-owner`, completed: '2021-01-01 00:00:00.000000' },
      ])
      expect((await snapshotBuild(sync.local, build.nvr))?.rpms).toHaveLength(2)
      expect(await clashesOf(build)).toMatchObject([{ kind: 'edited', subject: 'build row: owner' }])
      const before = await sync.fingerprint()
      await sweepOne(sync, build.id, policy(how))
      expect(await sync.fingerprint()).toEqual(before)
      // Put back by hand it is no clash any more.
      await sync.local.setBuildOwner(build.id, 'admin')
      expect(await sweepOne(sync, build.id, policy(how))).toMatchObject({ kind: 'unchanged' })
      expect(await clashesOf(build)).toEqual([])
    })
  }

  it('an edited owner is overwritten where prod wins', async () => {
    const build = await edit('edit-prod')
    expect(await sweepOne(sync, build.id, policy('prod-wins'))).toMatchObject({ kind: 'applied' })
    await expectSame(sync, build.nvr)
  })

  it('a build that was moved to a volume of staging keeps its files when prod moves it too', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild({
      name: 'volumes',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    await sweepOne(sync, build.id)
    await local.changeVolume(build.id, 'mine')
    await prod.changeVolume(build.id, 'theirs')
    const before = await stagingTree(sync)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'held' })
    expect(await stagingRow(sync, build.nvr)).toMatchObject({ volume: 'mine' })
    expect(await stagingTree(sync)).toEqual(before)
  })

  it('a draft that staging promoted itself stays promoted', async () => {
    const { prod, local } = sync
    const draft = await prod.importBuild({
      name: 'early',
      version: '1',
      release: '1',
      draft: true,
      rpms: [{ arch: 'src' }],
    })
    await sweepOne(sync, draft.id)
    const nvr = await local.promoteBuild(draft.id)
    await prod.addRpms(draft.id, [{ arch: 'x86_64', metadataOnly: true }])
    const ended = await sweepOne(sync, draft.id)
    expect(ended.kind === 'held' || (ended.kind === 'failed' && ended.code === 'STORAGE_OWN_TREE')).toBe(true)
    expect(await stagingRow(sync, nvr)).toMatchObject({ id: draft.id, draft: false })
    await sync.clearQueue()
  })

  it('a deleted build stays deleted while held, and comes back where prod wins', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild({
      name: 'dropped',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    await sweepOne(sync, build.id)
    await local.deleteBuild(build.id)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'held' })
    expect(await stagingRow(sync, build.nvr)).toMatchObject({ state: 2 })
    expect(await clashesOf(build)).toMatchObject([{ kind: 'removed', decision: 'held' }])
    expect(await sweepOne(sync, build.id, policy('prod-wins'))).toMatchObject({ kind: 'applied' })
    await expectSame(sync, build.nvr)
  })

  it('a build that it made anew under the NVR is its own: prod neither removes nor overwrites it', async () => {
    const { prod, local } = sync
    const build = await prod.importBuild({
      name: 'rebuilt',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    await sweepOne(sync, build.id)
    await prod.resetBuild(build.id)
    await sweepOne(sync, build.id)
    await local.recycleBuild(build.id)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'skipped' })
    await local.completeBuild(build.id, { rpms: [{ arch: 'src' }, { arch: 'noarch' }] })
    const before = await snapshotBuild(local, build.nvr)
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'skipped' })
    expect(await snapshotBuild(local, build.nvr)).toEqual(before)
    await prod.recycleBuild(build.id)
    await prod.completeBuild(build.id, { rpms: [{ arch: 'src' }] })
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'held' })
    expect(await snapshotBuild(local, build.nvr)).toEqual(before)
    expect(await clashesOf(build)).toMatchObject([{ kind: 'nvr', decision: 'held' }])
    expect(await sweepOne(sync, build.id, policy('prod-wins'))).toMatchObject({ kind: 'applied' })
    await expectSame(sync, build.nvr)
  })

  it('a build under the NVR that a draft is promoted to holds the promotion, whatever the policy', async () => {
    const { prod, local } = sync
    const draft = await prod.importBuild({
      name: 'target',
      version: '1',
      release: '1',
      draft: true,
      rpms: [{ arch: 'src' }],
    })
    await sweepOne(sync, draft.id)
    await apart()
    const own = await local.importBuild({ name: 'target', version: '1', release: '1' })
    await prod.promoteBuild(draft.id)
    expect(await sweepOne(sync, draft.id, policy('prod-wins'))).toMatchObject({ kind: 'held' })
    expect(await stagingRow(sync, draft.nvr)).toMatchObject({ id: draft.id, state: 1 })
    expect((await stagingRow(sync, own.nvr))?.id).toBe(own.id)
  })
})

it.each([
  ['with content stays staging’s own', false, 'local'],
  ['without any is recycled', true, 'recycle'],
] as const)('a local build of the NVR that failed %s', (_, empty, kind) => {
  const named = { id: 5, state: 3, prodId: null, empty }
  const [prod, standing] = [{ build: { draft: false, id: 7 } }, { own: null, named, idTaken: false }]
  const decided = decideRow(
    prod as unknown as Parameters<typeof decideRow>[0],
    standing as unknown as Parameters<typeof decideRow>[1],
  )
  expect(decided).toEqual({ kind, id: 5 })
})

it('what staging’s people changed to what prod has is no edit', () => {
  const row = { epoch: 1, source: 'git' }
  const base = { event: 1, prodEvent: 1, cells: cellsOf(row) }
  const edited = { epoch: 2, source: 'git' }
  expect(editedColumns(base, edited, row)).toEqual(['epoch'])
  expect(editedColumns(base, edited, edited)).toEqual([])
  expect(editedColumns(base, row, edited)).toEqual([])
})
