import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { convergeMigrations } from '../../src/converge/migrations.ts'
import { exitCodeOf } from '../../src/errors.ts'
import { countClashes, listClashes, recordClashes, resolveClashes } from '../../src/staging/clashes.ts'
import { advanceCursor, getCursor, setCursor } from '../../src/staging/cursor.ts'
import { beatDaemon, joinDaemons, leaveDaemons, listDaemons } from '../../src/staging/daemons.ts'
import { pruneHandled, recordHandled } from '../../src/staging/handled.ts'
import { chooseIds } from '../../src/staging/ids.ts'
import { migrate } from '../../src/staging/migration.ts'
import { countOwned, findByStagingId, findOwned, recordOwned } from '../../src/staging/owned.ts'
import { refreshOwnedCounts } from '../../src/staging/owned-counts.ts'
import {
  confirmPlacement,
  intendPlacement,
  listPlacements,
  markRemoving,
  takeAway,
} from '../../src/staging/placements.ts'
import { REMOVALS_FLOOR, spendRemovals } from '../../src/staging/removal-budget.ts'
import { endGrant, grantRemovals, keepGrant } from '../../src/staging/removal-grants.ts'
import { pinSetting } from '../../src/staging/settings.ts'
import { FLOOR, makeWorld, run, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await makeWorld()
})
afterAll(() => world.close())

describe('the ownership record', () => {
  it('is found from both sides, changed, counted and forgotten', async () => {
    const { database } = world
    const record = (rows: Parameters<typeof recordOwned>[2]): Promise<number> =>
      database.transaction('t', async (tx) => {
        await recordOwned(tx, 'rpm', rows)
        return tx.changed
      })
    await record([
      { prodId: 3, stagingId: 30, digest: 'a' },
      { prodId: 1, stagingId: 10 },
    ])
    expect(await record([{ prodId: 1, stagingId: 10 }])).toBe(0)
    await record([{ prodId: 1, stagingId: 11, digest: 'b' }])
    expect((await findOwned(database, 'rpm', [1, 2])).get(1)).toMatchObject({ stagingId: 11, digest: 'b' })
    expect((await findByStagingId(database, 'rpm', [30, 10])).get(30)).toMatchObject({
      prodId: 3,
      digest: 'a',
    })
    expect(await findOwned(database, 'build', [1])).toEqual(new Map())
    expect((await countOwned(database)).get('rpm')).toBe(2)
    await expect(record([{ prodId: 4, stagingId: 30 }])).rejects.toMatchObject({ code: 'OWNED_TWICE' })
  })
})

describe('ids', () => {
  const choose = (prodIds: number[]): Promise<Map<number, number>> =>
    world.database.transaction('t', (tx) => chooseIds(tx, world.catalog, 'tag', prodIds))

  it('are prod’s where those are free and below the floor, else from the sequence', async () => {
    await run(world.database, `insert into tag (id, name) values (5, 'local')`)
    const ids = await choose([4, 5, FLOOR + 7, 4, 0, -3])
    expect(ids.get(4)).toBe(4)
    expect(ids.get(FLOOR + 7)).not.toBe(FLOOR + 7)
    for (const prodId of [5, FLOOR + 7, 0, -3]) expect(ids.get(prodId)).toBeGreaterThan(FLOOR)
    expect(new Set(ids.values()).size).toBe(5)
  })

  it('of prod’s range from a sequence that somebody reset stop all writing', async () => {
    await run(world.database, `select setval('tag_id_seq', 5)`)
    const refused = choose([5])
    await expect(refused).rejects.toMatchObject({ code: 'ID_BELOW_FLOOR' })
    await refused.catch((error: unknown) => expect(exitCodeOf(error)).toBe(14))
    await run(world.database, `select setval('tag_id_seq', $1)`, [FLOOR + 1000])
  })
})

