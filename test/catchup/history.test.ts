import { expect, it } from 'vitest'
import type { KojiVersion } from '../support/koji-schema.ts'
import { idOf, scene } from './world.ts'

it.each<KojiVersion>(['1.21.0', '1.35.0'])(
  'marks the key of every kind of row, made and revoked, of a hub %s',
  async (version) => {
    const { prod, marked } = await scene(version)
    const kinds: { [kind: string]: [make: (tag: string) => unknown, revoke: (tag: string) => unknown] } = {
      config: [() => undefined, (tag) => prod.editTag(tag, { locked: true })],
      extra: [(tag) => prod.setExtra(tag, 'mock.new', 1), (tag) => prod.removeExtra(tag, 'mock.new')],
      child: [
        (tag) => prod.setInheritance(tag, [{ parent: 'parent', priority: 1 }]),
        (tag) => prod.setInheritance(tag, []),
      ],
      group: [(tag) => prod.addGroup(tag, 'build'), (tag) => prod.removeGroup(tag, 'build')],
      grouppkg: [
        (tag) => prod.addGroupPackage(tag, 'build', 'bash'),
        (tag) => prod.removeGroupPackage(tag, 'build', 'bash'),
      ],
      groupreq: [
        (tag) => prod.addGroupReq(tag, 'build', 'core'),
        (tag) => prod.removeGroupReq(tag, 'build', 'core'),
      ],
      repo: [
        (tag) => prod.addExternalRepoToTag(tag, 'up', { priority: 5 }),
        (tag) => prod.removeExternalRepoFromTag(tag, 'up'),
      ],
      deleted: [() => undefined, (tag) => prod.deleteTag(tag)],
    }
    const names = [...Object.keys(kinds), 'parent', 'listing', 'builds']
    for (const name of names) await prod.addTag(name)
    await prod.addExternalRepo('up', 'http://example.com/')
    for (const name of ['group', 'grouppkg', 'groupreq']) await prod.addGroup(name, 'build')
    const ids = new Map<string, number>()
    for (const name of names) ids.set(name, await idOf(prod, 'tag', name))
    const tagKeys = (...but: string[]) =>
      names.filter((name) => !but.includes(name)).map((name) => `tag/${ids.get(name)}`)
    const repo = await idOf(prod, 'external_repo', 'up')
    expect(await marked()).toEqual([...tagKeys(), `external-repo/${repo}`].sort())

    for (const [name, [make]] of Object.entries(kinds)) await make(name)
    await prod.addPackage('listing', 'bash')
    await prod.addTarget('target', 'parent', 'child')
    const build = await prod.importBuild({ name: 'bash', version: '5', release: '1' })
    await prod.tagBuild('builds', build.id)
    const [bash, target] = [await idOf(prod, 'package', 'bash'), await idOf(prod, 'build_target', 'target')]
    const listed = [`package/${ids.get('listing')}/${bash}`, `tagged/${ids.get('builds')}/${bash}`]
    const untouched = ['config', 'deleted', 'parent', 'listing', 'builds']
    expect(await marked()).toEqual(
      [...tagKeys(...untouched), ...listed, `target/${target}`, `build/${build.id}`].sort(),
    )

    for (const [name, [, revoke]] of Object.entries(kinds)) await revoke(name)
    await prod.removePackage('listing', 'bash')
    await prod.untagBuild('builds', build.id)
    await prod.deleteTarget('target')
    await prod.deleteExternalRepo('up')
    expect(await marked()).toEqual(
      [
        ...tagKeys('parent', 'listing', 'builds'),
        ...listed,
        `target/${target}`,
        `external-repo/${repo}`,
      ].sort(),
    )
  },
)

it('marks nothing twice, and moves only the cursor', async () => {
  const { prod, marked, cursor, sql } = await scene()
  await prod.addTag('f43')
  const build = await prod.importBuild({ name: 'bash', version: '5', release: '1', rpms: [{ arch: 'src' }] })
  await prod.tagBuild('f43', build.id)
  expect(await marked()).toHaveLength(3)
  const known = () => sql('select xmin::text, * from staging_sync.handled order by 2, 3, 4')
  const before = await known()
  const first = await cursor()
  expect(await marked()).toEqual([])
  await prod.rows('select get_event()')
  expect(await marked()).toEqual([])
  expect(await cursor()).toBe(first + 1)
  expect(await known()).toEqual(before)
})

it('finds a change that becomes visible after the cursor has passed its event', async () => {
  const { prod, marked, cursor } = await scene()
  const tag = await prod.addTag('f43')
  await prod.addTag('f44')
  const late = await prod.begin()
  await late.addPackage('f43', 'bash')
  const event = await late.event()
  await prod.addPackage('f44', 'zsh')
  expect(await marked()).not.toContain(expect.stringContaining(`package/${tag}/`))
  expect(await cursor()).toBeGreaterThan(event)
  await late.commit()
  expect(await marked()).toEqual([`package/${tag}/${await idOf(prod, 'package', 'bash')}`])
  expect(await marked()).toEqual([])
})

it('finds it also when the last look was longer ago than the overlap', async () => {
  const { prod, marked, sql } = await scene()
  const tag = await prod.addTag('f43')
  const late = await prod.begin()
  await late.addPackage('f43', 'bash')
  await late.event()
  await prod.addTag('f44')
  await marked()
  await late.commit()
  await prod.rows(`update events set time = time - interval '2 days'`)
  for (const table of ['cursor', 'catchup_watermark'])
    await sql(`update staging_sync.${table} set time = time - interval '2 days'`)
  const now = await prod.addTag('f45')
  expect(await marked({ overlapMs: 60_000 })).toEqual(
    [`package/${tag}/${await idOf(prod, 'package', 'bash')}`, `tag/${now}`].sort(),
  )
})

it('copes with events that were rolled back', async () => {
  const { prod, marked, cursor } = await scene()
  const lost = await prod.begin()
  await lost.addTag('never')
  const event = await lost.event()
  const tag = await prod.addTag('f43')
  await lost.rollback()
  expect(await marked()).toEqual([`tag/${tag}`])
  expect(await cursor()).toBeGreaterThan(event)
})

it('says that it comes round with each answer of the hub, and no oftener', async () => {
  const { prod, sim, catchUp, signal } = await scene()
  await prod.addTag('f43')
  let turns = 0
  const onTurn = (): void => {
    turns += 1
  }
  await catchUp().run(signal, { onTurn })
  expect(turns).toBeGreaterThanOrEqual(sim.knobs.requests)
  const whileItHung: number[] = []
  sim.knobs.beforeNext('queryHistory', async () => {
    whileItHung.push(turns)
    await new Promise((resolve) => setTimeout(resolve, 50))
    whileItHung.push(turns)
  })
  await catchUp().run(signal, { onTurn })
  expect(whileItHung[1]).toBe(whileItHung[0])
  expect(turns).toBeGreaterThan(whileItHung[1] as number)
})

it('marks with the priority of a sweep', async () => {
  const { prod, catchUp, signal, sql } = await scene()
  await prod.addTag('f43')
  await catchUp().run(signal)
  expect(await sql('select distinct priority from staging_sync.queue')).toEqual([{ priority: 1 }])
})
