import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { pruneBuild } from '../../src/converge/build/prune.ts'
import type { Deps } from '../../src/converge/deps.ts'
import { Placements } from '../../src/operations/placements.ts'
import type { Claim } from '../../src/queue/queue.ts'
import { compareWhole } from '../../src/reconcile/build-whole.ts'
import { listPrunable } from '../../src/staging/prunable.ts'
import { noStep } from '../../src/step.ts'
import { Transfers } from '../../src/storage/copy-limits.ts'
import { MountSource } from '../../src/storage/copy-mount.ts'
import { CopyPlacement } from '../../src/storage/copy-placement.ts'
import { SteppedCopier } from '../../src/storage/crew.ts'
import { snapshot } from '../storage/trees.ts'
import { expectSame } from './build-support.ts'
import { TestSync } from './support.ts'

let sync: TestSync
let change: Partial<Deps>
beforeAll(async () => {
  sync = await TestSync.open({ scope: { tags: ['in-*'] } })
  sync.priority = 'sweep'
  const { prodTopdir, stagingTopdir } = sync
  const copy = new CopyPlacement({
    source: new MountSource({ prodTopdir, step: noStep }),
    stagingTopdir,
    linkTarget: prodTopdir,
    take: { arches: null, signedKeys: [], sigcache: true, logs: true },
    transfers: new Transfers({ bytesPerSecond: null, openTransfers: 4 }),
    copier: new SteppedCopier(noStep),
    sharing: { reflink: true, hardlink: false },
    fsync: false,
    reserveBytes: 0,
    fileMode: 0o644,
    step: noStep,
  })
  const rules = [{ mode: 'copy' as const, tags: null, packages: null, btypes: null }]
  change = { placement: new Placements({ rules, placements: [copy], volumes: { DEFAULT: 'prod' } }) }
  await sync.prod.addTag('in-f43')
  await sync.sync(['tag/in-f43'], change)
})
afterAll(() => sync?.close())

const prunable = async (idleSeconds = 0): Promise<number[]> =>
  (await listPrunable(sync.database, { after: -1, limit: 100, idleSeconds })).map(({ buildId }) => buildId)

async function prune(buildId: number): Promise<string | null> {
  const key = { kind: 'build', buildId } as const
  const [claim] = await sync.queue.markAndClaim([{ key, priority: 'sweep' }])
  return pruneBuild(
    sync.deps(change),
    claim as Claim & { readonly key: typeof key },
    new AbortController().signal,
  )
}

/** In a tag of the scope, on both sides. */
async function tagged(name: string) {
  const { prod } = sync
  const build = await prod.importBuild({
    name,
    version: '1',
    release: '1',
    rpms: [{ arch: 'x86_64' }, { arch: 'src' }],
  })
  await prod.addPackage('in-f43', name)
  await prod.tagBuild('in-f43', build.id)
  await sync.sync([`package/in-f43/${name}`, `tagged/in-f43/${name}`], change)
  return build
}

const directory = (name: string): string => join(sync.stagingTopdir, 'vol/prod-copy/packages', name)

it('a copy that no tag needs goes as after a delete, prod untouched, and comes back whole with a tag', async () => {
  const { prod, local } = sync
  const build = await tagged('gone')
  expect(await prunable()).toEqual([])
  await prod.untagBuild('in-f43', build.id)
  await sync.sync(['tagged/in-f43/gone'], change)
  expect(await prunable()).toEqual([build.id])
  // It may be wanted again in a moment.
  expect(await prunable(3600)).toEqual([])

  const before = snapshot(sync.prodTopdir)
  expect(await prune(build.id)).toBeNull()
  expect(existsSync(directory('gone'))).toBe(false)
  expect(await local.rows(`select state from build where id = ${build.id}`)).toEqual([{ state: 2 }])
  expect(await prunable()).toEqual([])
  expect(await sync.queued()).toEqual([])
  // Whoever looks at it while no tag has it leaves it gone.
  expect(await sync.one(`build/${build.id}`, change)).toMatchObject({ kind: 'skipped' })
  const read = { priority: 'sweep', signal: new AbortController().signal } as const
  expect(await compareWhole(sync.deps(change), build.id, read)).toEqual([])
  expect(existsSync(directory('gone'))).toBe(false)

  await prod.tagBuild('in-f43', build.id)
  await sync.sync(['tagged/in-f43/gone'], change)
  await expectSame(sync, build.nvr)
  expect(existsSync(join(directory('gone'), '1/1/x86_64/gone-1-1.x86_64.rpm'))).toBe(true)
  expect(await compareWhole(sync.deps(change), build.id, read)).toEqual([])
  expect(snapshot(sync.prodTopdir)).toEqual(before)
})

it('what prod has tagged meanwhile, what a tag of staging has, and what an image contains stays', async () => {
  const { prod, local } = sync
  const late = await tagged('late')
  await prod.untagBuild('in-f43', late.id)
  await sync.sync(['tagged/in-f43/late'], change)
  expect(await prunable()).toContain(late.id)
  // Staging has not heard of it yet.
  await prod.tagBuild('in-f43', late.id)
  expect(await prune(late.id)).toContain('in-f43')
  expect(existsSync(directory('late'))).toBe(true)
  await sync.sync(['tagged/in-f43/late'], change)

  const loved = await tagged('loved')
  await prod.untagBuild('in-f43', loved.id)
  await sync.sync(['tagged/in-f43/loved'], change)
  await local.addTag('of-our-own')
  await local.addPackage('of-our-own', 'loved')
  await local.tagBuild('of-our-own', loved.id)
  expect(await prunable()).not.toContain(loved.id)
  expect(await prune(loved.id)).toContain('of-our-own')
  expect(existsSync(directory('loved'))).toBe(true)
})

it('a tagging between the look and the removal keeps it, and nothing is lost', async () => {
  const { prod, local } = sync
  const build = await tagged('raced')
  await prod.untagBuild('in-f43', build.id)
  await sync.sync(['tagged/in-f43/raced'], change)
  await local.addTag('quick')
  await local.addPackage('quick', 'raced')
  sync.onStep = async (name) => {
    if (!name.includes('build.remove') && !name.startsWith('sql.lock')) return
    sync.onStep = () => undefined
    await local.tagBuild('quick', build.id)
  }
  await expect(prune(build.id)).rejects.toMatchObject({ code: 'BUILD_OTHER_ROW' })
  await sync.clearQueue()
  expect(existsSync(directory('raced'))).toBe(true)
  expect(await local.rows(`select state from build where id = ${build.id}`)).toEqual([{ state: 1 }])
})
