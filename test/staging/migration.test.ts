import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Database } from '../../src/staging/database.ts'
import { type Migration, migrate, pendingMigrations } from '../../src/staging/migration.ts'
import { stagingMigrations } from '../../src/staging/tables.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { openDatabase } from './world.ts'

let test: TestDatabase
let database: Database
beforeAll(async () => {
  test = await testDatabase({ koji: 'none' })
  database = await openDatabase(test.url)
})
afterAll(async () => {
  await database.destroy()
  await test.drop()
})

const extra: Migration = { id: 'test-001-extra', sql: 'create table staging_sync.extra (id int)' }

it('applies what is missing once, though many start at the same time', async () => {
  const results = await Promise.all([1, 2, 3, 4].map(() => migrate(database, stagingMigrations)))
  expect(results.flat()).toEqual(stagingMigrations.map(({ id }) => id))
  expect(await migrate(database, stagingMigrations)).toEqual([])
})

it('leaves nothing of a batch of which one fails', async () => {
  const broken: Migration = { id: 'test-002-broken', sql: 'create table staging_sync.other (nonsense)' }
  await expect(migrate(database, [...stagingMigrations, extra, broken])).rejects.toThrow('test-002-broken')
  expect(await pendingMigrations(database, [...stagingMigrations, extra])).toEqual([extra.id])
})

it('gives up with a name when somebody else holds the lock for too long', async () => {
  await database.transaction('hold', async (tx) => {
    await tx.query('hold.lock', 'select pg_advisory_xact_lock($1)', [0x6b6a7373])
    await expect(migrate(database, [...stagingMigrations, extra], { waitMs: 60 })).rejects.toMatchObject({
      code: 'SCHEMA_BUSY',
    })
  })
})

it('lets older code run beside a newer expanding step, and refuses a newer contracting one', async () => {
  expect(await migrate(database, [...stagingMigrations, extra])).toEqual([extra.id])
  expect(await migrate(database, stagingMigrations)).toEqual([])
  await migrate(database, [
    ...stagingMigrations,
    extra,
    { id: 'test-003-drop', sql: 'select 1', contract: true },
  ])
  await expect(migrate(database, stagingMigrations)).rejects.toMatchObject({
    code: 'SCHEMA_NEWER',
    detail: { unknown: ['test-003-drop'] },
  })
})
