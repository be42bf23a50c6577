import { afterAll, beforeAll, expect, it } from 'vitest'
import { closeScopeOverStaging } from '../../src/converge/closure-start.ts'
import type { ProdWorld } from '../sim/prod-world.ts'
import { snapshotTag } from './snapshot.ts'
import { TestSync } from './support.ts'

const past = async (world: ProdWorld): Promise<void> => {
  await world.addTag('root')
  await world.addTag('base', { parent: 'root' })
  await world.addTag('f43', { parent: 'base' })
  await world.addTag('other')
  await world.addTag('stray')
  await world.addTarget('f43', 'f43', 'other')
  for (const tag of ['root', 'base', 'other', 'stray']) await world.addPackage(tag, 'bash')
  await world.importBuild({ name: 'bash', version: '5', release: '1', rpms: [{ arch: 'noarch' }] })
}

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open({ past, scope: { tags: ['f*'] } })
  sync.priority = 'sweep'
  const { prod } = sync
  for (const tag of ['root', 'base', 'other', 'stray']) await prod.tagBuild(tag, 'bash-5-1')
})
afterAll(() => sync.close())

const expectEqual = async (...names: string[]): Promise<void> => {
  for (const name of names) {
    expect(await snapshotTag(sync.local, name), name).toEqual(await snapshotTag(sync.prod, name))
  }
}
const included = (): Promise<Record<string, unknown>[]> =>
  sync.local.rows('select tag_id::int, reason from staging_sync.scope_tag order by tag_id')

it('A tag that staging has comes into scope with what was left out before', async () => {
  // As a message: handled, and gone from the queue.
  expect(await sync.one('tagged/2/1')).toMatchObject({ kind: 'skipped' })
  await sync.sync(['tag/3'])
  expect(await included()).toEqual([
    { tag_id: 1, reason: 'parent of base' },
    { tag_id: 2, reason: 'parent of f43' },
  ])
  await expectEqual('base', 'root')
  expect((await snapshotTag(sync.local, 'other'))?.tag_listing).toEqual([])
})

it('A daemon that starts closes the scope over the links and targets that staging was copied with', async () => {
  const { local, prod } = sync
  await local.addTarget('mine', 'f43', 'stray')
  await closeScopeOverStaging(sync.deps())
  expect(await included()).toEqual([
    { tag_id: 1, reason: 'parent of base' },
    { tag_id: 2, reason: 'parent of f43' },
    { tag_id: 4, reason: 'tag of a target of f43' },
  ])
  expect(await sync.queued()).toEqual(['tag/4'])
  await sync.drain()
  await expectEqual('other')
  expect((await snapshotTag(sync.local, 'stray'))?.tag_listing).toEqual([])

  // Once is enough.
  const before = await sync.local.rows('select xmin::text from staging_sync.scope_tag order by tag_id')
  await closeScopeOverStaging(sync.deps())
  expect((await sync.sync(['tag/2', 'tag/4'])).size).toBe(2)
  expect(await sync.local.rows('select xmin::text from staging_sync.scope_tag order by tag_id')).toEqual(
    before,
  )
  await prod.untagBuild('other', 'bash-5-1')
  await sync.sync(['tagged/4/1'])
  await expectEqual('other')
})

it('A crash before the content was marked leaves it to the tag’s key', async () => {
  const { local } = sync
  await local.rows(`update staging_sync.scope_tag set content_marked_at = null where tag_id = 1`)
  const ended = await sync.sync(['tag/1'])
  expect([...ended.keys()].sort()).toEqual(['package/1/1', 'tag/1', 'tagged/1/1'])
})
