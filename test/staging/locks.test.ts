import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AgainError } from '../../src/errors.ts'
import { allocate } from '../../src/staging/events.ts'
import { lockRows } from '../../src/staging/lock-rows.ts'
import {
  createRows,
  lockActive,
  readActive,
  revokeRows,
  type VersionedRow,
} from '../../src/staging/versioned.ts'
import { addTagAndBuilds, makeWorld, run, type World } from './world.ts'

/** The hub as a second connection: whatever we do, it is never the one that is rolled back, and it never waits for us. */
describe('beside a transaction of the hub', () => {
  let world: World
  let builds: number[]
  let rows: VersionedRow[]
  beforeAll(async () => {
    world = await makeWorld()
    builds = await addTagAndBuilds(world, { tagId: 1, packageId: 7, count: 2 })
    const { database, catalog, userId } = world
    await database.transaction('seed', async (tx) => {
      const events = await allocate(tx, 2)
      const taggings = builds.map((build_id, i) => ({
        cells: { tag_id: 1, build_id },
        event: events[i] as number,
      }))
      await createRows(tx, catalog, 'tag_listing', taggings, { creatorId: userId })
    })
    rows = await readActive(database, catalog, 'tag_listing', { tag_id: 1 })
  })
  afterAll(() => world.close())

  const revoke =
    'update tag_listing set active = null, revoke_event = get_event(), revoker_id = creator_id where build_id = $1 and active'

  it('that holds the last row and then wants the first, we give way before its deadlock check', async () => {
    const { database, catalog } = world
    const hub = await world.hub()
    const [first, last] = builds
    await hub.query('begin')
    await hub.query(revoke, [last])
    let hubWaits: Promise<unknown> = Promise.resolve()
    const ours = database.transaction('t', async (tx) => {
      // As if we had locked one by one, in our order: this is what NOWAIT is there for.
      await lockActive(tx, catalog, 'tag_listing', rows.slice(0, 1))
      hubWaits = hub.query(revoke, [first])
      await lockActive(tx, catalog, 'tag_listing', rows)
    })
    await expect(ours).rejects.toBeInstanceOf(AgainError)
    await hubWaits
    await hub.query('rollback')
    await database.transaction('t', (tx) => lockActive(tx, catalog, 'tag_listing', rows))
  })

  it('that inserts what we insert and then wants a row of ours, we give way within lock_timeout', async () => {
    const { database, catalog, userId } = world
    const hub = await world.hub()
    await run(database, `insert into tag (id, name) values (2, 'two')`)
    const [first] = builds
    await hub.query('begin')
    await hub.query('insert into tag_listing (tag_id, build_id, creator_id) values (2, $1, $2)', [
      first,
      userId,
    ])
    let hubWaits: Promise<unknown> = Promise.resolve()
    const ours = database.transaction('t', async (tx) => {
      await lockActive(tx, catalog, 'tag_listing', rows)
      hubWaits = hub.query(revoke, [first])
      const [event] = await allocate(tx, 1)
      const cells = { tag_id: 2, build_id: first as number }
      await createRows(tx, catalog, 'tag_listing', [{ cells, event: event as number }], { creatorId: userId })
    })
    await expect(ours).rejects.toMatchObject({ code: 'DATABASE_RACE', detail: { sqlstate: '55P03' } })
    await hubWaits
    await hub.query('rollback')
  })

  it('that has waited for us for half its deadlock_timeout, we hardly wait for any more', async () => {
    const { database, catalog, userId } = world
    const hub = await world.hub()
    await run(database, `insert into tag (id, name) values (4, 'four')`)
    const [first] = builds
    await hub.query('begin')
    await hub.query('insert into tag_listing (tag_id, build_id, creator_id) values (4, $1, $2)', [
      first,
      userId,
    ])
    let hubWaits: Promise<unknown> = Promise.resolve()
    const ours = database.transaction('t', async (tx) => {
      await lockActive(tx, catalog, 'tag_listing', rows)
      hubWaits = hub.query(revoke, [first])
      hubWaits.catch(() => {})
      // Past our patience, well before the hub's deadlock_timeout.
      await run(tx, 'select pg_sleep(0.55)')
      const [event] = await allocate(tx, 1)
      expect(await run(tx, 'show lock_timeout')).toEqual([{ lock_timeout: '10ms' }])
      const cells = { tag_id: 4, build_id: first as number }
      await createRows(tx, catalog, 'tag_listing', [{ cells, event: event as number }], { creatorId: userId })
    })
    await expect(ours).rejects.toMatchObject({ code: 'DATABASE_RACE', detail: { sqlstate: '55P03' } })
    await hubWaits
    await hub.query('rollback')
  })

  it('that stays open with a lock on our row, we do not wait for it at all', async () => {
    const { database, catalog } = world
    const hub = await world.hub()
    await hub.query('begin')
    await hub.query('select 1 from tag_listing where build_id = $1 for update', [builds[1]])
    await expect(
      database.transaction('t', (tx) => lockActive(tx, catalog, 'tag_listing', rows), { lockTimeoutMs: 0 }),
    ).rejects.toMatchObject({ detail: { sqlstate: '55P03' } })
    await hub.query('rollback')
  })

  it('that tags a build whose row we change, it does not wait for us', async () => {
    const { database, catalog, userId } = world
    const hub = await world.hub()
    await hub.query(`set lock_timeout = '1ms'`)
    await run(database, `insert into tag (id, name) values (3, 'three')`)
    await database.transaction('t', async (tx) => {
      await lockRows(
        tx,
        catalog,
        'build',
        ['id'],
        builds.map((id) => ({ id })),
      )
      await hub.query('insert into tag_listing (tag_id, build_id, creator_id) values (3, $1, $2)', [
        builds[0],
        userId,
      ])
    })
  })

  it('that has revoked a row since we read it, we notice before we write', async () => {
    const { database, catalog, userId } = world
    const hub = await world.hub()
    await hub.query(revoke, [builds[0]])
    const late = database.transaction('t', async (tx) => {
      await lockActive(tx, catalog, 'tag_listing', rows)
      await revokeRows(
        tx,
        catalog,
        'tag_listing',
        rows.map((row) => ({ row, event: 1 })),
        { revokerId: userId },
      )
    })
    await expect(late).rejects.toMatchObject({ code: 'ROW_CHANGED' })
  })

  it('that removed a row which we want to lock, we notice', async () => {
    const { database, catalog } = world
    await expect(
      database.transaction('t', (tx) => lockRows(tx, catalog, 'build', ['id'], [{ id: 999 }], 'update')),
    ).rejects.toMatchObject({ code: 'ROW_GONE' })
  })
})
