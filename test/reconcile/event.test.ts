import { afterAll, beforeAll, expect, it } from 'vitest'
import type { EventAnswer } from '../../src/model/operations.ts'
import { type Here, openHere } from '../e2e/daemon.ts'
import { ask, keywords } from '../sim/ask.ts'
import type { Struct, Value } from '../sim/wire-value.ts'
import { type ReconcileWorld, reconcileWorld } from './world.ts'

let world: ReconcileWorld
let here: Here
const signal = new AbortController().signal

async function lastEvent(): Promise<number> {
  return Number((await world.prod.rows('select max(id)::int as id from events'))[0]?.id)
}

/** Runs a change of prod and says which event it was. */
async function at(change: () => Promise<unknown>): Promise<number> {
  await change()
  return lastEvent()
}

async function catchUp(): Promise<void> {
  for await (const news of here.operations.catchUp({}, signal))
    if (news.kind === 'end') expect(news.report.parkedKeys).toBe(0)
}

async function sync(...names: string[]): Promise<void> {
  const [what, ...rest] = names as [never, ...string[]]
  for await (const { outcome } of here.operations.sync([{ kind: 'lookup', what, names: rest }], signal))
    expect(['applied', 'unchanged']).toContain(outcome)
}

function event(prodEvent: number, tag: string | null = 'f43'): Promise<EventAnswer> {
  return here.operations.event({ event: prodEvent, tag }, signal)
}

/** What a compose of the tag reads at an event, by names. */
async function view(url: string, eventId: number): Promise<unknown> {
  const asked = (method: string, tag: string, named: Struct) =>
    ask(url, method, tag, keywords({ event: eventId, ...named }))
  const rows = (value: Value) => value as Struct[]
  const links = rows(await asked('getInheritanceData', 'f43', {}))
  const tags = ['f43', ...links.map(({ name }) => name as string)]
  return {
    links: links.map(({ name, priority }) => [name, priority]),
    // The order of builds is that of one package; between packages none is promised.
    builds: rows(await asked('listTagged', 'f43', { inherit: true }))
      .toSorted((a, b) => String(a.package_name).localeCompare(String(b.package_name)))
      .map(({ nvr }) => nvr),
    latest: rows(await asked('listTagged', 'f43', { inherit: true, latest: true }))
      .map(({ nvr }) => nvr)
      .sort(),
    packages: rows(
      await ask(url, 'listPackages', keywords({ tagID: 'f43', event: eventId, inherited: true })),
    )
      .map(({ package_name, blocked, owner_name }) => `${package_name} ${blocked} ${owner_name}`)
      .sort(),
    settings: await Promise.all(
      tags.map(async (tag) => {
        const { arches, extra, locked } = (await asked('getTag', tag, {})) as Struct
        return [tag, arches, extra, locked]
      }),
    ),
    repos: rows(await asked('getTagExternalRepos', 'f43', {})).map(({ external_repo_name, url: from }) => [
      external_repo_name,
      from,
    ]),
  }
}

/** That staging at its event is prod at its own. */
async function same({
  prodEvent,
  stagingEvent,
}: {
  prodEvent: number
  stagingEvent: number | null
}): Promise<void> {
  if (stagingEvent === null) throw new Error(`${prodEvent} is not reproducible`)
  const [prod, staging] = [
    await view(world.prodHub.url, prodEvent),
    await view(world.stagingHub.url, stagingEvent),
  ]
  expect(staging).toEqual(prod)
}

async function build(name: string, release: string): Promise<{ id: number; nvr: string }> {
  return world.prod.importBuild({ name, version: '5', release, rpms: [{ arch: 'src' }] })
}

beforeAll(async () => {
  world = await reconcileWorld()
  const { prod } = world
  await prod.addExternalRepo('epel', 'https://example.org/epel/')
  await prod.addTag('base', { arches: 'x86_64' })
  await prod.addTag('f43', { arches: 'x86_64', parent: 'base' })
  await prod.addTag('other', { arches: 'x86_64' })
  await prod.addExternalRepoToTag('f43', 'epel', { priority: 5 })
  for (const name of ['bash', 'zsh', 'vim']) {
    await prod.addPackage('f43', name)
    for (const release of ['1', '2', '3']) await build(name, release)
    await prod.tagBuild('f43', `${name}-5-1`)
  }
  await prod.untagBuild('f43', 'vim-5-1')
  here = await openHere({ file: world.file })
  for await (const _ of here.operations.reconcile({ dryRun: false, tags: [] }, signal)) {
    // to its end
  }
  await catchUp()
}, 60_000)
afterAll(async () => {
  await here?.operations.destroy()
  await world?.close()
})

