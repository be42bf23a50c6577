import { afterAll, expect, it } from 'vitest'
import { openWorld, type ProdWorld } from '../sim/prod-world.ts'
import { type Scene, scene } from './world.ts'

let here: Scene
let local: ProdWorld
const closers: (() => Promise<void>)[] = []

async function id(table: string, name: string): Promise<number> {
  return Number((await local.rows(`select id from ${table} where name = $1`, [name]))[0]?.id)
}

/** As if it had come from prod, where its id is another one. */
async function owned(kind: string, name: string, prodId: number): Promise<void> {
  await here.sql('insert into staging_sync.owned (kind, prod_id, staging_id) values ($1, $2, $3)', [
    kind,
    prodId,
    await id(kind, name),
  ])
}

async function setUp(): Promise<void> {
  here = await scene()
  const people = await openWorld({ databaseUrl: here.staging.url, user: 'local' })
  closers.push(() => people.close())
  local = people
  await local.addTag('f43')
  await local.addTag('parent')
  await local.addTag('ours')
  await local.addPackage('f43', 'bash')
  await local.addTarget('f43', 'f43', 'f43')
  await local.addExternalRepo('up', 'http://example.com/')
  const build = await local.importBuild({ name: 'bash', version: '5', release: '1' })
  await local.tagBuild('f43', build.id)
  await owned('tag', 'f43', 71)
  await owned('tag', 'parent', 72)
  await owned('package', 'bash', 81)
  await owned('build_target', 'f43', 91)
  await owned('external_repo', 'up', 95)
}
afterAll(async () => {
  for (const close of closers) await close()
})

it("marks what staging's people made or revoked, by prod's ids, once, and nothing that we wrote", async () => {
  await setUp()
  await here.marked()
  expect(await here.marked()).toEqual([])
  const found = ['external-repo/95', 'package/71/81', 'tag/71', 'tagged/71/81', 'target/91']
  await local.editTag('f43', { locked: true })
  await local.setExtra('f43', 'mock.new', 1)
  await local.blockPackage('f43', 'bash')
  await local.retagBuild('f43', 'bash-5-1')
  await local.editTarget('f43', { destTag: 'parent' })
  await local.editExternalRepo('up', { url: 'http://example.org/' })
  expect(await here.marked()).toEqual(found)
  await local.removeExtra('f43', 'mock.new')
  await local.untagBuild('f43', 'bash-5-1')
  expect(await here.marked()).toEqual(['tag/71', 'tagged/71/81'])
  for (const work of [
    () => local.setInheritance('f43', [{ parent: 'parent', priority: 1 }]),
    () => local.addGroup('f43', 'build'),
    () => local.addExternalRepoToTag('f43', 'up', { priority: 5 }),
  ]) {
    await work()
    expect(await here.marked()).toEqual(['tag/71'])
  }
  // Of staging's own alone.
  await local.setExtra('ours', 'mock.new', 1)
  const asUs = await here.sql<{ event: number }>('select get_event() as event')
  await here.sql(
    `insert into tag_extra (tag_id, key, value, create_event, creator_id) select id, 'by-us', '1', $1, $2 from tag where name = 'f43'`,
    [asUs[0]?.event, here.staging.userId],
  )
  expect(await here.marked()).toEqual([])
})

it('finds what was begun before and committed after the events that were read, once', async () => {
  await setUp()
  await here.marked()
  const late = await local.begin()
  await late.editTag('f43', { locked: true })
  const rolledBack = await local.begin()
  await rolledBack.editTag('parent', { locked: true })
  await rolledBack.rollback()
  await local.setExtra('ours', 'mock.new', 1)
  expect(await here.marked()).toEqual([])
  expect(await here.marked()).toEqual([])
  await late.commit()
  expect(await here.marked()).toEqual(['tag/71'])
  expect(await here.marked()).toEqual([])
})

it('asks for no rows of Koji where all new events are ours', async () => {
  await setUp()
  await here.marked()
  const [row] = await here.sql<{ event: number }>('select get_event() as event')
  await here.sql(
    `insert into staging_sync.event_map (key, prod_event, staging_event) values ('tag/71', 1, $1)`,
    [row?.event],
  )
  const steps: string[] = []
  const counting = await here.stepped((name) => {
    steps.push(name)
    return undefined
  })
  await counting.run(here.signal)
  expect(steps).toContain('sql.catchup.staging-foreign')
  expect(steps).not.toContain('sql.catchup.staging-rows')
})