describe('clashes', () => {
  const clash = {
    subject: 'tag_extra k',
    kind: 'edited',
    prod: { value: 2n ** 60n },
    local: { value: 'a\0' },
  } as const

  it('are counted while they last, resolved when they are gone, and stay readable', async () => {
    const { database } = world
    await recordClashes(database, 'tag/1', [
      { ...clash, decision: 'held' },
      { ...clash, decision: 'held' },
    ])
    await recordClashes(database, 'tag/1', [{ ...clash, decision: 'held' }])
    expect(await listClashes(database, { state: 'held' })).toMatchObject([
      { key: 'tag/1', count: 2, prod: { value: '1152921504606846976' }, local: { value: 'a\uFFFD' } },
    ])
    expect(await resolveClashes(database, 'tag/2', [])).toBe(0)
    expect(await resolveClashes(database, 'tag/1', [clash.subject])).toBe(0)
    expect(await resolveClashes(database, 'tag/1', [])).toBe(1)
    expect(await countClashes(database)).toEqual(new Map())
    expect(await listClashes(database, { key: 'tag/1' })).toMatchObject([
      { state: 'resolved', decision: 'held' },
    ])
    await recordClashes(database, 'tag/1', [{ ...clash, decision: 'prod-won' }])
    expect(await countClashes(database)).toEqual(new Map([['prod-won', 1]]))
    expect((await listClashes(database, {})).length).toBe(2)
  })

  it('of an equal key write nothing', async () => {
    await world.database.transaction('t', async (tx) => {
      await resolveClashes(tx, 'tag/99', [])
      expect(tx.changed).toBe(0)
    })
  })
})

