import { afterAll, beforeAll, expect, it } from 'vitest'
import { findDrafts } from '../../src/staging/drafts.ts'
import { addTagAndBuilds, makeWorld, run, type World } from './world.ts'

let world: World
let builds: number[]
beforeAll(async () => {
  world = await makeWorld()
  builds = await addTagAndBuilds(world, { tagId: 1, packageId: 1, count: 5 })
  await run(world.database, `update build set draft = true, release = release || ',draft_' || id`)
})
afterAll(() => world.close())

const own = (at: number, age = '0') =>
  run(
    world.database,
    `insert into staging_sync.owned (kind, prod_id, staging_id, applied_at) values ('build', $1::bigint + 100, $1, now() - $2::interval)`,
    [builds[at], age],
  )
const found = async () => (await findDrafts(world.database, null)).map((id) => builds.indexOf(id - 100))

it('looks at all builds once, then at those that came since, and never again at the others', async () => {
  await own(0, '1 day')
  expect(await found()).toEqual([0])
  await own(1)
  // Its transaction took long.
  await own(2, '5 minutes')
  // Older than any transaction: it is not looked for, so this shows that the rest is not read.
  await own(3, '1 day')
  expect(await found()).toEqual([0, 1, 2])
  await run(world.database, 'update build set draft = false where id = $1', [builds[0]])
  await run(world.database, 'update build set state = 2 where id = $1', [builds[1]])
  expect(await found()).toEqual([2])
  // What came with the copy of prod counts as well, in the first look.
  await run(world.database, `delete from staging_sync.setting where key = 'drafts_read'`)
  const [last] = await run<{ event: number }>(world.database, 'select max(create_event) as event from build')
  const copied = await findDrafts(world.database, last?.event ?? 0)
  expect(copied).toContain(builds[4])
})
