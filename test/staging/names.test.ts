import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Names, type NameUse } from '../../src/staging/names.ts'
import { findOwned, recordOwned } from '../../src/staging/owned.ts'
import { renameRow } from '../../src/staging/rename.ts'
import { kojiVersions } from '../support/koji-schema.ts'
import { FLOOR, makeWorld, openDatabase, run, type World } from './world.ts'

const usesOf = (ids: ReadonlyMap<string, number>): NameUse[] =>
  [...ids].map(([name, id]) => ({ kind: 'user', name, id }))

const PERSON = { status: 0, usertype: 0 }

describe.each(kojiVersions)('names on Koji %s', (koji) => {
  let world: World
  beforeAll(async () => {
    world = await makeWorld(koji)
  })
  afterAll(() => world.close())

  it('of every kind are made once, with prod’s id where that is free, and found the next time', async () => {
    const { database, catalog } = world
    const items = {
      user: [{ prodId: 11, name: 'kevin', columns: PERSON }],
      package: [
        { prodId: 12, name: 'bash' },
        { prodId: null, name: 'zsh' },
      ],
      group: [{ prodId: 13, name: 'build' }],
      permission: [{ prodId: 3, name: 'fancy', columns: { description: null } }],
      volume: [{ prodId: 4, name: 'prod' }],
      btype: [{ prodId: 4, name: 'remote-sources' }],
      archivetype: [
        {
          prodId: 900,
          name: 'no-such-type',
          columns: { description: 'Squash', extensions: 'sqfs', compression_type: null },
        },
      ],
      content_generator: [{ prodId: 1, name: 'osbuild' }],
    } as const
    for (const kind of Object.keys(items) as (keyof typeof items)[]) {
      const made = await new Names({ database, catalog }).ensure(kind, items[kind])
      const again = await new Names({ database, catalog }).ensure(kind, items[kind])
      expect(again).toEqual(made)
      const [first] = items[kind]
      const id = made.get(first.name) as number
      // Ids 3 and 4 of permission and btype are taken in every fresh Koji.
      if (kind === 'permission' || kind === 'btype') expect(id).toBeGreaterThan(FLOOR)
      else expect(id).toBe(first.prodId)
      if (kind !== 'volume')
        expect((await findOwned(database, kind, [first.prodId])).get(first.prodId)?.stagingId).toBe(id)
    }
    const [user] = await run(database, `select status, usertype, password from users where name = 'kevin'`)
    expect(user).toEqual({ status: 0, usertype: 0, password: null })
    const names = new Names({ database, catalog })
    expect([...(await names.ensure('package', items.package)).values()][1]).toBeGreaterThan(FLOOR)
    expect([...(await names.ensure('archivetype', [{ prodId: 77, name: 'jar' }])).values()]).toEqual([1])
  })
})

