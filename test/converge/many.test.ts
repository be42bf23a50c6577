import { afterAll, beforeAll, expect, it } from 'vitest'
import { Many } from '../../src/converge/many/many.ts'
import { ManyTogether } from '../../src/converge/many/together.ts'
import { formatKey, type Key } from '../../src/model/key.ts'
import type { Kin } from '../../src/queue/kin.ts'
import type { Claim } from '../../src/queue/queue.ts'
import { expectSame, stagingRow, stagingTree } from './build-support.ts'
import { convergersOf } from './convergers.ts'
import { TestSync } from './support.ts'

const BUILDS = 30

let sync: TestSync
const builds: { id: number; nvr: string; packageId: number }[] = []
let tagId = 0

/** Makes keys equal together; returns those that ended so. */
async function together(keys: readonly Key[]): Promise<string[]> {
  const ended: string[] = []
  const many = new Many({ deps: sync.deps(), onEnded: (key) => ended.push(formatKey(key)) })
  const { taken, left } = many.takes(keys)
  expect(left).toEqual([])
  await many.converge(taken, new AbortController().signal)
  return ended.sort()
}

/** One build alone. */
async function converge(buildId: number): Promise<void> {
  const [claim] = await sync.queue.markAndClaim([{ key: { kind: 'build', buildId }, priority: 'sweep' }])
  if (claim?.key.kind !== 'build') throw new Error('no claim')
  await convergersOf(sync.deps()).build.converge(claim.key, claim, new AbortController().signal)
}

function buildKeys(): Key[] {
  return builds.map(({ id }) => ({ kind: 'build', buildId: id }))
}

function listKeys(kind: 'package' | 'tagged'): Key[] {
  return builds.map(({ packageId }) => ({ kind, tagId, packageId }))
}

async function queued(): Promise<string[]> {
  const rows = await sync.database.query<{ key: string }>(
    'test',
    'select key from staging_sync.queue order by 1',
    [],
    {
      prepare: false,
    },
  )
  return rows.map(({ key }) => key)
}

/** Staging's active taggings, oldest first. */
function listing(world: TestSync['prod']): Promise<Record<string, unknown>[]> {
  return world.rows(
    `select t.name as tag, p.name || '-' || b.version || '-' || b.release as nvr
       from tag_listing l join tag t on t.id = l.tag_id join build b on b.id = l.build_id join package p on p.id = b.pkg_id
      where l.active and b.state = 1 order by p.name, l.create_event, l.build_id`,
  )
}

function entries(world: TestSync['prod']): Promise<Record<string, unknown>[]> {
  return world.rows(
    `select t.name as tag, p.name, l.blocked, l.extra_arches, u.name as owner
       from tag_packages l join tag t on t.id = l.tag_id join package p on p.id = l.package_id
       left join tag_package_owners o on o.tag_id = l.tag_id and o.package_id = l.package_id and o.active
       left join users u on u.id = o.owner where l.active order by 1, 2`,
  )
}

beforeAll(async () => {
  sync = await TestSync.open()
  sync.priority = 'sweep'
  const { prod } = sync
  await prod.addTag('f43', { arches: 'x86_64' })
  for (let n = 0; n < BUILDS; n += 1) {
    const name = `pkg${String(n).padStart(2, '0')}`
    await prod.addPackage('f43', name)
    const rpms = [{ arch: 'src' }, { arch: 'x86_64' }]
    const made = await prod.importBuild({ name, version: '1', release: '1', rpms })
    await prod.signRpm(made.rpms[0] as number, 'abcd1234', { checksums: true })
    await prod.tagBuild('f43', made.id)
    const [row] = await prod.rows('select pkg_id from build where id = $1', [made.id])
    builds.push({ id: made.id, nvr: `${name}-1-1`, packageId: Number(row?.pkg_id) })
  }
  const [tag] = await prod.rows(`select id from tag where name = 'f43'`)
  tagId = Number(tag?.id)
})
afterAll(() => sync?.close())

