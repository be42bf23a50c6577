import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AgainError } from '../../src/errors.ts'
import type { Cell } from '../../src/staging/cell.ts'
import { allocate, takeEvents } from '../../src/staging/events.ts'
import {
  createRows,
  lockActive,
  readActive,
  readLatestRevoked,
  revokeRows,
  type VersionedRow,
} from '../../src/staging/versioned.ts'
import { VERSIONED, type VersionedName } from '../../src/staging/versioned-tables.ts'
import { kojiVersions } from '../support/koji-schema.ts'
import { addTagAndBuilds, makeWorld, run, type World } from './world.ts'

/** Two rows of each table, with every column set; those that a schema lacks have the value that means "not there". */
const ROWS: Record<VersionedName, readonly [Row, Row]> = {
  tag_config: [
    {
      tag_id: 1,
      arches: 'x86_64 s390x',
      perm_id: 1,
      locked: true,
      maven_support: true,
      maven_include_all: false,
    },
    { tag_id: 2, arches: null, perm_id: null, locked: false, maven_support: false, maven_include_all: false },
  ],
  tag_extra: [
    { tag_id: 1, key: 'mock.package_manager', value: '"dnf"' },
    { tag_id: 1, key: '', value: '[1, "ä\\u0001"]' },
  ],
  tag_inheritance: [
    {
      tag_id: 1,
      parent_id: 2,
      priority: 0,
      maxdepth: null,
      intransitive: false,
      noconfig: true,
      pkg_filter: '^k',
    },
    {
      tag_id: 1,
      parent_id: 1,
      priority: -5,
      maxdepth: 2,
      intransitive: true,
      noconfig: false,
      pkg_filter: '',
    },
  ],
  tag_packages: [
    { tag_id: 1, package_id: 7, blocked: false, extra_arches: 'i686' },
    { tag_id: 2, package_id: 7, blocked: true, extra_arches: null },
  ],
  tag_package_owners: [
    { tag_id: 1, package_id: 7, owner: 0 },
    { tag_id: 2, package_id: 7, owner: 0 },
  ],
  tag_listing: [
    { tag_id: 1, build_id: 0 },
    { tag_id: 1, build_id: 1 },
  ],
  tag_external_repos: [
    { tag_id: 1, external_repo_id: 0, priority: 5, merge_mode: 'bare', arches: null },
    { tag_id: 2, external_repo_id: 0, priority: 5, merge_mode: 'koji', arches: null },
  ],
  group_config: [
    {
      tag_id: 1,
      group_id: 1,
      blocked: false,
      exported: true,
      display_name: 'build',
      is_default: null,
      uservisible: false,
      description: "it's",
      langonly: null,
      biarchonly: true,
    },
    {
      tag_id: 2,
      group_id: 1,
      blocked: true,
      exported: null,
      display_name: '',
      is_default: true,
      uservisible: null,
      description: null,
      langonly: 'de',
      biarchonly: null,
    },
  ],
  group_package_listing: [
    {
      tag_id: 1,
      group_id: 1,
      package: 'bash',
      blocked: false,
      type: 'mandatory',
      basearchonly: null,
      requires: 'x',
    },
    { tag_id: 1, group_id: 1, package: 'Bash', blocked: true, type: '', basearchonly: true, requires: null },
  ],
  group_req_listing: [
    { tag_id: 1, group_id: 1, req_id: 2, blocked: false, type: 'mandatory', is_metapkg: true },
    { tag_id: 1, group_id: 1, req_id: 1, blocked: true, type: null, is_metapkg: false },
  ],
  build_target_config: [
    { build_target_id: 1, build_tag: 1, dest_tag: 2 },
    { build_target_id: 2, build_tag: 2, dest_tag: 2 },
  ],
  external_repo_config: [
    { external_repo_id: 0, url: 'https://example.org/$arch/' },
    { external_repo_id: 1, url: 'x' },
  ],
}
type Row = Record<string, Cell>
const TABLES = Object.keys(VERSIONED) as VersionedName[]

