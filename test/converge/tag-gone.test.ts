import { afterAll, beforeAll, expect, it } from 'vitest'
import { snapshotTag } from './snapshot.ts'
import { TestSync } from './support.ts'

let sync: TestSync
let tagId: number
beforeAll(async () => {
  sync = await TestSync.open()
  sync.priority = 'sweep'
  const { prod, local } = sync
  tagId = await prod.addTag('f40')
  await prod.addPackage('f40', 'bash')
  const { id } = await prod.importBuild({
    name: 'bash',
    version: '5',
    release: '1',
    rpms: [{ arch: 'noarch' }],
  })
  await prod.tagBuild('f40', id)
  await sync.sync(['tag/f40'])
  await local.addTag('mine', { parent: 'f40' })
  await prod.deleteTag('f40')
})
afterAll(() => sync.close())

it('A held deletion of a tag keeps what is in it: its listings and entries are left to its key', async () => {
  const before = await snapshotTag(sync.local, 'f40')
  expect(before?.tag_listing).toHaveLength(1)
  // As catch-up finds them: each of the rows that the deletion revoked.
  const skipped = { kind: 'skipped', reason: 'prod deleted the tag, whose own key settles what is in it' }
  const ended = await sync.sync([`package/${tagId}/1`, `tagged/${tagId}/1`])
  expect(ended.get(`package/${tagId}/1`)).toEqual(skipped)
  expect(ended.get(`tagged/${tagId}/1`)).toEqual(skipped)
  expect(ended.get(`tag/${tagId}`)).toMatchObject({ kind: 'held' })
  expect(await snapshotTag(sync.local, 'f40')).toEqual(before)
})

it('An untagging that is claimed and was a deletion of the tag is left to its key as well', async () => {
  const before = await snapshotTag(sync.local, 'f40')
  await sync.queue.mark([
    {
      key: { kind: 'tagged', tagId, packageId: 1 },
      priority: 'live',
      expect: [{ subject: 'build:1', claim: 'untagged' }],
    },
  ])
  expect((await sync.drain()).get(`tagged/${tagId}/1`)).toMatchObject({ kind: 'skipped' })
  expect(await snapshotTag(sync.local, 'f40')).toEqual(before)
})

it('A deletion that policy lets through takes everything along', async () => {
  const wins = { conflicts: { build: 'hold', tag: 'prod-wins', onRemoved: 'prod-wins' } as const }
  await sync.sync([`package/${tagId}/1`, `tagged/${tagId}/1`], wins)
  const left = await snapshotTag(sync.local, 'f40')
  expect(Object.values(left ?? {}).flat()).toEqual([])
  expect(await sync.queued()).toEqual([])
})
