import { afterAll, beforeAll, expect, it } from 'vitest'
import { markLocalRows } from '../../src/converge/local-keys.ts'
import { snapshotTag } from './snapshot.ts'
import { TestSync } from './support.ts'

let sync: TestSync
const hold = { conflicts: { build: 'hold', tag: 'hold', onRemoved: 'hold' } as const }
const adopted = (): Promise<Record<string, unknown>[]> =>
  sync.local.rows('select table_name, key from staging_sync.adopted order by 1, 2')
const releases = async (): Promise<unknown[]> =>
  ((await snapshotTag(sync.local, 'f43'))?.tag_listing ?? []).map((row) => row.release)

beforeAll(async () => {
  sync = await TestSync.open()
  sync.priority = 'sweep'
  const { prod } = sync
  await prod.addTag('f43', { extra: { a: 1 } })
  await prod.addPackage('f43', 'bash')
  for (const release of ['1', '2', '3']) {
    await prod.importBuild({ name: 'bash', version: '5', release, rpms: [{ arch: 'noarch' }] })
    await prod.tagBuild('f43', `bash-5-${release}`)
  }
  await sync.sync(['tag/f43'])
})
afterAll(() => sync.close())

/** Converges once; then nothing of Koji's and nothing of ours is written any more. */
async function adopt(key: string): Promise<void> {
  const koji = await sync.fingerprint()
  expect(await sync.one(key, hold)).toEqual({ kind: 'unchanged' })
  const record = await sync.local.rows('select xmin::text, key from staging_sync.adopted order by key')
  expect(await sync.one(key, hold)).toEqual({ kind: 'unchanged' })
  expect(await sync.fingerprint()).toEqual(koji)
  expect(await sync.local.rows('select xmin::text, key from staging_sync.adopted order by key')).toEqual(
    record,
  )
}

it('A local tagging that equals prod’s is adopted, and goes when prod’s goes', async () => {
  const { prod, local } = sync
  await local.untagBuild('f43', 'bash-5-3')
  await local.tagBuild('f43', 'bash-5-3')
  await adopt('tagged/1/1')
  expect(await adopted()).toHaveLength(1)
  await prod.untagBuild('f43', 'bash-5-3')
  expect(await sync.one('tagged/1/1', hold)).toMatchObject({ kind: 'applied' })
  expect(await releases()).toEqual(['1', '2'])
  expect(await sync.local.rows('select * from staging_sync.removal')).toEqual([])
  expect(await sync.clashes()).toEqual([])
})

it('One that was adopted and is untagged in staging is a local removal', async () => {
  const { local } = sync
  await local.untagBuild('f43', 'bash-5-2')
  await local.tagBuild('f43', 'bash-5-2')
  await adopt('tagged/1/1')
  await local.untagBuild('f43', 'bash-5-2')
  expect(await sync.one('tagged/1/1', hold)).toMatchObject({ kind: 'held' })
  expect(await sync.one('tagged/1/1')).toMatchObject({ kind: 'applied' })
  expect(await releases()).toEqual(['1', '2'])
})

it('One that is re-tagged for what goes below it is ours at once', async () => {
  const { prod, local } = sync
  await local.untagBuild('f43', 'bash-5-2')
  await local.tagBuild('f43', 'bash-5-2')
  await prod.retagBuild('f43', 'bash-5-1')
  await prod.retagBuild('f43', 'bash-5-2')
  await sync.sync(['tagged/1/1'])
  await prod.untagBuild('f43', 'bash-5-2')
  await sync.sync(['tagged/1/1'])
  expect(await releases()).toEqual(['1'])
})

it('A tagging of staging’s own stays', async () => {
  const { local } = sync
  await local.tagBuild('f43', 'bash-5-3')
  expect(await sync.one('tagged/1/1')).toEqual({ kind: 'unchanged' })
  expect(await releases()).toEqual(['1', '3'])
  await local.untagBuild('f43', 'bash-5-3')
})

it('Settings and list entries that equal prod’s are adopted as well', async () => {
  const { prod, local } = sync
  await prod.addUser('local')
  await local.setExtra('f43', 'b', 2)
  await prod.setExtra('f43', 'b', 2)
  await local.addPackage('f43', 'zsh', { owner: 'local' })
  const id = await prod.addPackage('f43', 'zsh', { owner: 'local' })
  await sync.sync([`package/1/${id}`])
  await adopt('tag/1')
  await prod.removeExtra('f43', 'b')
  await prod.removePackage('f43', 'zsh')
  await sync.sync(['tag/1', `package/1/${id}`], hold)
  expect(await snapshotTag(sync.local, 'f43')).toEqual(await snapshotTag(prod, 'f43'))
  expect(await sync.clashes()).toEqual([])
})

it('A deletion of the tag takes adopted rows along without a clash', async () => {
  const { prod, local } = sync
  await local.untagBuild('f43', 'bash-5-1')
  await local.tagBuild('f43', 'bash-5-1')
  await adopt('tagged/1/1')
  await prod.deleteTag('f43')
  expect(await sync.one('tag/1')).toMatchObject({ kind: 'applied' })
})

it('What staging’s people made since the copy and before init is looked at when a daemon starts', async () => {
  const copied = await TestSync.open({
    past: async (world) => {
      await world.addTag('f43')
      await world.addPackage('f43', 'bash')
      for (const release of ['1', '2'])
        await world.importBuild({ name: 'bash', version: '5', release, rpms: [{ arch: 'noarch' }] })
    },
  })
  try {
    const { prod, local } = copied
    for (const world of [prod, local]) {
      await world.tagBuild('f43', 'bash-5-1')
      await world.setExtra('f43', 'a', 1)
    }
    await local.tagBuild('f43', 'bash-5-2')
    // As if init had come after that.
    await local.rows(
      `update staging_sync.setting set value = (select max(id) from events) where key = 'init_event'`,
    )
    await copied.sync(['package/1/1'])
    await local.rows(`insert into staging_sync.owned (kind, prod_id, staging_id) values ('package', 1, 1)
                      on conflict do nothing`)
    await markLocalRows(copied.deps())
    expect(await copied.queued()).toEqual(['tag/1', 'tagged/1/1'])
    await copied.drain()
    await prod.untagBuild('f43', 'bash-5-1')
    await prod.removeExtra('f43', 'a')
    await copied.sync(['tag/1', 'tagged/1/1'])
    const left = await snapshotTag(local, 'f43')
    expect(left?.tag_extra).toEqual([])
    expect(left?.tag_listing?.map((row) => row.release)).toEqual(['2'])
  } finally {
    await copied.close()
  }
})
