import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LookupConverger } from '../../src/converge/lookup.ts'
import { Scope } from '../../src/converge/scope.ts'
import { parseTypedKey } from '../../src/model/key.ts'
import type { Expectation } from '../../src/model/outcome.ts'
import { snapshotTag } from './snapshot.ts'
import { Crash, TestSync } from './support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open()
  const { prod } = sync
  await prod.addTag('f43')
  await prod.addPackage('f43', 'bash')
  await prod.addTarget('f43-target', 'f43', 'f43')
  await prod.addExternalRepo('epel', 'https://example.org/')
  await prod.importBuild({ name: 'bash', version: '5', release: '1', rpms: [{ arch: 'noarch' }] })
})
afterAll(() => sync.close())

/** Converges one lookup alone; what it marked. */
async function lookUp(
  key: string,
  expect: readonly Expectation[] = [],
): Promise<{ ended: unknown; marked: { key: string; priority: number; expect: unknown }[] }> {
  const parsed = parseTypedKey(key)
  if (parsed.kind !== 'lookup') throw new Error(`${key} is no lookup`)
  const [claim] = await sync.queue.markAndClaim([{ key: parsed, priority: 'live', expect }])
  if (claim === undefined) throw new Error('no claim')
  const result = await new LookupConverger(sync.deps()).converge(parsed, claim, new AbortController().signal)
  const marked = await sync.database.query<{ key: string; priority: number; expect: unknown }>(
    'test.marked',
    `select key, priority, (select jsonb_object_agg(e.key, e.value ->> 0) from jsonb_each(expect) e)::text as expect
       from staging_sync.queue where key not like 'lookup/%' order by key`,
  )
  await sync.clearQueue()
  return { ended: { ...result.outcome, fenced: result.fenced, unmet: result.unmet }, marked }
}