it('brings new builds together, and leaves those that are not plain to their own keys', async () => {
  const [local, gone, placed, raced] = builds as [
    (typeof builds)[0],
    (typeof builds)[0],
    (typeof builds)[0],
    (typeof builds)[0],
  ]
  // One name is staging's own, one build is no longer COMPLETE, files of one stand, one is worked on by somebody else.
  await sync.local.importBuild({ name: 'pkg00', version: '1', release: '1', rpms: [{ arch: 'x86_64' }] })
  await sync.prod.rows('update build set state = 2 where id = $1', [gone.id])
  await sync.local.rows(
    `insert into staging_sync.placement (prod_build_id, staging_volume, name, version, release, prod_volume, mode, state)
     values ($1, 'prod', 'pkg02', '1', '1', 'DEFAULT', 'volume', 'intent')`,
    [placed.id],
  )
  const [claim] = await sync.queue.markAndClaim([
    { key: { kind: 'build', buildId: raced.id }, priority: 'sweep' },
  ])
  const ended = await together(buildKeys())
  const odd = [local, gone, placed, raced].map(({ id }) => `build/${id}`)
  expect(ended).toEqual(
    builds
      .map(({ id }) => `build/${id}`)
      .filter((key) => !odd.includes(key))
      .sort(),
  )
  expect(await queued()).toEqual(odd.sort())
  await expectSame(sync, ...builds.slice(4).map(({ nvr }) => nvr))
  const [one] = await sync.local.rows(
    `select count(distinct b.xmin::text)::int as transactions from build b join staging_sync.owned o on o.staging_id = b.id and o.kind = 'build'`,
  )
  expect(one?.transactions).toBe(1)
  expect(
    Object.keys(await stagingTree(sync)).filter((path) => path.startsWith('vol/prod/packages/pkg29')),
  ).toHaveLength(1)
  // Whoever looks at one of them alone finds nothing to do.
  const before = await stagingRow(sync, 'pkg10-1-1')
  await sync.queue.mark([{ key: { kind: 'build', buildId: builds[10]?.id as number }, priority: 'sweep' }])
  if (claim !== undefined) await sync.queue.release([claim], { delayMs: 0 })
  const rest = await sync.drain()
  expect(rest.get(`build/${builds[10]?.id}`)).toMatchObject({ kind: 'unchanged' })
  expect(await stagingRow(sync, 'pkg10-1-1')).toEqual(before)
  expect(rest.get(`build/${local.id}`)?.kind).toBe('held')
  await expectSame(sync, placed.nvr, raced.nvr)
  await sync.prod.rows('update build set state = 1 where id = $1', [gone.id])
})

it('brings entries and listings of a tag together, each with its own order, checkpoint and debt', async () => {
  const [tag] = await sync.queue.markAndClaim([{ key: { kind: 'tag', tagId }, priority: 'sweep' }])
  if (tag?.key.kind !== 'tag') throw new Error('no claim')
  await convergersOf(sync.deps()).tag.converge(tag.key, tag, new AbortController().signal)
  const later = await sync.prod.importBuild({
    name: 'pkg05',
    version: '1',
    release: '2',
    rpms: [{ arch: 'src' }],
  })
  await sync.prod.tagBuild('f43', later.id)
  await sync.prod.retagBuild('f43', 'pkg05-1-1')
  await converge(later.id)
  await converge(builds[1]?.id as number)
  await sync.prod.blockPackage('f43', 'pkg07')
  const ended = await together([...listKeys('package'), ...listKeys('tagged')])
  // Staging's own build keeps the place of pkg00 empty: that is for its own key, as is a blocked package.
  const [local, , , , , , , blocked] = builds
  expect(await queued()).toEqual([
    `package/${tagId}/${blocked?.packageId}`,
    `tagged/${tagId}/${local?.packageId}`,
  ])
  expect(ended).toHaveLength(2 * BUILDS - 2)
  const held = await listing(sync.prod)
  expect(await listing(sync.local)).toEqual(held.filter(({ nvr }) => nvr !== 'pkg00-1-1'))
  await sync.drain()
  expect(await entries(sync.local)).toEqual(await entries(sync.prod))
  const [maps] = await sync.local.rows(
    `select count(*)::int as pairs, count(distinct staging_event)::int as events from staging_sync.event_map where key like 'tagged/%' and whole`,
  )
  expect(maps).toEqual({ pairs: BUILDS - 1, events: BUILDS - 1 })
  const events = await sync.local.rows(
    `select l.create_event from tag_listing l join build b on b.id = l.build_id join package p on p.id = b.pkg_id
      where p.name = 'pkg05' order by b.release desc`,
  )
  expect(Number(events[0]?.create_event)).toBeLessThan(Number(events[1]?.create_event))
  const [debts] = await sync.local.rows('select count(*)::int as debts from staging_sync.debt')
  expect(Number(debts?.debts)).toBeGreaterThan(0)
})

it('takes away together what prod took away, where it read the whole tag', async () => {
  const { prod } = sync
  for (const nvr of ['pkg13-1-1', 'pkg14-1-1']) await prod.untagBuild('f43', nvr)
  // Of two packages it asks once more, for what was revoked.
  const ended = await together(listKeys('tagged').slice(5, 28))
  expect(ended).toHaveLength(23)
  const nvrs = (await listing(sync.local)).map(({ nvr }) => nvr)
  expect(nvrs).not.toContain('pkg13-1-1')
  expect(nvrs).not.toContain('pkg14-1-1')
  expect(nvrs).toContain('pkg15-1-1')
  expect(await queued()).toEqual([])
})

