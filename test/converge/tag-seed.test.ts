import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProdWorld } from '../sim/prod-world.ts'
import { snapshotTag, snapshotTargets } from './snapshot.ts'
import { TestSync } from './support.ts'

const past = async (world: ProdWorld): Promise<void> => {
  await world.addTag('base', { arches: 'x86_64' })
  await world.addTag('one', { parent: 'base', extra: { a: 1, b: 2 } })
  await world.addTag('two', { extra: { c: 3 } })
  await world.addGroup('one', 'build')
  await world.addGroupPackage('one', 'build', 'bash')
  await world.addTarget('target', 'one', 'base')
}

/** Same ids, same names, no record of ours. */
describe('a staging that was copied from prod', () => {
  let sync: TestSync
  beforeAll(async () => {
    sync = await TestSync.open({ past })
    await sync.local.addTag('made-later')
  })
  afterAll(() => sync.close())
  const expectEqual = async (...names: string[]): Promise<void> => {
    for (const name of names) {
      expect(await snapshotTag(sync.local, name), name).toEqual(await snapshotTag(sync.prod, name))
    }
    expect(await snapshotTargets(sync.local)).toEqual(await snapshotTargets(sync.prod))
  }

  it('is left alone where it is equal', async () => {
    const before = await sync.fingerprint()
    const ended = await sync.sync(['tag/1', 'tag/2', 'tag/3', 'target/1'])
    expect([...ended.values()].map(({ kind }) => kind)).toEqual(Array(4).fill('unchanged'))
    expect(await sync.fingerprint()).toEqual(before)
  })

  it('has its copied rows revoked and renamed as rows of ours', async () => {
    const { prod } = sync
    await prod.renameTag('one', 'spare')
    await prod.renameTag('two', 'one')
    await prod.renameTag('spare', 'two')
    await prod.removeExtra('two', 'b')
    await prod.setExtra('two', 'a', 5)
    await prod.removeGroupPackage('two', 'build', 'bash')
    await prod.editTarget('target', { destTag: 'two' })
    await sync.sync(['tag/2', 'target/1'])
    await expectEqual('one', 'two', 'base')
    expect(await sync.local.rows('select * from staging_sync.removal')).toEqual([])
  })

  it('ends what prod deletes', async () => {
    await sync.prod.deleteTag('two')
    await sync.sync(['tag/2', 'target/1'])
    await expectEqual('one', 'two', 'base')
  })
})

describe('a copied staging that was never converged', () => {
  it('swaps names that it has from the copy alone', async () => {
    const sync = await TestSync.open({ past })
    try {
      await sync.prod.renameTag('one', 'spare')
      await sync.prod.renameTag('two', 'one')
      await sync.prod.renameTag('spare', 'two')
      await sync.sync(['tag/3'])
      for (const name of ['one', 'two']) {
        expect(await snapshotTag(sync.local, name)).toEqual(await snapshotTag(sync.prod, name))
      }
    } finally {
      await sync.close()
    }
  })
})
