import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KeyError } from '../../src/errors.ts'
import { deleteRows, insertRows, type Row, selectRows, updateRows } from '../../src/staging/rows.ts'
import { kojiVersions } from '../support/koji-schema.ts'
import { makeWorld, run, type World } from './world.ts'

const BUILD = {
  id: 101,
  volume_id: 0,
  pkg_id: 7,
  version: '1.0~rc1',
  release: '1.fc43',
  epoch: null,
  source: 'git+https://example.org/?ä\u{1F600}"\\\n#1',
  create_event: 5,
  start_time: '2026-11-22 08:33:33.795323',
  completion_time: '2026-11-22 08:40:00.000000',
  state: 1,
  task_id: null,
  cg_id: null,
  extra: '{"a": 1.0}',
} satisfies Row

describe.each(kojiVersions)('rows on Koji %s', (koji) => {
  let world: World
  beforeAll(async () => {
    world = await makeWorld(koji)
    await run(world.database, `insert into package (id, name) values (7, 'bash')`)
    await run(world.database, 'insert into events (id) values (5)')
  })
  afterAll(() => world.close())

  const build = (cells: Row = {}): Row => ({ ...BUILD, owner: world.userId, ...cells })

  it('come back as they were written: times to the microsecond, 64 bits, quotes, nulls', async () => {
    const { database, catalog } = world
    const columns = Object.keys(BUILD)
    await database.transaction('t', (tx) =>
      insertRows(tx, catalog, 'build', [build({ draft: false, promoter: null })]),
    )
    expect(await selectRows(database, catalog, 'build', columns, { id: [101, 102] })).toEqual([BUILD])
    expect(await selectRows(database, catalog, 'build', ['draft'], { id: 101 })).toEqual([{ draft: false }])
    // What the hub itself would show, in its own time zone.
    const [hub] = await run<{ epoch: number }>(
      database,
      'select extract(epoch from completion_time)::double precision as epoch from build where id = 101',
    )
    expect(hub?.epoch).toBe(Date.parse('2026-11-22T08:40:00Z') / 1000)

    const rpms = [2 ** 40, 2n ** 62n].map((size, i) => ({
      id: 201 + i,
      build_id: 101,
      draft: false,
      name: 'bash',
      version: '1',
      release: '1',
      arch: `a${i}`,
      external_repo_id: 0,
      payloadhash: 'ab',
      size,
      buildtime: 1,
    }))
    await database.transaction('t', (tx) => insertRows(tx, catalog, 'rpminfo', rpms))
    expect(
      await selectRows(database, catalog, 'rpminfo', ['id', 'size', 'metadata_only'], { build_id: 101 }),
    ).toEqual([
      { id: 201, size: 2 ** 40, metadata_only: false },
      { id: 202, size: 2n ** 62n, metadata_only: false },
    ])
  })

  it('are updated only where they differ, and deleted by key', async () => {
    const { database, catalog } = world
    const before = await run(database, 'select xmin::text from rpminfo order by id')
    const changed = await database.transaction('t', async (tx) => {
      const count = await updateRows(
        tx,
        catalog,
        'rpminfo',
        ['id'],
        [
          { id: 201, payloadhash: 'ab', epoch: null },
          { id: 202, payloadhash: 'cd', epoch: 3 },
        ],
      )
      expect(tx.changed).toBe(1)
      return count
    })
    expect(changed).toBe(1)
    const after = await run(database, 'select xmin::text from rpminfo order by id')
    expect(after[0]).toEqual(before[0])
    expect(after[1]).not.toEqual(before[1])
    const gone = await database.transaction('t', (tx) =>
      deleteRows(tx, catalog, 'rpminfo', ['id'], [{ id: 202 }, { id: 999 }]),
    )
    expect(gone).toBe(1)
    expect(await selectRows(database, catalog, 'rpminfo', ['id'], { build_id: 101 })).toEqual([{ id: 201 }])
  })

  it('that the schema has no column for are refused by name, unless the value says "not there"', async () => {
    const { database, catalog } = world
    const insert = (table: string, row: Row): Promise<unknown> =>
      database.transaction('t', async (tx) => {
        await insertRows(tx, catalog, table, [row])
        throw new Error('held')
      })
    const draft = build({ id: 300, release: '1,draft_300', draft: true })
    const blocked = { tag_id: 1, key: 'x', value: null, creator_id: world.userId, create_event: 5 }
    const checksum = { rpm_id: 201, sigkey: '', checksum: 'x', checksum_type: 2 }
    const old = kojiVersions.indexOf(koji)
    const expectHeld = (cannot: string | null): unknown =>
      cannot === null ? expect.not.objectContaining({ code: 'SCHEMA_CANNOT_HOLD' }) : objectNaming(cannot)
    await expect(insert('build', draft)).rejects.toEqual(
      expectHeld(old < kojiVersions.indexOf('1.35.0') ? 'build.draft' : null),
    )
    await expect(insert('tag_extra', blocked)).rejects.toEqual(
      expectHeld(koji === '1.21.0' ? 'tag_extra.value' : null),
    )
    await expect(insert('rpm_checksum', checksum)).rejects.toEqual(
      expectHeld(old < kojiVersions.indexOf('1.33.0') ? 'rpm_checksum.checksum' : null),
    )
  })
})

