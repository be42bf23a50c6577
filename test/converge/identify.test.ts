import { afterAll, beforeAll, expect, it } from 'vitest'
import { findPackage } from '../../src/converge/identify.ts'
import type { ProdWorld } from '../sim/prod-world.ts'
import { snapshotTag } from './snapshot.ts'
import { TestSync } from './support.ts'

const past = async (world: ProdWorld): Promise<void> => {
  await world.addTag('f43')
  await world.addPackage('f43', 'glibc')
  await world.importBuild(build('kernel'))
}
const build = (name: string) => ({ name, version: '5', release: '1', rpms: [{ arch: 'noarch' }] })

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open({ past })
  sync.priority = 'sweep'
})
afterAll(() => sync.close())

const find = (id: number): Promise<number | null> => findPackage(sync.database, sync.deps().owner, id)

it('A package without a record is prod’s where a build or a list entry was copied with it', async () => {
  expect(await find(1)).toBe(1)
  expect(await find(2)).toBe(2)
})

it('A local package is never taken for the one to which prod gave its id', async () => {
  const { prod, local } = sync
  // Before `init` moved the sequences.
  await local.rows(`insert into package (id, name) values (3, 'mytest')`)
  const newpkg = await prod.addPackage('f43', 'newpkg')
  const mytest = await prod.addPackage('f43', 'mytest')
  expect([newpkg, mytest]).toEqual([3, 4])
  expect(await find(newpkg)).toBeNull()

  await prod.tagBuild('f43', (await prod.importBuild(build('mytest'))).id)
  await sync.sync([`package/1/${mytest}`, `tagged/1/${mytest}`])
  expect(await find(mytest)).toBe(3)
  const { id } = await prod.importBuild(build('newpkg'))
  await prod.tagBuild('f43', id)
  await prod.untagBuild('f43', id)
  await prod.removePackage('f43', 'newpkg')
  await sync.sync([`tagged/1/${newpkg}`, `package/1/${newpkg}`])
  expect(await find(newpkg)).not.toBe(3)
  expect(await snapshotTag(sync.local, 'f43')).toEqual(await snapshotTag(prod, 'f43'))
})
