import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Scope } from '../../src/converge/scope.ts'
import { markMoved } from '../../src/operations/moved-builds.ts'
import { Placements } from '../../src/operations/placements.ts'
import { noStep } from '../../src/step.ts'
import { Transfers } from '../../src/storage/copy-limits.ts'
import { MountSource } from '../../src/storage/copy-mount.ts'
import { CopyPlacement } from '../../src/storage/copy-placement.ts'
import { SteppedCopier } from '../../src/storage/crew.ts'
import { FarmPlacement } from '../../src/storage/farm-placement.ts'
import { InPlacePlacement } from '../../src/storage/in-place.ts'
import type { PlacementMode } from '../../src/storage/placement.ts'
import { VolumePlacement } from '../../src/storage/volume-placement.ts'
import { snapshot } from '../storage/trees.ts'
import { expectSame, placements, stagingRow, stagingTree, sweepOne } from './build-support.ts'
import { TestSync } from './support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open({ scope: { builds: 'all' } })
})
afterAll(() => sync?.close())

const volumes = { DEFAULT: 'prod' }
const rule = (mode: PlacementMode, packages: string[] | null = null) => ({
  mode,
  packages,
  tags: null,
  btypes: null,
})

/** What a daemon with these rules has. */
function withRules(...rules: ReturnType<typeof rule>[]) {
  const options = {
    prodTopdir: sync.prodTopdir,
    linkTarget: sync.prodTopdir,
    stagingTopdir: sync.stagingTopdir,
    linkOwner: 'any' as const,
    fsync: false,
    step: noStep,
  }
  const copying = {
    ...options,
    source: new MountSource({ prodTopdir: sync.prodTopdir, step: noStep }),
    take: { arches: null, signedKeys: [], sigcache: true, logs: true },
    transfers: new Transfers({ bytesPerSecond: null, openTransfers: 2 }),
    copier: new SteppedCopier(noStep),
    sharing: { reflink: true, hardlink: false },
    reserveBytes: 0,
    fileMode: 0o644,
  }
  const made = [
    new VolumePlacement(options),
    new FarmPlacement(options),
    new CopyPlacement(copying),
    new InPlacePlacement(copying),
  ]
  return { rules, placement: new Placements({ rules, placements: made, volumes }) }
}

const marked = async (config: ReturnType<typeof withRules>): Promise<string[]> => {
  const { database, queue } = sync
  await markMoved(
    { database, queue, deps: sync.deps(config) },
    { placement: config.rules, prod: { volumes } },
  )
  const keys = await sync.queued()
  await sync.drain(config)
  return keys
}

const of = async (name: string): Promise<Record<string, string>> =>
  Object.fromEntries(Object.entries(await stagingTree(sync)).filter(([path]) => path.includes(`/${name}/`)))

it('a changed rule moves the builds that it is about and no others, there and back; tags are told, prod is not touched', async () => {
  const { prod, local } = sync
  const rpms = [{ arch: 'src' }, { arch: 'x86_64' }]
  const build = await prod.importBuild({ name: 'moved', version: '1', release: '1', rpms })
  const other = await prod.importBuild({ name: 'stays', version: '1', release: '1', rpms })
  await prod.signRpm(build.rpms[1] as number, 'cafe0001')
  const before = snapshot(sync.prodTopdir)
  const volume = withRules(rule('volume'))
  for (const { id } of [build, other]) await sweepOne(sync, id, volume)
  const tag = await local.addTag('moved-tag')
  await local.tagBuild('moved-tag', build.id)
  expect(await marked(volume)).toEqual([])

  const farm = withRules(rule('farm', ['mov*']), rule('volume'))
  expect(await marked(farm)).toEqual([`build/${build.id}`])
  expect(await marked(farm)).toEqual([])
  await expectSame(sync, build.nvr)
  expect(await stagingRow(sync, build.nvr)).toMatchObject({ volume: 'prod-farm' })
  expect(await placements(sync, build.id)).toEqual(['prod-farm 1 placed'])
  const base = 'vol/prod-farm/packages/moved/1/1'
  expect(await of('moved')).toEqual({
    'packages/moved/1/1': `../../../${base}`,
    [`${base}/data/sigcache/cafe0001/x86_64/moved-1-1.x86_64.rpm.sig`]: 'a file',
    [`${base}/data/sigcache/src/moved-1-1.src.rpm.sig`]: 'a file',
    [`${base}/data/sigcache/x86_64/moved-1-1.x86_64.rpm.sig`]: 'a file',
    [`${base}/data/signed/cafe0001/x86_64/moved-1-1.x86_64.rpm`]: 'a file',
    [`${base}/src/moved-1-1.src.rpm`]: 'PROD/packages/moved/1/1/src/moved-1-1.src.rpm',
    [`${base}/x86_64/moved-1-1.x86_64.rpm`]: 'PROD/packages/moved/1/1/x86_64/moved-1-1.x86_64.rpm',
  })
  expect((await local.rows('select 1 from tag_updates where tag_id = $1', [tag])).length).toBe(1)

  expect(await marked(volume)).toEqual([`build/${build.id}`])
  expect(Object.keys(await of('moved'))).toEqual(['packages/moved/1/1', 'vol/prod/packages/moved/1/1'])
  expect(snapshot(sync.prodTopdir)).toEqual(before)
})

