import { afterAll, beforeAll, expect, it } from 'vitest'
import { adoptPackages } from '../../src/staging/adopt.ts'
import { findAdopted, recordAdopted } from '../../src/staging/adopted.ts'
import { findOwned } from '../../src/staging/owned.ts'
import { makeWorld, run, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await makeWorld()
})
afterAll(() => world.close())

it('records packages by name under prod’s ids, once, and leaves those that are recorded already', async () => {
  const { database } = world
  await run(database, `insert into package (id, name) values (1, 'bash'), (2, 'zsh'), (900, 'local')`)
  const adopt = (packages: { id: number; name: string }[]) =>
    database.transaction('test', (tx) => adoptPackages(tx, packages))
  // In prod zsh has another id, and so has the package that staging made itself.
  const shown = [
    { id: 1, name: 'bash' },
    { id: 7, name: 'zsh' },
    { id: 900, name: 'only-in-prod' },
  ]
  expect(await adopt(shown)).toBe(2)
  expect(await adopt(shown)).toBe(0)
  const owned = await findOwned(database, 'package', [1, 7, 900])
  expect([...owned].map(([id, { stagingId }]) => [id, stagingId])).toEqual([
    [1, 1],
    [7, 2],
  ])
  expect(owned.get(7)?.digest).toBe('zsh')
  expect(await adopt([{ id: 8, name: 'zsh' }])).toBe(0)
})

it('a row that was adopted counts no more when somebody made it anew', async () => {
  const { database } = world
  const row = {
    cells: { tag_id: 1, build_id: 2 },
    createEvent: 10,
    revokeEvent: null,
    creatorId: 1,
    revokerId: null,
  }
  const anew = { ...row, createEvent: 11 }
  await recordAdopted(database, [{ table: 'tag_listing', row }])
  expect(await findAdopted(database, 'tag_listing', [row, anew])).toEqual(new Set([row]))
  await recordAdopted(database, [{ table: 'tag_listing', row: anew }])
  expect(await findAdopted(database, 'tag_listing', [row, anew])).toEqual(new Set([anew]))
})
