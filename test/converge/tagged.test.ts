import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KojiVersion, kojiVersions } from '../support/koji-schema.ts'
import { snapshotTag } from './snapshot.ts'
import { TestSync } from './support.ts'

/** Prod has five builds of bash; f43 has the second and the fourth of them, on both sides. */
async function openListing(version: KojiVersion): Promise<{ sync: TestSync; builds: number[] }> {
  const sync = await TestSync.open({ version })
  sync.priority = 'sweep'
  const { prod } = sync
  await prod.addTag('f43')
  await prod.addPackage('f43', 'bash')
  const builds: number[] = []
  for (const release of ['1', '2', '3', '4', '5']) {
    const { id } = await prod.importBuild({ name: 'bash', version: '5', release, rpms: [{ arch: 'noarch' }] })
    builds.push(id)
  }
  await prod.tagBuild('f43', builds[1] as number)
  await prod.tagBuild('f43', builds[3] as number)
  await sync.sync(['tag/f43'])
  return { sync, builds }
}

async function expectEqual(sync: TestSync): Promise<void> {
  expect(await snapshotTag(sync.local, 'f43')).toEqual(await snapshotTag(sync.prod, 'f43'))
  expect(await sync.queued()).toEqual([])
}

describe.each(kojiVersions)('ordered listings of Koji %s', (version) => {
  let sync: TestSync
  let builds: number[]
  beforeAll(async () => {
    ;({ sync, builds } = await openListing(version))
  })
  afterAll(() => sync.close())

  it('follow taggings, untaggings, retaggings, each step equal and idempotent', async () => {
    const { prod } = sync
    const [a, b, c, d] = builds as [number, number, number, number, number]
    await expectEqual(sync)
    const steps: (() => Promise<unknown>)[] = [
      () => prod.tagBuild('f43', a),
      () => prod.retagBuild('f43', b),
      () => prod.untagBuild('f43', d),
      () =>
        prod.together(async (both) => {
          await both.tagBuild('f43', d)
          await both.tagBuild('f43', c)
        }),
      () => prod.untagBuild('f43', a),
      () => prod.retagBuild('f43', c),
    ]
    for (const step of steps) {
      await step()
      await sync.sync(['tagged/1/1'])
      await expectEqual(sync)
      const before = await sync.fingerprint()
      expect(await sync.one('tagged/1/1')).toEqual({ kind: 'unchanged' })
      // What a message claimed is looked at in the transaction at once, which then is for nothing.
      const written: string[] = []
      sync.onStep = (name) => {
        if (name.startsWith('sql.queue.fence')) written.push(name)
        return undefined
      }
      await sync.queue.mark([
        {
          key: { kind: 'tagged', tagId: 1, packageId: 1 },
          priority: 'live',
          expect: [{ subject: `build:${b}`, claim: 'tagged' }],
        },
      ])
      expect((await sync.drain()).get('tagged/1/1')).toEqual({ kind: 'unchanged' })
      sync.onStep = () => undefined
      expect(written).toEqual([])
      expect(await sync.fingerprint()).toEqual(before)
    }
  })
})

describe('an ordered listing', () => {
  let sync: TestSync
  let builds: number[]
  beforeAll(async () => {
    ;({ sync, builds } = await openListing('1.35.0'))
  })
  afterAll(() => sync.close())
  const releases = async (): Promise<unknown[]> =>
    ((await snapshotTag(sync.local, 'f43'))?.tag_listing ?? []).map((row) => row.release)

  it('puts a build below the latest, with one fresh event for each entry', async () => {
    const { prod, local } = sync
    const e = builds[4] as number
    const last = (await snapshotTag(prod, 'f43'))?.tag_listing?.length ?? 0
    // As a late commit would show it: an event that is older than the others'.
    const [{ first } = {}] = await prod.rows(
      'select min(create_event) as first from tag_listing where active and tag_id = 1',
    )
    await prod.rows(
      `insert into tag_listing (tag_id, build_id, create_event, creator_id) values (1, $1, $2::int - 1, 1)`,
      [e, first],
    )
    const [{ max } = {}] = await local.rows('select max(id) from events')
    await sync.sync(['tagged/1/1'])
    await expectEqual(sync)
    const created = await local.rows(
      'select build_id, create_event from tag_listing where active and create_event > $1',
      [max],
    )
    expect(created).toHaveLength(last + 1)
    const events = await local.rows('select id from events where id > $1 order by id', [max])
    expect(new Set(created.map((row) => row.create_event)).size).toBe(events.length)
  })

  it('keeps builds that people of staging tagged in their place, and their tagger', async () => {
    const { prod, local } = sync
    const [a] = builds as [number]
    await prod.tagBuild('f43', a)
    await sync.sync(['tagged/1/1'])
    await prod.untagBuild('f43', a)
    await sync.sync(['tagged/1/1'])
    await prod.importBuild({ name: 'bash', version: '5', release: '9', rpms: [{ arch: 'noarch' }] })
    await local.tagBuild('f43', a)
    const before = await releases()
    const ids = await local.rows(`select b.id from build b where release = '1'`)
    if (ids.length === 0) throw new Error('build 1 is not in staging')
    expect(before.at(-1)).toBe('1')
    await prod.tagBuild('f43', 'bash-5-9')
    await sync.sync(['tagged/1/1'])
    expect(await releases()).toEqual([...before, '9'])
    await prod.untagBuild('f43', 'bash-5-9')
    await sync.sync(['tagged/1/1'])
    expect(await releases()).toEqual(before)
    const [{ creator } = {}] = await local.rows(
      `select u.name as creator from tag_listing l join users u on u.id = l.creator_id
        where l.active and l.build_id = $1`,
      [ids[0]?.id],
    )
    expect(creator).toBe('local')
    await local.untagBuild('f43', Number(ids[0]?.id))
  })

  it('settles an untagging by staging’s people by policy', async () => {
    const { local } = sync
    const top = (await releases()).at(-1)
    await local.untagBuild('f43', `bash-5-${top}`)
    const hold = { conflicts: { build: 'hold', tag: 'hold', onRemoved: 'hold' } as const }
    expect(await sync.one('tagged/1/1', hold)).toMatchObject({ kind: 'held' })
    expect(await releases()).not.toContain(top)
    expect(await sync.one('tagged/1/1')).toMatchObject({ kind: 'applied' })
    await expectEqual(sync)
  })

  it('does not wait for a tagged build that is not complete: no hub lists it', async () => {
    const { prod } = sync
    const { id } = await prod.importBuild({
      name: 'bash',
      version: '5',
      release: '77',
      rpms: [{ arch: 'noarch' }],
    })
    await prod.tagBuild('f43', id)
    await prod.rows('update build set state = 3 where id = $1', [id])
    expect(await sync.one('tagged/1/1')).toEqual({ kind: 'unchanged' })
    await prod.untagBuild('f43', id)
  })
})
