import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Scope } from '../../src/converge/scope.ts'
import { type KojiVersion, kojiVersions } from '../support/koji-schema.ts'
import { snapshotTag, snapshotTargets } from './snapshot.ts'
import { TestSync } from './support.ts'

const some: readonly KojiVersion[] = kojiVersions.filter((version) =>
  ['1.21.0', '1.35.0', 'HEAD'].includes(version),
)

describe.each(some)('build targets of Koji %s', (version) => {
  let sync: TestSync
  beforeAll(async () => {
    sync = await TestSync.open({ version, scope: { tags: ['f*'] } })
  })
  afterAll(() => sync.close())
  const expectEqual = async (): Promise<void> => {
    expect(await snapshotTargets(sync.local)).toEqual(await snapshotTargets(sync.prod))
    expect(await sync.queued()).toEqual([])
  }

  it('come with both of their tags when one is in scope, and with these tags’ parents', async () => {
    const { prod, local } = sync
    await prod.addTag('bootstrap', { arches: 'x86_64' })
    await prod.addTag('special-build', { parent: 'bootstrap' })
    await prod.addTag('f43', { arches: 'x86_64' })
    const id = await prod.addTarget('f43-special', 'special-build', 'f43')
    expect((await sync.sync([`target/${id}`])).get(`target/${id}`)).toMatchObject({
      kind: 'applied',
      rows: 1,
    })
    await expectEqual()
    for (const name of ['bootstrap', 'special-build', 'f43']) {
      expect(await snapshotTag(local, name)).toEqual(await snapshotTag(prod, name))
    }
    // From now on the closure has them.
    await prod.editTag('special-build', { locked: true })
    await sync.sync(['tag/special-build'])
    expect((await snapshotTag(local, 'special-build'))?.tag_config?.[0]?.locked).toBe(true)
  })

  it('that are equal are left alone', async () => {
    const before = await sync.fingerprint()
    const ended = await sync.sync(['target/f43-special'])
    expect([...ended.values()].map(({ kind }) => kind)).toEqual(['unchanged', 'unchanged'])
    expect(await sync.fingerprint()).toEqual(before)
  })

  it('are skipped when neither tag is in scope', async () => {
    await sync.prod.addTag('outside')
    const id = await sync.prod.addTarget('outside', 'outside', 'outside')
    expect(await sync.one(`target/${id}`)).toMatchObject({ kind: 'skipped' })
    expect(await snapshotTag(sync.local, 'outside')).toBe(null)
    await sync.prod.deleteTarget('outside')
  })

  it('follow edits, and a new row of prod for the same tags is no change', async () => {
    await sync.prod.addTag('f44')
    await sync.prod.editTarget('f43-special', { destTag: 'f44' })
    await sync.sync(['target/f43-special'])
    await expectEqual()
    await sync.prod.editTarget('f43-special', {})
    const before = await sync.fingerprint()
    await sync.sync(['target/f43-special'])
    expect(await sync.fingerprint()).toEqual(before)
  })

  it('swap their names', async () => {
    const { prod } = sync
    const a = await prod.addTarget('fa', 'f43', 'f43')
    const b = await prod.addTarget('fb', 'f44', 'f44')
    await sync.sync([`target/${a}`, `target/${b}`])
    await prod.editTarget(a, { name: 'spare' })
    await prod.editTarget(b, { name: 'fa' })
    await prod.editTarget(a, { name: 'fb' })
    await sync.sync([`target/${a}`])
    await expectEqual()
    expect(await sync.local.rows('select id, name from build_target order by id')).toEqual(
      await sync.prod.rows(`select id, name from build_target where name <> 'outside' order by id`),
    )
  })

  it('are deleted, and come again under their id', async () => {
    await sync.prod.deleteTarget('fb')
    await sync.sync(['target/fb'])
    await expectEqual()
    await sync.prod.addTarget('fb', 'f44', 'f43')
    await sync.sync(['target/fb'])
    await expectEqual()
    const [{ count } = {}] = await sync.local.rows(`select count(*)::int from build_target where name = 'fb'`)
    expect(count).toBe(1)
  })

  it('of a tag that prod deletes end with it', async () => {
    await sync.prod.deleteTag('f44')
    await sync.sync(['target/fb', 'target/fa', 'target/f43-special', 'tag/f44'])
    await expectEqual()
  })
})

describe('targets that people of staging made or changed', () => {
  let sync: TestSync
  beforeAll(async () => {
    sync = await TestSync.open()
    await sync.prod.addTag('t1')
    await sync.prod.addTag('t2')
    await sync.prod.addTarget('one', 't1', 't1')
    await sync.prod.addTarget('two', 't1', 't2')
    await sync.sync(['target/one', 'target/two'])
  })
  afterAll(() => sync.close())

  it.each([
    ['local-wins', 't2'],
    ['hold', 't2'],
    ['prod-wins', 't1'],
  ] as const)('an edited target under %s', async (tag, expected) => {
    await sync.local.editTarget('one', { destTag: 't2' })
    await sync.sync(['target/one'], { conflicts: { build: 'hold', tag, onRemoved: 'hold' } })
    const [one] = await snapshotTargets(sync.local)
    expect(one).toMatchObject({ name: 'one', dest_tag: expected })
  })

  it('a target of a name that prod then uses is taken over', async () => {
    await sync.local.addTarget('three', 't1', 't1')
    await sync.prod.addTarget('three', 't2', 't2')
    await sync.sync(['target/three'])
    expect(await snapshotTargets(sync.local)).toEqual(await snapshotTargets(sync.prod))
    const key = (await sync.clashes()).find((clash) => clash.subject.startsWith('build_target_config'))
    expect(key).toMatchObject({ kind: 'edited', decision: 'prod-won' })
  })

  it('a target that was edited here and is deleted in prod stays, until it is allowed to go', async () => {
    await sync.local.editTarget('two', { destTag: 't1' })
    await sync.prod.deleteTarget('two')
    const ended = await sync.sync(['target/two'])
    expect([...ended.values()].map(({ kind }) => kind)).toContain('held')
    expect((await snapshotTargets(sync.local)).map((row) => row.name)).toContain('two')
    const conflicts = { build: 'hold', tag: 'prod-wins', onRemoved: 'prod-wins' } as const
    await sync.sync(['target/two'], { conflicts })
    expect((await snapshotTargets(sync.local)).map((row) => row.name)).not.toContain('two')
  })

  it('a target whose tag left scope stays as it is', async () => {
    const scope = new Scope({ tags: ['none'], excludeTags: [], builds: 'tagged', sideTags: false })
    await sync.prod.editTarget('one', { destTag: 't2' })
    const before = await sync.fingerprint()
    const ended = await sync.sync(['target/one'], { scope })
    expect([...ended.values()].map(({ kind }) => kind)).toContain('skipped')
    expect(await sync.fingerprint()).toEqual(before)
  })

  it('another hub, which never had it, ends nothing', async () => {
    await sync.prod.addTarget('lost', 't1', 't1')
    await sync.sync(['target/lost'])
    const [{ id } = {}] = await sync.prod.rows(`select id from build_target where name = 'lost'`)
    for (const sql of [
      'delete from build_target_config where build_target_id = $1',
      'delete from build_target where id = $1',
    ])
      await sync.prod.rows(sql, [id])
    const before = await sync.fingerprint()
    await expect(sync.sync([`target/${id}`])).rejects.toMatchObject({ code: 'HUB_LOST_TARGET' })
    expect(await sync.fingerprint()).toEqual(before)
    await sync.clearQueue()
  })
})