it('takes away what prod took away, and not what its answer does not prove', async () => {
  const { prod } = sync
  await prod.untagBuild('f43', 'pkg10-1-1')
  await prod.retagBuild('f43', 'pkg11-1-1')
  // A list that no longer shows it, without a trace in history.
  await prod.rows(`delete from tag_listing where build_id = $1`, [builds[12]?.id])
  // Many rows more than what is asked for: then prod is asked package by package, for what was revoked as well.
  await sync.local.rows(
    `with made as (insert into package (name) select 'more' || n from generate_series(1, 800) n returning id)
     insert into tag_packages (tag_id, package_id, blocked, create_event, creator_id)
     select (select id from tag where name = 'f43'), id, false, get_event(), (select id from users where name = 'local') from made`,
  )
  const ended = await together(listKeys('tagged').slice(5, 28))
  const nvrs = (await listing(sync.local)).map(({ nvr }) => nvr)
  expect(nvrs).not.toContain('pkg10-1-1')
  expect(nvrs).toContain('pkg12-1-1')
  expect(ended).toContain(`tagged/${tagId}/${builds[10]?.packageId}`)
  expect(await queued()).toEqual([`tagged/${tagId}/${builds[12]?.packageId}`])
  await sync.drain()
})

it('lets go of what was marked while it was read, and of all when its claim was lost', async () => {
  const { prod } = sync
  for (const { nvr } of builds.slice(13, 28)) await prod.retagBuild('f43', nvr)
  const key: Key = { kind: 'tagged', tagId, packageId: builds[13]?.packageId as number }
  let isFirst = true
  sync.onStep = (name) => {
    if (name !== 'sql.lists.read' || !isFirst) return undefined
    isFirst = false
    return sync.queue.mark([{ key, priority: 'live' }])
  }
  await together(listKeys('tagged').slice(5, 28))
  sync.onStep = () => undefined
  expect(await queued()).toEqual([formatKey(key)])
  await sync.drain()

  for (const { nvr } of builds.slice(13, 28)) await prod.untagBuild('f43', nvr)
  const before = await listing(sync.local)
  sync.onStep = async (name) => {
    if (name !== 'sql.lists.map') return
    await sync.local.rows(`update staging_sync.queue set token = token + 1000000 where key = $1`, [
      formatKey(key),
    ])
  }
  await together(listKeys('tagged').slice(5, 28))
  sync.onStep = () => undefined
  expect(await listing(sync.local)).toEqual(before)
  expect((await queued()).length).toBeGreaterThan(10)
  await sync.local.rows('update staging_sync.queue set lease_until = null, token = null')
  await sync.drain()
  expect((await listing(sync.local)).map(({ nvr }) => nvr)).not.toContain('pkg20-1-1')
})

it('converges claims of messages together, but for those whose claim prod does not show', async () => {
  const { prod } = sync
  for (const { nvr } of builds.slice(5, 28)) await prod.retagBuild('f43', nvr)
  const claimed = (claim: string) =>
    builds.slice(5, 28).map(({ id, packageId }) => ({
      key: { kind: 'tagged' as const, tagId, packageId },
      priority: 'live' as const,
      expect: [{ subject: `build:${id}`, claim }],
    }))
  const many = new ManyTogether(sync.deps())
  const run = async (marks: ReturnType<typeof claimed>): Promise<[string, string][]> => {
    const claims = await sync.queue.markAndClaim(marks)
    const kin = many.kinOf(claims[0] as Claim)
    const ended: [string, string][] = []
    await many.converge(kin as Kin, claims, new AbortController().signal, ({ key }, { kind }) =>
      ended.push([formatKey(key), kind]),
    )
    await sync.queue.release(claims, { delayMs: 0 })
    return ended.sort()
  }
  const [first, ...others] = claimed('tagged')
  const marks = [
    { ...(first as (typeof others)[0]), expect: [{ subject: 'build:999', claim: 'tagged' }] },
    ...others,
  ]
  const ended = await run(marks)
  expect(ended.map(([key]) => key)).toEqual(others.map(({ key }) => formatKey(key)).sort())
  // Of those that were untagged before.
  expect(ended.filter(([, kind]) => kind === 'applied').length).toBeGreaterThan(10)
  expect(await queued()).toEqual([
    formatKey({ kind: 'tagged', tagId, packageId: builds[5]?.packageId as number }),
  ])
  expect(await listing(sync.local)).toEqual((await listing(prod)).filter(({ nvr }) => nvr !== 'pkg00-1-1'))
  await sync.local.rows('delete from staging_sync.queue')
  expect(await run(claimed('untagged'))).toEqual([])
  await sync.local.rows('delete from staging_sync.queue')
})
