import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Tx } from '../../src/staging/database.ts'
import { announceTags, countDebts, owe, payDebts } from '../../src/staging/debt.ts'
import {
  allocate,
  allocateEvents,
  ensureProdEvent,
  lastEvent,
  lastMapped,
  readEventMap,
  takeEvents,
} from '../../src/staging/events.ts'
import { createRows } from '../../src/staging/versioned.ts'
import { kojiVersions } from '../support/koji-schema.ts'
import { FLOOR, makeWorld, run, type World } from './world.ts'

describe.each(kojiVersions)('events of Koji %s', (koji) => {
  let world: World
  beforeAll(async () => {
    world = await makeWorld(koji)
    await run(world.database, `insert into tag (id, name) values (1, 'a'), (2, 'b')`)
  })
  afterAll(() => world.close())

  it('are fresh, ascending, one for each distinct event of prod', async () => {
    const { database } = world
    const map = await database.transaction('t', (tx) => allocateEvents(tx, [30, 10, 20, 10]))
    expect([...map.keys()]).toEqual([10, 20, 30])
    const staging = [...map.values()]
    expect(staging).toEqual([...staging].sort((a, b) => a - b))
    expect(new Set(staging).size).toBe(3)
    expect(staging[0]).toBeGreaterThan(FLOOR)
    expect(await lastEvent(database)).toBe(staging[2])
    const [hub] = await run<{ id: number }>(database, 'select get_event() as id')
    expect(hub?.id).toBe((staging[2] as number) + 1)
    // Of the database's now, as the hub's own.
    const [times] = await run<{ same: boolean }>(
      database,
      `select max(time) - min(time) < interval '10 minutes' as same from events where id = any($1::bigint[])`,
      [[...staging, hub?.id]],
    )
    expect(times).toEqual({ same: true })
  })

  it('keep prod’s id and time for a build only where that id is free and below the floor', async () => {
    const { database } = world
    const ensure = (id: number, time: string): Promise<number> =>
      database.transaction('t', (tx) => ensureProdEvent(tx, id, time))
    const time = '2020-02-29 23:59:59.000001'
    expect(await ensure(4_000, time)).toBe(4_000)
    expect(await ensure(4_000, time)).toBe(4_000)
    expect(await ensure(4_000, '2020-02-29 23:59:59.000002')).toBeGreaterThan(FLOOR)
    expect(await ensure(FLOOR + 50_000, time)).not.toBe(FLOOR + 50_000)
    const [row] = await run<{ time: string }>(
      database,
      `select to_char(time, 'YYYY-MM-DD HH24:MI:SS.US') as time from events where id = 4000`,
    )
    expect(row?.time).toBe(time)
  })

  it('are taken within a transaction only, also when what begins it failed', async () => {
    const { database } = world
    const before = await lastEvent(database)
    const alone = { query: database.query.bind(database) } as Tx
    const checkpoint = { key: 'tag/2', prodEvent: 7, whole: true }
    const taken = takeEvents(alone, { count: 1, checkpoint, tagIds: [2] })
    await expect(taken).rejects.toMatchObject({ code: 'ROW_CHANGED' })
    expect(await lastEvent(database)).toBe(before)
    expect(await lastMapped(database, 'tag/2')).toBeNull()
    expect(await countDebts(database)).toBe(0)
    // Those that name them by place fail as well: nobody has taken any.
    const rows = [{ cells: { tag_id: 2, key: 'k', value: 'v' }, event: 1 }]
    const created = createRows(alone, world.catalog, 'tag_extra', rows, { creatorId: 1, by: 'place' })
    await expect(created).rejects.toThrow(/array|parameter/)
  })

  it('are remembered per key, and the newest of prod is found', async () => {
    const { database } = world
    expect(await lastMapped(database, 'tag/1')).toBeNull()
    for (const prodEvent of [100, 300, 200]) {
      await database.transaction('t', (tx) =>
        takeEvents(tx, {
          count: 2,
          checkpoint: { key: 'tag/1', prodEvent, whole: prodEvent !== 200 },
          tagIds: [],
        }),
      )
    }
    expect(await lastMapped(database, 'tag/1')).toBe(300)
    expect(await lastMapped(database, 'tag/11')).toBeNull()
    // Of two events the last one, and none that left something out.
    const pairs = await readEventMap(database, 'tag/1')
    expect(pairs.map(({ prodEvent }) => prodEvent)).toEqual([300, 100])
    const newest = await lastEvent(database)
    expect(pairs.map(({ stagingEvent }) => newest - stagingEvent)).toEqual([2, 4])
    expect(await countDebts(database)).toBe(0)
  })

  const announced = (): Promise<{ tag_id: number; event: number }[]> =>
    run(world.database, 'select tag_id, update_event as event from tag_updates order by id')

  it('owe nothing when nobody took an event while we were at it', async () => {
    const { database, catalog, userId } = world
    await database.transaction('t', async (tx) => {
      const events = await allocate(tx, 2)
      await owe(tx, { tagIds: [1], events })
    })
    expect(await countDebts(database)).toBe(1)
    expect(await payDebts(database, catalog, userId)).toEqual([])
    expect(await countDebts(database)).toBe(0)
    expect(await announced()).toEqual([])
  })

  it('owe by themselves what is taken ahead of the writes', async () => {
    const { database, catalog, userId } = world
    const hub = await world.hub()
    await database.transaction('t', (tx) => takeEvents(tx, { count: 1, checkpoint: null, tagIds: [2, 1, 2] }))
    const [debt] = await run(database, 'select last_event, tag_ids, interleaved from staging_sync.debt')
    expect(debt).toEqual({ last_event: await lastEvent(database), tag_ids: [1, 2], interleaved: false })
    await hub.query('select get_event()')
    expect(await payDebts(database, catalog, userId)).toEqual([1, 2])
    await run(database, 'delete from tag_updates')
  })

  it('announce each tag once with a new event when the hub took one meanwhile, also after a crash', async () => {
    const { database, catalog, userId } = world
    const hub = await world.hub()
    const apply = (tagIds: number[]): Promise<void> =>
      database.transaction('t', async (tx) => {
        const events = await allocate(tx, 1)
        await hub.query('select get_event()')
        await owe(tx, { tagIds, events })
      })
    // Two transactions, and a crash before either is paid: the next start pays both.
    await apply([1, 2])
    await apply([2, 999])
    const last = await lastEvent(database)
    expect(await payDebts(database, catalog, userId)).toEqual([1, 2])
    const rows = await announced()
    expect(rows.map(({ tag_id }) => tag_id)).toEqual([1, 2])
    for (const { event } of rows) expect(event).toBe(last + 1)
    expect(await payDebts(database, catalog, userId)).toEqual([])
    expect((await announced()).length).toBe(2)
  })

  it('announce also when the hub took one between ours, though none after our last', async () => {
    const { database, catalog, userId } = world
    const hub = await world.hub()
    await run(database, 'delete from tag_updates')
    await database.transaction('t', async (tx) => {
      const first = await allocate(tx, 1)
      await hub.query('select get_event()')
      const events = [...first, ...(await allocate(tx, 1))]
      await owe(tx, { tagIds: [1], events })
    })
    expect(await payDebts(database, catalog, userId)).toEqual([1])
  })

  it('owe nothing when the transaction is rolled back', async () => {
    const { database } = world
    await expect(
      database.transaction('t', async (tx) => {
        const events = await allocate(tx, 1)
        await owe(tx, { tagIds: [1], events })
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(await countDebts(database)).toBe(0)
  })

  it('announce tags for changes of unversioned rows, and none take no event', async () => {
    const { database, userId } = world
    const before = await lastEvent(database)
    await database.transaction('t', (tx) => announceTags(tx, [], userId))
    expect(await lastEvent(database)).toBe(before)
    expect(await database.transaction('t', (tx) => announceTags(tx, [2, 1, 2], userId))).toEqual([1, 2])
  })
})