it('answers what was caught up one by one, and nothing of other tags matters to a tag', async () => {
  const { prod } = world
  const events = [await lastEvent()]
  for (const change of [
    () => prod.tagBuild('f43', 'bash-5-2'),
    () => prod.setExtra('base', 'mock.new', 1),
    () => prod.blockPackage('f43', 'zsh'),
    () => prod.editExternalRepo('epel', { url: 'https://example.org/other/' }),
    () => prod.editTag('other', { locked: true }),
  ]) {
    events.push(await at(change))
    await catchUp()
  }
  const answers: EventAnswer[] = []
  for (const one of events) answers.push(await event(one))
  for (const answer of answers) await same(answer)
  expect(answers[5]?.stagingEvent).toBe(answers[4]?.stagingEvent)
  const all = await event(events[5] as number, null)
  expect(all.stagingEvent).toBeGreaterThan(answers[5]?.stagingEvent as number)
  await same(all)
})

it('says which are near where changes were coalesced, and is not misled by what came and went', async () => {
  const { prod } = world
  const before = await lastEvent()
  const [a, b, c] = [
    await at(() => prod.tagBuild('f43', 'vim-5-2')),
    await at(() => prod.tagBuild('f43', 'vim-5-3')),
    // The newest event that is shown afterwards is that of vim-5-3, which was there with vim-5-2.
    await at(() => prod.untagBuild('f43', 'vim-5-2')),
  ]
  await catchUp()
  for (const one of [a, b]) {
    const answer = await event(one)
    expect(answer).toMatchObject({ stagingEvent: null, reasons: [expect.stringContaining('vim-5-2')] })
    await same(answer.nearest.below ?? { prodEvent: one, stagingEvent: null })
  }
  await same(await event(before))
  await same(await event(c))
})

it('answers none of the events inside of a re-tagging, only its last', async () => {
  const { prod, sql } = world
  await prod.tagBuild('f43', 'bash-5-3')
  await catchUp()
  const [low] = await sql<{ id: number }>('select max(id)::int as id from events')
  await prod.retagBuild('f43', 'bash-5-1')
  const last = await at(() => prod.retagBuild('f43', 'bash-5-2'))
  await catchUp()
  const [high] = await sql<{ id: number }>(
    `select staging_event::int as id from staging_sync.event_map where staging_event > $1 and key like 'tagged/%' order by 1 desc limit 1`,
    [low?.id],
  )
  const answer = await event(last)
  expect(answer.stagingEvent).toBe(high?.id)
  await same(answer)
  expect((await event(last - 1)).stagingEvent).toBeNull()
})

it('does not answer from before a change that became visible late', async () => {
  const { prod } = world
  await prod.setExtra('f43', 'late', 'old')
  await prod.setExtra('f43', 'here', 1)
  await catchUp()
  const open = await prod.begin()
  await open.setExtra('f43', 'late', 'new')
  const late = await open.event()
  const newer = await at(() => prod.setExtra('f43', 'here', 2))
  await catchUp()
  await same(await event(newer))
  await open.commit()
  // Of this moment: prod's history names it, staging has not got it.
  expect((await event(newer)).stagingEvent).toBeNull()
  const newest = await at(() => prod.setExtra('f43', 'here', 3))
  await catchUp()
  expect((await event(late)).stagingEvent).toBeNull()
  expect((await event(newer)).stagingEvent).toBeNull()
  await same(await event(newest))
})

it('holds for all keys together where they were applied out of order', async () => {
  const { prod } = world
  const first = await at(() => prod.tagBuild('f43', 'zsh-5-2'))
  const second = await at(() => prod.setExtra('base', 'mock.new', 2))
  await sync('tag', 'base')
  expect((await event(first)).stagingEvent).toBeNull()
  expect((await event(second)).stagingEvent).toBeNull()
  await sync('tagged', 'f43', 'zsh')
  const answer = await event(first)
  expect(answer.stagingEvent).toBeNull()
  expect(answer.nearest.above?.prodEvent).toBe(second)
  await same(await event(second))
})

it("is true while staging's people add, and not while they have taken something away", async () => {
  const { local } = world
  const now = await lastEvent()
  const before = await event(now)
  await local.addPackage('f43', 'ours')
  const made = await local.importBuild({ name: 'ours', version: '1', release: '1' })
  await local.tagBuild('f43', made.id)
  expect(await event(now)).toEqual(before)
  const next = await at(() => world.prod.setExtra('f43', 'here', 4))
  await local.untagBuild('f43', 'zsh-5-2')
  await sync('tag', 'f43')
  expect((await event(next)).stagingEvent).toBeNull()
  await catchUp()
  expect((await event(next)).stagingEvent).toBeGreaterThan(before.stagingEvent as number)
})

it('names an event and a tag that prod does not have', async () => {
  await expect(event((await lastEvent()) + 1)).rejects.toMatchObject({ code: 'EVENT_UNKNOWN' })
  await expect(event(await lastEvent(), 'f99')).rejects.toMatchObject({ code: 'EVENT_TAG_UNKNOWN' })
  // Before the tag was made.
  expect(await event(1)).toMatchObject({
    stagingEvent: null,
    reasons: [expect.stringContaining('none then')],
  })
})