describe('the budget of inferred removals', () => {
  const spend = (count: number, total?: number): Promise<number> =>
    world.database
      .transaction('t', (tx) => spendRemovals(tx, 'tag_listing', count, total))
      .then(({ allowed }) => allowed)

  it('is shared by all, allows a part, is not spent by a rollback, and comes back after an hour', async () => {
    const { database } = world
    const failing = database.transaction('t', async (tx) => {
      await spendRemovals(tx, 'tag_listing', 900)
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    const results = await Promise.all([spend(400), spend(400), spend(400)])
    expect(results.sort()).toEqual([200, 400, 400])
    expect(await spend(1)).toBe(0)
    // 5 % of what is ours is more
    expect(await spend(600, 30_000)).toBe(500)
    await run(database, `update staging_sync.removal set removed_at = removed_at - interval '61 minutes'`)
    expect(await spend(1_500)).toBe(REMOVALS_FLOOR)
    expect(await database.transaction('t', (tx) => spendRemovals(tx, 'build', 5))).toEqual({ allowed: 5 })
  })
})

describe('the share of what is ours', () => {
  it('is of rows that are ours, not of the table, as they were counted last', async () => {
    const { database } = world
    await migrate(database, convergeMigrations)
    await run(
      database,
      `insert into tag (id, name) select 9000000 + g, 'share-' || g from generate_series(0, 1) g`,
    )
    await run(database, `insert into users (name, status, usertype) values ('local', 0, 0)`)
    // 30,000 of staging's own beside 24,000 of ours: 5 % of ours is 1,200.
    await run(
      database,
      `insert into tag_extra (tag_id, key, value, create_event, creator_id)
       select 9000000, 'k' || g, '1', (select get_event()), case when g <= 24000 then $1::int else (select id from users where name = 'local') end
         from generate_series(1, 54000) g`,
      [world.userId],
    )
    const spend = (count: number) =>
      database.transaction('t', (tx) => spendRemovals(tx, 'tag_extra', count)).then(({ allowed }) => allowed)
    expect(await spend(1_100)).toBe(1_000)
    await refreshOwnedCounts(database, { userId: world.userId, seedEvent: null })
    expect(await spend(1_100)).toBe(200)
    await run(database, 'delete from tag_extra where tag_id = 9000000')
    await refreshOwnedCounts(database, { userId: world.userId, seedEvent: null })
    expect(
      await run(database, `select count from staging_sync.owned_count where kind = 'tag_extra'`),
    ).toEqual([{ count: 24_000 }])
    await refreshOwnedCounts(database, { userId: world.userId, seedEvent: null }, 0)
    expect(
      await run(database, `select count from staging_sync.owned_count where kind = 'tag_extra'`),
    ).toEqual([{ count: 0 }])
  })
})

describe('what a person allowed beyond the budget', () => {
  it('is spent after the budget, once, by whoever works, until the reconcile ends or was cut off', async () => {
    const { database } = world
    const spend = (count: number) =>
      database
        .transaction('t', (tx) => spendRemovals(tx, 'group_config', count))
        .then(({ allowed }) => allowed)
    const by = { user: 'ann', host: 'here', pid: 1 }
    for (const rows of [0, -1, 1.5, Number.NaN]) {
      await expect(grantRemovals(database, 'r1', rows, by)).rejects.toMatchObject({
        code: 'REMOVALS_INVALID',
      })
    }
    await grantRemovals(database, 'r1', 300, by)
    expect(await spend(1_100)).toBe(1_100)
    const failing = database.transaction('t', async (tx) => {
      await spendRemovals(tx, 'group_config', 100)
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await Promise.all([spend(150), spend(150)].map((one) => one.catch(() => 0)))).toContain(150)
    expect(await endGrant(database, 'r1')).toBeGreaterThanOrEqual(250)
    expect(await spend(1)).toBe(0)
    await grantRemovals(database, 'r2', 5, by)
    await run(
      database,
      `update staging_sync.removal_grant set seen = now() - interval '2 minutes' where holder = 'r2'`,
    )
    expect(await spend(1)).toBe(0)
    await keepGrant(database, 'r2')
    expect(await spend(9)).toBe(5)
    expect(
      await run(
        database,
        'select holder, rows, used, granted_by, host from staging_sync.removal_grant order by id desc limit 1',
      ),
    ).toEqual([{ holder: 'r2', rows: 5, used: 5, granted_by: 'ann', host: 'here' }])
  })
})

describe('the gate of the budget', () => {
  it('lets no two daemons spend the same budget at the same time', async () => {
    const { database } = world
    const spend = (count: number): Promise<{ allowed: number }> =>
      database.transaction('t', (tx) => spendRemovals(tx, 'tag_packages', count))
    await spend(1)
    await database.transaction('t', async (tx) => {
      expect(await spendRemovals(tx, 'tag_packages', 900)).toEqual({ allowed: 900 })
      await expect(spend(900)).rejects.toMatchObject({ code: 'DATABASE_RACE' })
    })
    expect(await spend(900)).toEqual({ allowed: 99 })
  })
})

describe('cursors and handled rows', () => {
  it('move with the transaction that they belong to', async () => {
    const { database } = world
    expect(await getCursor(database, 'history')).toBeNull()
    const cursor = { event: 2 ** 40, time: '2026-11-22 08:33:33.795323' }
    await database.transaction('t', (tx) => setCursor(tx, 'history', cursor))
    await database
      .transaction('t', async (tx) => {
        await setCursor(tx, 'history', { event: 1, time: null })
        throw new Error('no')
      })
      .catch(() => {})
    expect(await getCursor(database, 'history')).toEqual(cursor)
  })

  it('go forwards only where two read the same source', async () => {
    const { database } = world
    const advance = (event: number, minute: number) =>
      database.transaction('t', (tx) =>
        advanceCursor(tx, 'two', { event, time: `2026-11-22 08:${minute}:00.000000` }),
      )
    await advance(7, 20)
    await advance(5, 30)
    expect(await getCursor(database, 'two')).toMatchObject({ event: 7 })
    await advance(8, 10)
    expect(await getCursor(database, 'two')).toMatchObject({ event: 8 })
  })

  it('tell which rows of prod’s history are new, a revoke of a known row among them', async () => {
    const { database } = world
    const row = { table: 'tag_listing', key: '1/2', createEvent: 10, revokeEvent: null, more: 'kept' }
    const record = (...rows: (typeof row | (Omit<typeof row, 'revokeEvent'> & { revokeEvent: number }))[]) =>
      database.transaction('t', (tx) => recordHandled(tx, rows))
    expect(await record(row, row)).toEqual([row])
    const revoked = { ...row, revokeEvent: 20 }
    expect(await record(row, revoked)).toEqual([revoked])
    expect(await pruneHandled(database, 20)).toBe(1)
    expect(await record(row, revoked)).toEqual([row])
  })
})

describe('placements', () => {
  const place = { prodBuildId: 101, stagingVolume: 'prod', name: 'bash', version: '5', release: '1' }

  it('are there before the files and after them', async () => {
    const { database } = world
    await intendPlacement(database, { ...place, prodVolume: 'DEFAULT', mode: 'volume' })
    expect(await listPlacements(database, { states: ['intent', 'removing'] })).toMatchObject([
      { ...place, state: 'intent' },
    ])
    expect(await listPlacements(database, { states: ['intent'], minAgeSeconds: 60 })).toEqual([])
    expect(await confirmPlacement(database, place)).toBe(true)
    expect(await confirmPlacement(database, place)).toBe(true)
    await intendPlacement(database, { ...place, prodVolume: 'DEFAULT', mode: 'volume' })
    expect(await listPlacements(database, { prodBuildIds: [101] })).toMatchObject([{ state: 'placed' }])
    // A promotion: the new place beside the old one.
    await intendPlacement(database, { ...place, release: '2', prodVolume: 'DEFAULT', mode: 'volume' })
    expect(await markRemoving(database, place)).toBe(true)
    expect(
      (await listPlacements(database, { prodBuildIds: [101] })).map(({ state }) => state).sort(),
    ).toEqual(['intent', 'removing'])
    expect(await confirmPlacement(database, place)).toBe(false)
    const work: string[] = []
    const take = () => takeAway(database, place, async () => void work.push('taken'))
    expect(await take()).toBe(true)
    expect(await take()).toBe(false)
    expect(work).toEqual(['taken'])
    expect(await listPlacements(database, { prodBuildIds: [101] })).toHaveLength(1)
  })

  it('are taken away only while they are marked so, and who places there again waits for the removal', async () => {
    const { database } = world
    const there = { ...place, prodBuildId: 102, prodVolume: 'DEFAULT', mode: 'volume' }
    await intendPlacement(database, there)
    const work: string[] = []
    expect(await takeAway(database, there, async () => void work.push('taken'))).toBe(false)
    await markRemoving(database, there)
    let placing: Promise<unknown> | undefined
    await takeAway(database, there, async () => {
      placing = intendPlacement(database, there).then(() => work.push('placed'))
      await new Promise((resolve) => setTimeout(resolve, 100))
      work.push('taken')
    })
    await placing
    expect(work).toEqual(['taken', 'placed'])
    // A mark that was taken back before the lock: nothing is taken.
    await markRemoving(database, there)
    await intendPlacement(database, there)
    expect(await takeAway(database, there, async () => void work.push('again'))).toBe(false)
    expect(work).toHaveLength(2)
  })

  it('keep their mark when taking them away fails', async () => {
    const { database } = world
    const there = { ...place, prodBuildId: 103, prodVolume: 'DEFAULT', mode: 'volume' }
    await intendPlacement(database, there)
    await markRemoving(database, there)
    await expect(takeAway(database, there, () => Promise.reject(new Error('sick')))).rejects.toThrow('sick')
    expect(await listPlacements(database, { prodBuildIds: [103] })).toMatchObject([{ state: 'removing' }])
  })
})

describe('daemons', () => {
  const daemon = (id: string, digest: string) => ({ id, host: 'h', pid: 1, digest })

  it('with another scope or policy may not join, until the others are gone', async () => {
    const { database } = world
    await joinDaemons(database, daemon('a', 'x'))
    await joinDaemons(database, daemon('b', 'x'))
    const refused = joinDaemons(database, daemon('c', 'y'))
    await expect(refused).rejects.toMatchObject({ code: 'DAEMON_OTHER_POLICY', detail: { host: 'h' } })
    await refused.catch((error: unknown) => expect(exitCodeOf(error)).toBe(78))
    expect((await listDaemons(database)).map(({ id }) => id)).toEqual(['a', 'b'])
    await leaveDaemons(database, 'a')
    expect(await beatDaemon(database, 'a')).toBe(false)
    expect(await beatDaemon(database, 'b')).toBe(true)
    await run(database, `update staging_sync.daemon set seen = seen - interval '2 minutes'`)
    await joinDaemons(database, daemon('c', 'y'))
    expect((await listDaemons(database)).map(({ id }) => id)).toEqual(['c'])
  })

  it('of another prod are refused for good', async () => {
    const { database } = world
    const pin = (hub: string): Promise<void> =>
      database.transaction('t', (tx) => pinSetting(tx, 'prod.hub', hub))
    await pin('https://koji.example.org/kojihub')
    await pin('https://koji.example.org/kojihub')
    await expect(pin('https://other.example.org/kojihub')).rejects.toMatchObject({ code: 'SETTING_PINNED' })
  })
})
