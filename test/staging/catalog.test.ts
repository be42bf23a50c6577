import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exitCodeOf } from '../../src/errors.ts'
import { Catalog } from '../../src/staging/catalog.ts'
import { Database } from '../../src/staging/database.ts'
import { noStep } from '../../src/step.ts'
import { kojiCatalog, kojiVersions } from '../support/koji-schema.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { openDatabase, run } from './world.ts'

describe.each(kojiVersions)('the schema of Koji %s', (koji) => {
  let test: TestDatabase
  let database: Database
  let catalog: Catalog
  beforeAll(async () => {
    test = await testDatabase({ koji })
    database = await openDatabase(test.url)
    catalog = await Catalog.read(database)
  })
  afterAll(async () => {
    await database.destroy()
    await test.drop()
  })

  it('has all that replication needs', () => {
    expect(() => catalog.requireColumns()).not.toThrow()
  })

  it('is read with every column, its type and whether it may be null', () => {
    const expected = kojiCatalog(koji)
    for (const [table, { columns, primary_key }] of Object.entries(expected.tables)) {
      expect(catalog.columns(table).map(({ name, nullable }) => [name, nullable])).toEqual(
        [...columns].sort((a, b) => a.position - b.position).map(({ name, nullable }) => [name, nullable]),
      )
      expect([...catalog.primaryKey(table)].sort()).toEqual([...(primary_key?.columns ?? [])].sort())
    }
    expect(catalog.column('build', 'completion_time')?.sqlType).toBe(
      koji === '1.21.0' ? 'timestamp without time zone' : 'timestamp with time zone',
    )
    expect(catalog.column('groups', 'name')).toMatchObject({ sqlType: 'character varying', maxLength: 50 })
  })

  it('shows every sequence with the column that it numbers', () => {
    expect(catalog.sequences().map(({ sequence, table, column }) => [sequence, table, column])).toEqual(
      kojiCatalog(koji)
        .sequences.map(({ name, owner_table, owner_column }) => [`public.${name}`, owner_table, owner_column])
        .sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1)),
    )
  })
})

describe('a database that cannot be staging', () => {
  let test: TestDatabase
  let database: Database
  beforeAll(async () => {
    test = await testDatabase({ koji: '1.21.0' })
    database = await openDatabase(test.url)
  })
  afterAll(async () => {
    await database.destroy()
    await test.drop()
  })

  it('names every missing table and column at once, and ends with the code for the database', async () => {
    await run(database, 'alter table tag_packages drop column extra_arches')
    await run(database, 'drop table tag_package_owners')
    const catalog = await Catalog.read(database)
    let thrown: unknown
    try {
      catalog.requireColumns()
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code: 'SCHEMA_MISSING' })
    expect((thrown as Error).message).toContain('tag_packages.extra_arches')
    expect((thrown as Error).message).toContain('tag_package_owners')
    expect(exitCodeOf(thrown)).toBe(12)
  })

  it('has another fingerprint after an upgrade, the same one otherwise', async () => {
    const before = await Catalog.read(database)
    expect((await Catalog.read(database)).fingerprint).toBe(before.fingerprint)
    await run(database, 'alter table build add column draft boolean not null default false')
    expect((await Catalog.read(database)).fingerprint).not.toBe(before.fingerprint)
  })

  it('finds a sequence that only a default names', async () => {
    await run(database, 'alter sequence build_id_seq owned by none')
    const catalog = await Catalog.read(database)
    expect(catalog.idSequence('build').sequence).toBe('public.build_id_seq')
  })

  it('is told apart from a database without Koji', async () => {
    const empty = await testDatabase({ koji: 'none' })
    const other = await openDatabase(empty.url)
    await run(other, 'create table build (id int)')
    await run(other, 'create table events (id int)')
    const catalog = await Catalog.read(other)
    await other.destroy()
    await empty.drop()
    expect(() => catalog.requireColumns()).toThrow(expect.objectContaining({ code: 'SCHEMA_NOT_KOJI' }))
  })

  it('is an outage of the database when the password is wrong, and the password is not told', async () => {
    const url = new URL(test.url)
    url.password = 'not-the-password'
    const opening = Database.create({
      url: url.href,
      applicationName: 'test',
      poolSize: 1,
      connectTimeoutMs: 5_000,
      step: noStep,
    })
    await expect(opening).rejects.toMatchObject({ code: 'DATABASE_AUTH', part: 'database' })
    await expect(opening).rejects.not.toThrow('not-the-password')
  })
})