it('a build moves between every pair of placements when the rule changes, its row and its file together', async () => {
  const { prod, local } = sync
  const build = await prod.importBuild({
    ...{ name: 'roams', version: '1', release: '1' },
    rpms: [{ arch: 'x86_64' }],
  })
  const before = snapshot(sync.prodTopdir)
  const rulesOf = (mode: PlacementMode) => withRules(rule(mode, ['roams']), rule('volume'))
  await sweepOne(sync, build.id, rulesOf('volume'))
  await marked(rulesOf('volume'))
  const tag = await local.addTag('roams-tag')
  await local.tagBuild('roams-tag', build.id)
  const told = async (): Promise<number> =>
    (await local.rows('select 1 from tag_updates where tag_id = $1', [tag])).length
  // Each of the twelve pairs once.
  const tour = 'farm volume copy volume in-place farm copy farm in-place copy in-place volume'.split(' ')
  for (const [i, mode] of (tour as PlacementMode[]).entries()) {
    const note = `${tour[i - 1] ?? 'volume'} to ${mode}`
    expect(await marked(rulesOf(mode)), note).toEqual([`build/${build.id}`])
    const volume = mode === 'in-place' ? 'DEFAULT' : mode === 'volume' ? 'prod' : `prod-${mode}`
    expect(await stagingRow(sync, build.nvr), note).toMatchObject({ volume })
    expect(await placements(sync, build.id), note).toEqual([`${volume} 1 placed`])
    const tree = await of('roams')
    const rpm = '1/1/x86_64/roams-1-1.x86_64.rpm'
    const [base, there] = ['packages/roams', `vol/${volume}/packages/roams`]
    if (mode === 'in-place') expect(tree[`${base}/${rpm}`], note).toBe('a file')
    else expect(tree[`${base}/1/1`], note).toBe(`../../../${there}/1/1`)
    if (mode === 'volume') expect(tree[`${there}/1/1`], note).toMatch(/^PROD/)
    else if (mode !== 'in-place') expect(tree[`${there}/${rpm}`], note).toBeDefined()
    const tops = new Set(Object.keys(tree).map((path) => path.slice(0, path.indexOf('/1/1'))))
    expect([...tops].sort(), note).toEqual(mode === 'in-place' ? [base] : [base, there])
    expect(await told(), note).toBe(i + 1)
  }
  await expectSame(sync, build.nvr)
  expect(snapshot(sync.prodTopdir)).toEqual(before)
})