describe.each(kojiVersions)('versioned tables of Koji %s', (koji) => {
  let world: World
  let builds: number[]
  beforeAll(async () => {
    world = await makeWorld(koji)
    builds = await addTagAndBuilds(world, { tagId: 1, packageId: 7, count: 2 })
    await run(
      world.database,
      `insert into tag (id, name) values (2, 'parent'); insert into groups (id, name) values (1, 'build'), (2, 'more');
       insert into build_target (id, name) values (1, 't1'), (2, 't2');
       insert into external_repo (id, name) values (1, 'epel')`,
    )
  })
  afterAll(() => world.close())

  const rowsOf = (table: VersionedName): Row[] =>
    ROWS[table].map((row) => ({
      ...row,
      ...(table === 'tag_listing' ? { build_id: builds[row.build_id as number] as number } : {}),
      ...(table === 'tag_package_owners' ? { owner: world.userId } : {}),
    }))

  it.each(TABLES)('%s: rows are created, read, locked, revoked and read as revoked', async (table) => {
    const { database, catalog, userId } = world
    const wanted = rowsOf(table)
    const held = wanted.map((row) =>
      Object.fromEntries(Object.entries(row).filter(([column]) => catalog.has(table, column))),
    )
    const events = await database.transaction('t', async (tx) => {
      const taken = await allocate(tx, 2)
      await createRows(
        tx,
        catalog,
        table,
        wanted.map((cells, i) => ({ cells, event: taken[i] as number })),
        { creatorId: userId },
      )
      return taken
    })
    const active = await readActive(database, catalog, table, {})
    const byEvent = [...active].sort((a, b) => a.createEvent - b.createEvent)
    expect(byEvent).toEqual(
      held.map((cells, i) => ({
        cells,
        createEvent: events[i],
        revokeEvent: null,
        creatorId: userId,
        revokerId: null,
      })),
    )

    const [first] = byEvent
    if (first === undefined) throw new Error('no row')
    await database.transaction('t', async (tx) => {
      await lockActive(tx, catalog, table, active)
      const [event] = await allocate(tx, 1)
      await revokeRows(tx, catalog, table, [{ row: first, event: event as number }], { revokerId: userId })
      // In one event, as a retag does.
      await createRows(tx, catalog, table, [{ cells: first.cells, event: event as number }], {
        creatorId: userId,
      })
    })
    const key = Object.fromEntries(VERSIONED[table].key.map((name) => [name, first.cells[name] ?? null]))
    const [revoked, ...others] = await readLatestRevoked(database, catalog, table, key)
    expect(others).toEqual([])
    expect(revoked).toMatchObject({ cells: first.cells, createEvent: first.createEvent, revokerId: userId })
    const [again] = await readActive(database, catalog, table, key)
    expect(again?.createEvent).toBe(revoked?.revokeEvent)

    // What was read before is not what is there now.
    await expect(
      database.transaction('t', (tx) => lockActive(tx, catalog, table, [first])),
    ).rejects.toMatchObject({ code: 'ROW_CHANGED' })
    await expect(
      database.transaction('t', (tx) =>
        revokeRows(tx, catalog, table, [{ row: first, event: 1 }], { revokerId: userId }),
      ),
    ).rejects.toBeInstanceOf(AgainError)
  })

  it('names events by their place before their ids are known', async () => {
    const { database, catalog, userId } = world
    const key = { tag_id: 2, key: 'placed' }
    await database.transaction('t', async (tx) => {
      const [event] = await allocate(tx, 1)
      const rows = [{ cells: { ...key, value: '1' }, event: event as number }]
      await createRows(tx, catalog, 'tag_extra', rows, { creatorId: userId })
    })
    const [first] = await readActive(database, catalog, 'tag_extra', key)
    if (first === undefined) throw new Error('no row')
    await database.transaction('t', async (tx) => {
      const changed = { cells: { ...key, value: '2' }, event: 2 }
      const other = { cells: { tag_id: 2, key: 'placed too', value: '3' }, event: 1 }
      await Promise.all([
        lockActive(tx, catalog, 'tag_extra', [first]),
        takeEvents(tx, { count: 2, checkpoint: null, tagIds: [] }),
        revokeRows(tx, catalog, 'tag_extra', [{ row: first, event: 1 }], { revokerId: userId, by: 'place' }),
        createRows(tx, catalog, 'tag_extra', [changed, other], { creatorId: userId, by: 'place' }),
      ])
    })
    const [revoked] = await readLatestRevoked(database, catalog, 'tag_extra', key)
    const event = revoked?.revokeEvent as number
    expect(event).toBeGreaterThan(first.createEvent)
    expect(await readActive(database, catalog, 'tag_extra', { tag_id: 2 })).toMatchObject([
      { cells: { key: 'placed', value: '2' }, createEvent: event + 1 },
      { cells: { key: 'placed too', value: '3' }, createEvent: event },
    ])
    await run(
      database,
      `update tag_extra set active = null, revoke_event = create_event, revoker_id = creator_id where tag_id = 2 and active`,
    )
  })

  it('tells of a thing that was revoked twice how it was the last time', async () => {
    const { database, catalog, userId } = world
    for (const value of ['first', 'last'])
      await run(
        database,
        `insert into tag_extra (tag_id, key, value, active, create_event, creator_id, revoke_event, revoker_id)
         values (2, 'twice', $1, null, get_event(), $2, get_event(), $2)`,
        [value, userId],
      )
    const key = { tag_id: 2, key: 'twice' }
    expect(await readLatestRevoked(database, catalog, 'tag_extra', key)).toMatchObject([
      { cells: { value: 'last' } },
    ])
  })

  it('refuses to lock a row whose cells are not as they were read', async () => {
    const { database, catalog, userId } = world
    const key = { tag_id: 2, key: 'read' }
    await database.transaction('t', async (tx) => {
      const [event] = await allocate(tx, 1)
      const rows = [{ cells: { ...key, value: '1' }, event: event as number }]
      await createRows(tx, catalog, 'tag_extra', rows, { creatorId: userId })
    })
    const [row] = await readActive(database, catalog, 'tag_extra', key)
    if (row === undefined) throw new Error('no row')
    const lock = (read: VersionedRow) =>
      database.transaction('t', (tx) => lockActive(tx, catalog, 'tag_extra', [read]))
    await lock(row)
    await expect(lock({ ...row, cells: { ...row.cells, value: 'x' } })).rejects.toMatchObject({
      code: 'ROW_CHANGED',
    })
    await expect(lock({ ...row, creatorId: row.creatorId + 1 })).rejects.toMatchObject({
      code: 'ROW_CHANGED',
    })
    await run(
      database,
      `update tag_extra set active = null, revoke_event = create_event, revoker_id = creator_id where tag_id = 2 and active`,
    )
  })

  it('tells of an active row in the way as a race, and creates with the creator that a row names', async () => {
    const { database, catalog, userId } = world
    await run(database, `insert into users (id, name, status, usertype) values (55, 'eva', 0, 0)`)
    const cells = { tag_id: 2, key: 'k', value: '1' }
    await database.transaction('t', async (tx) => {
      const [event] = await allocate(tx, 1)
      await createRows(tx, catalog, 'tag_extra', [{ cells, event: event as number, creatorId: 55 }], {
        creatorId: userId,
      })
    })
    expect(await readActive(database, catalog, 'tag_extra', { tag_id: 2 })).toMatchObject([{ creatorId: 55 }])
    await expect(
      database.transaction('t', async (tx) => {
        const [event] = await allocate(tx, 1)
        await createRows(tx, catalog, 'tag_extra', [{ cells, event: event as number }], { creatorId: userId })
      }),
    ).rejects.toMatchObject({ code: 'DATABASE_RACE' })
  })

  it('names the arches of an external repo that only newer schemas hold', async () => {
    const { database, catalog, userId } = world
    const cells = { tag_id: 2, external_repo_id: 1, priority: 9, merge_mode: 'koji', arches: 'x86_64' }
    const creating = database.transaction('t', async (tx) => {
      const [event] = await allocate(tx, 1)
      await createRows(tx, catalog, 'tag_external_repos', [{ cells, event: event as number }], {
        creatorId: userId,
      })
    })
    if (koji === '1.21.0') {
      await expect(creating).rejects.toMatchObject({
        code: 'SCHEMA_CANNOT_HOLD',
        detail: { column: 'tag_external_repos.arches' },
      })
    } else {
      await creating
    }
  })
})
