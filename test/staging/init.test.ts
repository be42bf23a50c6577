import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exitCodeOf } from '../../src/errors.ts'
import { Catalog } from '../../src/staging/catalog.ts'
import type { Database } from '../../src/staging/database.ts'
import { type InitOptions, type InitReport, initStaging } from '../../src/staging/init.ts'
import { lowSequences } from '../../src/staging/sequences.ts'
import { readSettings } from '../../src/staging/settings.ts'
import { stagingMigrations } from '../../src/staging/tables.ts'
import { kojiVersions } from '../support/koji-schema.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { FLOOR, openDatabase, run } from './world.ts'

let test: TestDatabase
let database: Database
let catalog: Catalog

async function open(koji: (typeof kojiVersions)[number]): Promise<void> {
  test = await testDatabase({ koji })
  database = await openDatabase(test.url)
  catalog = await Catalog.read(database)
}

afterEach(async () => {
  await database.destroy()
  await test.drop()
})

function init(options: Partial<InitOptions> = {}): Promise<InitReport> {
  return initStaging({
    database,
    catalog,
    migrations: stagingMigrations,
    userName: 'staging-sync',
    idFloor: FLOOR,
    prodMax: { build: 2_500_000, rpminfo: 50_000_000 },
    ...options,
  })
}

async function lastValues(): Promise<Map<string, number>> {
  const rows = await run<{ name: string; last: number | null }>(
    database,
    `select format('%I.%I', schemaname, sequencename) as name, last_value as last from pg_sequences where schemaname = 'public'`,
  )
  return new Map(rows.map(({ name, last }) => [name, last ?? 0]))
}

describe.each(kojiVersions)('init of a Koji %s', (koji) => {
  beforeEach(() => open(koji))

  it('makes a blocked user without password and moves every sequence above the floor, and twice does no harm', async () => {
    const report = await init()
    expect(report.user.action).toBe('made')
    expect(report.user.id).toBeGreaterThan(FLOOR)
    expect(report.sequences.map(({ name }) => name)).toEqual(
      catalog.sequences().map(({ sequence }) => sequence),
    )
    const [user] = await run(database, 'select status, usertype, password from users where name = $1', [
      'staging-sync',
    ])
    expect(user).toEqual({ status: 1, usertype: 0, password: null })
    expect(await lowSequences(database, catalog, FLOOR)).toEqual([])
    const before = await lastValues()

    const again = await init()
    expect(again).toMatchObject({
      migrations: [],
      user: { id: report.user.id, action: 'kept' },
      sequences: [],
    })
    expect(again.initEvent).toBe(report.initEvent)
    expect(await lastValues()).toEqual(before)
  })
})

describe('init', () => {
  beforeEach(() => open('1.35.0'))

  it('moves a sequence above what its table holds, and one that stands higher never down', async () => {
    await run(database, `insert into tag (id, name) values (1500000000, 'far')`)
    await run(database, `select setval('package_id_seq', 1600000000)`)
    await init()
    const now = await lastValues()
    expect(now.get('public.tag_id_seq')).toBe(1_500_000_000)
    expect(now.get('public.package_id_seq')).toBe(1_600_000_000)
    expect(now.get('public.build_id_seq')).toBe(FLOOR)
    const [next] = await run<{ id: number }>(database, `insert into tag (name) values ('next') returning id`)
    expect(next?.id).toBe(1_500_000_001)
  })

  it('refuses a sequence that has no room, by its name', async () => {
    await run(database, `select setval('tag_id_seq', 2147483647)`)
    const refused = init()
    await expect(refused).rejects.toMatchObject({ code: 'SEQUENCE_EXHAUSTED' })
    await expect(refused).rejects.toThrow('tag_id_seq would stand at 2147483647')
  })

  it('refuses a floor that prod has passed, naming the tables, before it writes anything', async () => {
    const before = await lastValues()
    const refused = init({ prodMax: { build: FLOOR, rpminfo: FLOOR + 5, tag: 9 } })
    await expect(refused).rejects.toMatchObject({ code: 'ID_FLOOR_TOO_LOW' })
    await expect(refused).rejects.toThrow(`build ${FLOOR}, rpminfo ${FLOOR + 5}:`.slice(0, -1))
    await refused.catch((error: unknown) => expect(exitCodeOf(error)).toBe(14))
    expect(await lastValues()).toEqual(before)
  })

  it('refuses a floor without room above it, a lower one than before, and one that is no number', async () => {
    await expect(init({ idFloor: 2_147_000_000 })).rejects.toMatchObject({ code: 'ID_FLOOR_TOO_HIGH' })
    await expect(init({ idFloor: Number.NaN })).rejects.toMatchObject({ code: 'ID_FLOOR_INVALID' })
    await init()
    await expect(init({ idFloor: FLOOR - 1 })).rejects.toMatchObject({ code: 'ID_FLOOR_LOWERED' })
  })

  it('refuses a user of that name who can log in, or is no person, and says which', async () => {
    const strangers = [
      ['is not blocked', `insert into users (name, status, usertype) values ('staging-sync', 0, 0)`],
      [
        'has a password',
        `insert into users (name, status, usertype, password) values ('staging-sync', 1, 0, 'x')`,
      ],
      ['is a host or a group', `insert into users (name, status, usertype) values ('staging-sync', 1, 1)`],
      [
        'has open sessions',
        `with u as (insert into users (name, status, usertype) values ('staging-sync', 1, 0) returning id)
       insert into sessions (user_id) select id from u`,
      ],
    ] as const
    for (const [why, sql] of strangers) {
      await run(database, sql)
      await expect(init()).rejects.toMatchObject({
        code: 'USER_NOT_OURS',
        message: expect.stringContaining(why),
      })
      await run(database, `delete from sessions; delete from users`)
    }
  })

  it('adopts a blocked user of that name who has never been used', async () => {
    await run(database, `insert into users (id, name, status, usertype) values (77, 'staging-sync', 1, 0)`)
    expect((await init()).user).toEqual({ id: 77, name: 'staging-sync', action: 'adopted' })
    expect((await readSettings(database)).get('user_id')).toBe('77')
  })

  it('blocks its user again, and does not change to another one', async () => {
    const { user } = await init()
    await run(database, 'update users set status = 0 where id = $1', [user.id])
    expect((await init()).user.action).toBe('blocked')
    await expect(init({ userName: 'somebody-else' })).rejects.toMatchObject({ code: 'USER_CHANGED' })
  })
})