it("a farm follows prod's signatures, rpms and volume, and keeps what staging signed until the build goes", async () => {
  const { prod } = sync
  const farm = withRules(rule('farm'))
  const build = await prod.importBuild({
    name: 'grown',
    version: '1',
    release: '1',
    rpms: [{ arch: 'x86_64' }],
  })
  const rpm = build.rpms[0] as number
  await prod.signRpm(rpm, 'cafe0002')
  await sweepOne(sync, build.id, farm)
  const at = (volume: string, path: string): string =>
    join(sync.stagingTopdir, 'vol', volume, 'packages/grown/1/1', path)
  const own = 'data/sigcache/beef0001/x86_64/grown-1-1.x86_64.rpm.sig'
  mkdirSync(dirname(at('prod-farm', own)), { recursive: true })
  writeFileSync(at('prod-farm', own), 'of staging')

  await prod.signRpm(rpm, 'cafe0003')
  await prod.deleteSig(rpm, 'cafe0002')
  await prod.addRpms(build.id, [{ arch: 'aarch64' }])
  await sweepOne(sync, build.id, farm)
  await expectSame(sync, build.nvr)
  const keys = Object.keys(await of('grown')).filter((path) => /cafe|beef|aarch64\/grown.*rpm$/.test(path))
  expect(keys.map((path) => path.replace(/.*grown\/1\/1\//, ''))).toEqual([
    'aarch64/grown-1-1.aarch64.rpm',
    own,
    'data/sigcache/cafe0003/x86_64/grown-1-1.x86_64.rpm.sig',
    'data/signed/cafe0003/x86_64/grown-1-1.x86_64.rpm',
  ])
  expect(await sweepOne(sync, build.id, farm)).toMatchObject({ kind: 'unchanged' })

  await prod.changeVolume(build.id, 'attic')
  await sweepOne(sync, build.id, farm)
  const moved = await of('grown')
  expect(moved['packages/grown/1/1']).toBe('../../../vol/attic-farm/packages/grown/1/1')
  expect(moved[`vol/attic-farm/packages/grown/1/1/${own}`]).toBe('a file')
  expect(Object.keys(moved).filter((path) => path.startsWith('vol/prod-farm'))).toEqual([])
  expect(moved['vol/attic-farm/packages/grown/1/1/x86_64/grown-1-1.x86_64.rpm']).toMatch(
    /^PROD\/vol\/attic\//,
  )

  await prod.deleteBuild(build.id)
  await sweepOne(sync, build.id, farm)
  expect(await of('grown')).toEqual({})
  expect(await placements(sync, build.id)).toEqual([])
})

it("a promoted draft's farm has the new name, and the old one leads there until the build goes", async () => {
  const { prod } = sync
  const farm = withRules(rule('farm'))
  const draft = await prod.importBuild({
    ...{ name: 'sketch', version: '1', release: '1', draft: true },
    rpms: [{ arch: 'src' }],
  })
  await sweepOne(sync, draft.id, farm)
  const nvr = await prod.promoteBuild(draft.id)
  await sweepOne(sync, draft.id, farm)
  await expectSame(sync, nvr)
  const tree = await of('sketch')
  expect(tree['packages/sketch/1/1']).toBe('../../../vol/prod-farm/packages/sketch/1/1')
  expect(tree[`vol/prod-farm/packages/sketch/1/1,draft_${draft.id}`]).toBe(
    '../../../../../packages/sketch/1/1',
  )
  expect(tree['vol/prod-farm/packages/sketch/1/1/src/sketch-1-1.src.rpm']).toMatch(/^PROD/)
  await prod.resetBuild(draft.id)
  await sweepOne(sync, draft.id, farm)
  expect(await of('sketch')).toEqual({})
})

it('a build that nothing in scope needs stays where a seed has linked it, until a tag in scope takes it', async () => {
  const { prod } = sync
  const build = await prod.importBuild({
    ...{ name: 'left', version: '1', release: '1' },
    rpms: [{ arch: 'x86_64' }],
  })
  await sweepOne(sync, build.id, withRules(rule('volume')))
  const scope = new Scope({ tags: ['f44*'], excludeTags: [], builds: 'tagged', sideTags: false })
  const copy = { ...withRules(rule('copy')), scope }
  await sweepOne(sync, build.id, copy)
  expect(await placements(sync, build.id)).toEqual(['prod 1 placed'])
  await prod.addTag('f44')
  await prod.addPackage('f44', 'left')
  await prod.tagBuild('f44', build.id)
  await sweepOne(sync, build.id, copy)
  expect(await placements(sync, build.id)).toEqual(['prod-copy 1 placed'])
})