describe('looking up', () => {
  it.each([
    ['tag/f43', 'tag/1'],
    ['target/f43-target', 'target/1'],
    ['external-repo/epel', 'external-repo/1'],
    ['build/bash-5-1', 'build/1'],
    ['tagged/f43/bash', 'tagged/1/1'],
    ['package/f43/bash', 'package/1/1'],
    ['tagged/1/bash', 'tagged/1/1'],
    ['tagged/f43/1', 'tagged/1/1'],
  ])('%s marks the real key, live as it was, and ends', async (key, real) => {
    const { ended, marked } = await lookUp(key)
    expect(marked).toEqual([{ key: real, priority: 0, expect: null }])
    expect(ended).toMatchObject({ kind: 'unchanged', fenced: true })
  })

  it('hands on what was claimed', async () => {
    const { marked } = await lookUp('tagged/f43/bash', [{ subject: 'build:1', claim: 'tagged' }])
    expect(marked).toEqual([{ key: 'tagged/1/1', priority: 0, expect: '{"build:1": "tagged"}' }])
  })

  it('makes a live change as old as its message, also for the next round of what is worked on', async () => {
    const ages = () =>
      sync.database.query<{ key: string; marked: number; remarked: number | null }>(
        'test.ages',
        `select key, round(extract(epoch from clock_timestamp() - marked_at))::int as marked,
                round(extract(epoch from clock_timestamp() - remarked_at))::int as remarked from staging_sync.queue`,
      )
    const told = async (): Promise<void> => {
      const key = parseTypedKey('tag/f43')
      if (key.kind !== 'lookup') throw new Error('no lookup')
      await sync.queue.mark([{ key, priority: 'live' }])
      await sync.database.query(
        'test.wait',
        `update staging_sync.queue set marked_at = marked_at - interval '1 hour' where key = 'lookup/tag/f43'`,
      )
      const [claim] = await sync.queue.claim(1)
      if (claim === undefined) throw new Error('no claim')
      await new LookupConverger(sync.deps()).converge(key, claim, new AbortController().signal)
    }
    await told()
    expect(await ages()).toEqual([{ key: 'tag/1', marked: 3600, remarked: null }])
    await sync.clearQueue()
    await sync.queue.markAndClaim([{ key: { kind: 'tag', tagId: 1 }, priority: 'live' }])
    await told()
    expect(await ages()).toEqual([{ key: 'tag/1', marked: 0, remarked: 3600 }])
    await sync.clearQueue()
  })

  it('leaves the lookup in the queue when it crashes before the commit', async () => {
    sync.onStep = (name) => {
      if (name === 'sql.lookup.commit') throw new Crash(name)
      return undefined
    }
    await expect(lookUp('tag/f43')).rejects.toThrow(Crash)
    sync.onStep = () => undefined
    expect(await sync.queued()).toEqual(['lookup/tag/f43'])
    await sync.clearQueue()
  })

  it.each([
    'tag/nothing',
    'build/nothing-1-1',
    'build/nonsense',
    'target/nothing',
    'external-repo/nothing',
    'tagged/f43/nothing',
    'package/nothing/bash',
  ])('%s is nothing that prod has: asked for some times, then skipped', async (key) => {
    sync.hub.knobs.clear()
    const ended = await sync.sync([key])
    expect([...ended.values()]).toEqual([
      { kind: 'skipped', reason: expect.stringContaining('prod has no ') },
    ])
    expect(await sync.queued()).toEqual([])
    const asked = [...sync.hub.knobs.counts.values()].reduce((sum, count) => sum + count, 0)
    expect(asked).toBeGreaterThanOrEqual(3)
  })

  it('a name that a message knows before prod shows it is looked for again by the claims', async () => {
    const { ended } = await lookUp('package/f43/early', [{ subject: 'listing', claim: 'listed' }])
    expect(ended).toMatchObject({
      kind: 'skipped',
      fenced: false,
      unmet: [{ subject: 'listing', claim: 'listed' }],
    })
    await sync.sync(['tag/f43'])
    await sync.queue.mark([
      {
        key: { kind: 'lookup', what: 'package', names: ['f43', 'early'] },
        priority: 'live',
        expect: [{ subject: 'listing', claim: 'listed' }],
      },
    ])
    // Prod shows it when the first look has found nothing.
    const finish = sync.queue.finish.bind(sync.queue)
    let looks = 0
    sync.queue.finish = async (finished) => {
      sync.queue.finish = finish
      looks += 1
      const endings = await finish(finished)
      await sync.prod.addPackage('f43', 'early')
      return endings
    }
    await sync.drain()
    expect(looks).toBe(1)
    expect(await snapshotTag(sync.local, 'f43')).toEqual(await snapshotTag(sync.prod, 'f43'))
    expect(await sync.queued()).toEqual([])
  })

  it('a tag out of scope ends there, and a deleted tag of ours is still found by its name', async () => {
    await sync.prod.addTag('outside')
    const scope = new Scope({ tags: ['f*'], excludeTags: [], builds: 'tagged', sideTags: false })
    const ended = await sync.sync(['tagged/outside/bash'], { scope })
    expect([...ended]).toEqual([
      ['lookup/tagged/outside/bash', { kind: 'skipped', reason: 'tag outside is out of scope' }],
    ])
    await sync.prod.addTag('f-gone')
    await sync.sync(['tag/f-gone'])
    await sync.prod.deleteTag('f-gone')
    await sync.sync(['tag/f-gone'])
    expect((await snapshotTag(sync.local, 'f-gone'))?.tag_config).toEqual([])
  })
})

describe('a promotion that nobody names', () => {
  it.each(['1.35.0', 'HEAD'] as const)('is found on a hub of Koji %s', async (version) => {
    const world = await TestSync.open({ version })
    try {
      const { prod, local } = world
      const draft = (release: string) =>
        prod.importBuild({ name: 'bash', version: '5', release, draft: true, rpms: [{ arch: 'noarch' }] })
      await prod.addTag('f43')
      await prod.addPackage('f43', 'bash')
      const known = await draft('1')
      const other = await draft('2')
      const unknown = await draft('3')
      await prod.tagBuild('f43', known.id)
      await prod.tagBuild('f43', other.id)
      await world.sync(['tag/f43'])
      await prod.promoteBuild(known.id)
      await prod.promoteBuild(unknown.id)
      await prod.tagBuild('f43', unknown.id)
      const ended = await world.sync([{ kind: 'lookup', what: 'promotions', names: [] }])
      expect([...ended.keys()].sort()).toEqual([
        `build/${known.id}`,
        `build/${unknown.id}`,
        'lookup/promotions',
      ])
      const rows = await local.rows('select id, release, draft from build order by id')
      expect(rows).toEqual(await prod.rows('select id, release, draft from build order by id'))
    } finally {
      await world.close()
    }
  })

  it('is nothing on a hub that knows no drafts', async () => {
    const world = await TestSync.open({ version: '1.30.0' })
    try {
      await world.prod.addTag('f43')
      const ended = await world.sync([{ kind: 'lookup', what: 'promotions', names: [] }])
      expect([...ended]).toEqual([['lookup/promotions', { kind: 'unchanged' }]])
    } finally {
      await world.close()
    }
  })
})