function objectNaming(column: string): unknown {
  return expect.objectContaining({ code: 'SCHEMA_CANNOT_HOLD', detail: { column } })
}

describe('bad cells', () => {
  let world: World
  beforeAll(async () => {
    world = await makeWorld()
  })
  afterAll(() => world.close())

  it.each<[string, Row, string, string]>([
    ['a NUL character', { name: 'a\0b' }, 'package.name', 'CELL_INVALID'],
    ['half a surrogate pair', { name: 'a\uD800b' }, 'package.name', 'CELL_INVALID'],
    ['a number for text', { name: 5 }, 'package.name', 'CELL_INVALID'],
    ['text for a number', { id: '5', name: 'x' }, 'package.id', 'CELL_INVALID'],
    ['a fraction', { id: 1.5, name: 'x' }, 'package.id', 'CELL_INVALID'],
    ['a number that was rounded', { id: 2 ** 53, name: 'x' }, 'package.id', 'CELL_INVALID'],
    ['a number beyond the column', { id: 2 ** 31, name: 'x' }, 'package.id', 'SCHEMA_CANNOT_HOLD'],
    ['null where a value must be', { name: null }, 'package.name', 'SCHEMA_CANNOT_HOLD'],
    ['a column that no Koji has', { name: 'x', colour: 'red' }, 'package.colour', 'SCHEMA_CANNOT_HOLD'],
  ])('%s: an error of the key that names the column', async (_what, row, column, code) => {
    const inserting = world.database.transaction('t', (tx) => insertRows(tx, world.catalog, 'package', [row]))
    await expect(inserting).rejects.toBeInstanceOf(KeyError)
    await expect(inserting).rejects.toMatchObject({ code, detail: { column } })
  })

  it.each<[string, string, Row]>([
    ['a name longer than the column', 'groups', { name: 'x'.repeat(51) }],
    ['a time with an offset', 'events', { time: '2026-11-22 08:33:33+02:00' }],
    ['text for a boolean', 'rpminfo', { metadata_only: 'false' }],
  ])('%s is refused', async (_what, table, row) => {
    await expect(
      world.database.transaction('t', (tx) => insertRows(tx, world.catalog, table, [row])),
    ).rejects.toBeInstanceOf(KeyError)
  })

  it('counts characters, not UTF-16 units, against the column', async () => {
    const name = '\u{1F600}'.repeat(50)
    await world.database.transaction('t', (tx) => insertRows(tx, world.catalog, 'groups', [{ name }]))
    expect(await selectRows(world.database, world.catalog, 'groups', ['name'], { name })).toEqual([{ name }])
  })

  it('refuses to select a column that no Koji has, and finds nothing for an empty list', async () => {
    const { database, catalog } = world
    await expect(selectRows(database, catalog, 'package', ['nmae'], {})).rejects.toMatchObject({
      code: 'SCHEMA_UNKNOWN_COLUMN',
    })
    expect(await selectRows(database, catalog, 'package', ['id'], { id: [] })).toEqual([])
  })

  it('writes nothing when one row of many is bad', async () => {
    const { database, catalog } = world
    await expect(
      database.transaction('t', (tx) =>
        insertRows(tx, catalog, 'package', [{ name: 'good' }, { name: 'b\0d' }]),
      ),
    ).rejects.toThrow('package.name')
    expect(await selectRows(database, catalog, 'package', ['id'], { name: 'good' })).toEqual([])
  })
})
