import { cp, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProdWorld } from '../sim/prod-world.ts'
import { expectSame, placements, snapshotBuild, stagingRow, stagingTree, sweepOne } from './build-support.ts'
import { TestSync } from './support.ts'

const ids: Record<string, number> = {}

const past = async (world: ProdWorld): Promise<void> => {
  for (const name of ['rpms', 'anew', 'treeless', 'tree', 'reset']) {
    const build = await world.importBuild({
      name,
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }, { arch: 'x86_64' }],
      archives: [{ filename: 'a.zip', type: 'zip', btype: 'maven' }],
    })
    ids[name] = build.id
  }
  for (const name of ['finishes', 'fails', 'cancelled']) {
    ids[name] = (await world.startBuild({ name, version: '1', release: '1' })).id
  }
}

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open({ scope: { builds: 'all' }, past })
  // Both lived through the same, but for what differs by chance: a copy has it from prod.
  const columns = {
    events: ['time'],
    build: ['start_time', 'completion_time'],
    rpminfo: ['payloadhash', 'size', 'buildtime'],
    rpmsigs: ['sighash'],
    archiveinfo: ['checksum', 'size'],
  }
  for (const [table, names] of Object.entries(columns)) {
    const key = table === 'rpmsigs' ? 'rpm_id' : 'id'
    const set = names.map((name, i) => `${name} = $${i + 2}`).join(', ')
    const cells = names.map((name) => (/time$/.test(name) ? `${name}::text as ${name}` : name)).join(', ')
    for (const row of await sync.prod.rows(`select ${key}, ${cells} from ${table}`)) {
      const own = table === 'events' ? ' and id < 1000000000' : ''
      const values = [row[key], ...names.map((name) => row[name])]
      await sync.local.rows(`update ${table} set ${set} where ${key} = $1${own}`, values)
    }
  }
})
afterAll(() => sync.close())

const idOf = (name: string): number => ids[name] as number

/** As a copied tree has them. */
async function copyFiles(name: string): Promise<void> {
  const path = `packages/${name}/1/1`
  await mkdir(dirname(join(sync.stagingTopdir, path)), { recursive: true })
  await cp(join(sync.prodTopdir, path), join(sync.stagingTopdir, path), { recursive: true })
}

describe('rpms and archives that staging added to a build that was copied from prod', () => {
  it('stay when the build is converged, and when prod adds to it', async () => {
    const { prod, local } = sync
    await copyFiles('rpms')
    await local.addRpms(idOf('rpms'), [{ arch: 'noarch', name: 'rpms-own' }])
    const before = await sync.fingerprint()
    expect(await sweepOne(sync, idOf('rpms'))).toMatchObject({ kind: 'unchanged' })
    // The volume that it would be on was made beforehand.
    expect({ ...(await sync.fingerprint()), volume: '' }).toEqual({ ...before, volume: '' })
    await prod.addUser('somebody')
    await prod.setBuildOwner(idOf('rpms'), 'somebody')
    expect(await sweepOne(sync, idOf('rpms'))).toMatchObject({ kind: 'applied', rows: 1 })
    expect((await snapshotBuild(local, 'rpms-1-1'))?.rpms).toHaveLength(3)
    expect(await local.rows('select 1 from staging_sync.removal')).toEqual([])
  })
  it('stay when prod made the build anew; what was copied goes', async () => {
    const { prod, local } = sync
    await local.addRpms(idOf('anew'), [{ arch: 'noarch', name: 'anew-own' }])
    await prod.resetBuild(idOf('anew'))
    await prod.recycleBuild(idOf('anew'))
    await prod.completeBuild(idOf('anew'), { rpms: [{ arch: 'aarch64' }] })
    expect(await sweepOne(sync, idOf('anew'))).toMatchObject({ kind: 'applied' })
    const rpms = await local.rows('select name, arch from rpminfo where build_id = $1 order by 1', [
      idOf('anew'),
    ])
    expect(rpms).toEqual([
      { name: 'anew', arch: 'aarch64' },
      { name: 'anew-own', arch: 'noarch' },
    ])
    expect(await local.rows('select 1 from archiveinfo where build_id = $1', [idOf('anew')])).toEqual([])
    expect(await local.rows('select 1 from staging_sync.removal')).toEqual([])
  })
})