describe('names', () => {
  let world: World
  let names: Names
  beforeAll(async () => {
    world = await makeWorld()
  })
  afterAll(() => world.close())
  beforeEach(async () => {
    await run(world.database, `delete from users where name <> 'staging-sync'`)
    await run(world.database, `delete from staging_sync.owned`)
    names = new Names(world)
  })

  const users = (): Promise<{ id: number; name: string }[]> =>
    run(world.database, `select id, name from users where name <> 'staging-sync' order by id`)
  const ensure = (...items: [number | null, string][]): Promise<Map<string, number>> =>
    new Names(world).ensure(
      'user',
      items.map(([prodId, name]) => ({ prodId, name, columns: PERSON })),
    )

  it('that staging has already are taken as they are', async () => {
    await run(world.database, `insert into users (id, name, status, usertype) values (500, 'ann', 1, 0)`)
    expect(await ensure([3, 'ann'])).toEqual(new Map([['ann', 500]]))
    expect(await run(world.database, 'select status from users where id = 500')).toEqual([{ status: 1 }])
  })

  it('that changed in prod change in staging, swaps too', async () => {
    await ensure([1, 'ann'], [2, 'bob'])
    await ensure([1, 'anna'])
    expect(await users()).toEqual([
      { id: 1, name: 'anna' },
      { id: 2, name: 'bob' },
    ])
    await ensure([1, 'bob'], [2, 'anna'])
    expect(await users()).toEqual([
      { id: 1, name: 'bob' },
      { id: 2, name: 'anna' },
    ])
  })

  it('that prod gave to somebody new, while we have not seen what became of the old one', async () => {
    await ensure([1, 'ann'])
    expect(await ensure([9, 'ann'])).toEqual(new Map([['ann', 9]]))
    expect(await users()).toEqual([
      { id: 1, name: 'staging-sync-renaming-1' },
      { id: 9, name: 'ann' },
    ])
    // Now we see the old one: the temporary name is no local edit.
    await ensure([1, 'ann-old'])
    expect((await users())[0]).toEqual({ id: 1, name: 'ann-old' })
  })

  it('that somebody changed in staging stay as they are there, and keep their id', async () => {
    await ensure([1, 'ann'])
    await run(world.database, `update users set name = 'ann-staging' where id = 1`)
    expect(await ensure([1, 'ann'])).toEqual(new Map([['ann', 1]]))
    expect(await ensure([1, 'anna'])).toEqual(new Map([['anna', 1]]))
    expect(await users()).toEqual([{ id: 1, name: 'ann-staging' }])
  })

  it('are not taken from a row that is not ours', async () => {
    await ensure([1, 'ann'])
    await run(world.database, `insert into users (id, name, status, usertype) values (600, 'anna', 0, 0)`)
    expect(await ensure([1, 'anna'])).toEqual(new Map([['anna', 1]]))
    expect((await users()).map(({ name }) => name)).toEqual(['ann', 'anna'])
  })

  it('made by many at once are made once', async () => {
    const many = Array.from({ length: 50 }, (_, i): [number, string] => [i + 1, `user-${i}`])
    const results = await Promise.allSettled([1, 2, 3, 4].map(() => ensure(...many)))
    // Who was too late is told to look again.
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'DATABASE_RACE' })
    }
    expect(await ensure(...many)).toEqual(new Map(many.map(([id, name]) => [name, id])))
    expect((await users()).length).toBe(50)
  })

  it('cost no statement when they are remembered', async () => {
    const seen: string[] = []
    const database = await openDatabase(world.url, (name) => {
      seen.push(name)
      return undefined
    })
    const cached = new Names({ database, catalog: world.catalog })
    const item = { prodId: 1, name: 'ann', columns: PERSON }
    await cached.ensure('user', [item])
    seen.length = 0
    expect(await cached.ensure('user', [item, item])).toEqual(new Map([['ann', 1]]))
    expect(seen).toEqual([])
    await database.destroy()
  })

  it('that a staging admin gives to another row after we looked are noticed in the transaction that uses them', async () => {
    await run(world.database, `insert into users (id, name, status, usertype) values (700, 'carl', 0, 0)`)
    const item = { prodId: null, name: 'carl', columns: PERSON }
    const ids = await names.ensure('user', [item])
    await run(
      world.database,
      `update users set name = 'carl-old' where id = 700;
       insert into users (id, name, status, usertype) values (701, 'carl', 0, 0)`,
    )
    const verify = (): Promise<void> =>
      world.database.transaction('t', async (tx) =>
        names.verify(tx, usesOf(await names.ensure('user', [item]))),
      )
    expect(ids.get('carl')).toBe(700)
    await expect(verify()).rejects.toMatchObject({
      code: 'NAME_CHANGED',
      detail: { changed: [{ kind: 'user', name: 'carl' }] },
    })
    // What was remembered is forgotten: the next round is right.
    await verify()
    expect(await names.ensure('user', [item])).toEqual(new Map([['carl', 701]]))
  })

  it('verify a row that came from prod whatever it is called', async () => {
    const ids = await names.ensure('user', [{ prodId: 1, name: 'ann', columns: PERSON }])
    await run(world.database, `update users set name = 'ann-staging' where id = 1`)
    await world.database.transaction('t', (tx) => names.verify(tx, usesOf(ids)))
  })

  it.each([
    ['with a NUL', 'a\0b', 'CELL_INVALID'],
    ['too long for staging', 'x'.repeat(256), 'SCHEMA_CANNOT_HOLD'],
  ])('%s are the key’s error, and nothing is written', async (_what, name, code) => {
    await expect(ensure([5, 'good'], [6, name])).rejects.toMatchObject({
      code,
      detail: { column: 'users.name' },
    })
    expect(await users()).toEqual([])
  })

  it('ask for what a new row needs', async () => {
    await expect(names.ensure('user', [{ prodId: 5, name: 'dora' }])).rejects.toMatchObject({
      code: 'NAME_INCOMPLETE',
    })
  })

  it('of tags are renamed by the same way, and a local tag keeps its name', async () => {
    const { database } = world
    await run(database, `insert into tag (id, name) values (1, 'f43'), (2, 'f44'), (3, 'local')`)
    await database.transaction('t', (tx) =>
      recordOwned(tx, 'tag', [
        { prodId: 21, stagingId: 1 },
        { prodId: 22, stagingId: 2 },
      ]),
    )
    const rename = (id: number, to: string): ReturnType<typeof renameRow> =>
      database.transaction('t', (tx) => renameRow(tx, 'tag', 'tag', { id, to }))
    expect(await rename(1, 'local')).toEqual({ done: false, takenBy: 3, displaced: null })
    expect(await rename(1, 'f44')).toEqual({ done: true, takenBy: null, displaced: 22 })
    expect(await rename(2, 'f43')).toEqual({ done: true, takenBy: null, displaced: null })
    expect(await run(database, 'select id, name from tag order by id')).toEqual([
      { id: 1, name: 'f44' },
      { id: 2, name: 'f43' },
      { id: 3, name: 'local' },
    ])
  })
})