describe('a build that was copied from prod', () => {
  it('without its files gets a link and the volume, and signatures come as to any other', async () => {
    const { prod } = sync
    const id = idOf('treeless')
    expect(await sweepOne(sync, id)).toMatchObject({ kind: 'applied', rows: 1 })
    expect(await stagingRow(sync, 'treeless-1-1')).toMatchObject({ id, volume: 'prod' })
    expect(await placements(sync, id)).toEqual(['prod 1 placed'])
    expect((await stagingTree(sync))['vol/prod/packages/treeless/1/1']).toBe('PROD/packages/treeless/1/1')
    const [rpm] = await prod.rows('select id from rpminfo where build_id = $1 limit 1', [id])
    await prod.signRpm(rpm?.id as number, 'cafe0001')
    expect(await sweepOne(sync, id)).toMatchObject({ kind: 'applied' })
    await expectSame(sync, 'treeless-1-1')
    expect(await sweepOne(sync, id)).toMatchObject({ kind: 'unchanged' })
  })

  it('with its files stays where it is, and new signatures are refused by name', async () => {
    const { prod } = sync
    const id = idOf('tree')
    await copyFiles('tree')
    expect(await sweepOne(sync, id)).toMatchObject({ kind: 'unchanged' })
    expect(await stagingRow(sync, 'tree-1-1')).toMatchObject({ id, volume: 'DEFAULT' })
    const [rpm] = await prod.rows('select id from rpminfo where build_id = $1 limit 1', [id])
    await prod.signRpm(rpm?.id as number, 'cafe0001')
    expect(await sweepOne(sync, id)).toMatchObject({ kind: 'failed', code: 'STORAGE_OWN_TREE' })
    await sync.clearQueue()
    expect(await placements(sync, id)).toEqual([])
  })
})

describe('a build that was BUILDING when staging was copied', () => {
  it('comes when prod has completed it', async () => {
    const { prod } = sync
    const id = idOf('finishes')
    expect(await sweepOne(sync, id)).toMatchObject({ kind: 'unchanged' })
    await prod.completeBuild(id, { rpms: [{ arch: 'src' }] })
    expect(await sweepOne(sync, id)).toMatchObject({ kind: 'applied' })
    await expectSame(sync, 'finishes-1-1')
    expect(await stagingRow(sync, 'finishes-1-1')).toMatchObject({ id, state: 1, volume: 'prod' })
    expect(await sync.clashes(`build/${id}`)).toEqual([])
    expect(await sweepOne(sync, id)).toMatchObject({ kind: 'unchanged' })
  })

  it('and cancelled in staging, as it is done after a copy, comes too', async () => {
    const { prod, local } = sync
    const id = idOf('cancelled')
    await local.cancelBuild(id)
    await prod.completeBuild(id, { rpms: [{ arch: 'src' }] })
    expect(await sweepOne(sync, id)).toMatchObject({ kind: 'applied' })
    await expectSame(sync, 'cancelled-1-1')
    expect(await sync.clashes(`build/${id}`)).toEqual([])
  })

  it('fails in staging when it fails in prod', async () => {
    const { prod } = sync
    const id = idOf('fails')
    await prod.failBuild(id)
    expect(await sweepOne(sync, id)).toMatchObject({ kind: 'applied' })
    expect(await stagingRow(sync, 'fails-1-1')).toMatchObject({ id, state: 3 })
    expect(await sweepOne(sync, id)).toMatchObject({ kind: 'unchanged' })
  })
})

describe('a build that was COMPLETE when staging was copied, and that its people reset', () => {
  it('stays reset while held', async () => {
    const id = idOf('reset')
    await sync.local.resetBuild(id)
    expect(await sweepOne(sync, id)).toMatchObject({ kind: 'held' })
    expect(await stagingRow(sync, 'reset-1-1')).toMatchObject({ id, state: 4 })
    expect(await sync.clashes(`build/${id}`)).toMatchObject([{ kind: 'removed' }])
  })
})
