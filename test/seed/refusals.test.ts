import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { command } from '../operations/command.ts'
import { dumpKoji } from './dump.ts'
import { besideOf, prodUrl } from './world.ts'

let world: E2eWorld
let file: string
let prod: string

beforeAll(async () => {
  world = await e2eWorld({ init: false, role: 'owner' })
  prod = await prodUrl(world)
  file = join(world.root, 'koji.dump')
  await writeFile(file, await dumpKoji(prod))
})
afterAll(() => world?.close())

const seed = (...more: string[]) =>
  command('seed', '--config', world.file, '--free', '1000000000000', '--dump', file, '--swap', ...more)

/** Those that a seed of that database would have made. */
const besides = (database: string) =>
  world.sql(`select datname from pg_database where starts_with(datname, $1 || '_') order by 1`, [database])

describe('a seed refuses, before it makes anything,', () => {
  it("a target that is prod's own database", async () => {
    const ended = await seed('--set', `staging.database=${prod}`)
    expect(ended).toMatchObject({ code: 14, stderr: expect.stringContaining('SAME_DATABASE') })
    expect(await besides(prod.replace(/^.*\//, ''))).toEqual([])
    // Asked by an event that is taken in staging: nothing else of prod was touched.
    expect(await world.prod.rows(`select to_regnamespace('staging_sync') as ours`)).toEqual([{ ours: null }])
  })

  it("a target that holds something else than a Koji, and one that an earlier seed did not make in the new one's place", async () => {
    const [row] = await world.sql<{ name: string }>('select current_database() as name')
    const other = `${row?.name}_seed`
    await world.sql(`create database "${other}"`)
    try {
      const taken = prod.replace(/[^/]+$/, other)
      // Somebody's, with a table in it.
      const client = new pg.Client({ connectionString: taken })
      await client.connect()
      await client.query(
        'create table wiki as select n, repeat(md5(n::text), 40) as text from generate_series(1, 2000) n',
      )
      await client.end()
      const notKoji = await seed('--set', `staging.database=${taken}`)
      expect(notKoji).toMatchObject({ code: 14, stderr: expect.stringContaining('SEED_NOT_KOJI') })
      const inPlace = await seed()
      expect(inPlace.stderr).toContain('SEED_NAME_TAKEN')
      expect(inPlace.code).not.toBe(0)
      expect(await besides(other)).toEqual([])
      expect(await besideOf(world)).toEqual([other])
    } finally {
      await world.sql(`drop database "${other}"`)
    }
  })

  it("a mount that is not there: prod's tree is an empty directory after a lost NFS mount, or is none", async () => {
    const tree = join(world.root, 'prod')
    await rename(tree, `${tree}.away`)
    try {
      const ended = await seed()
      expect(ended.stderr).toMatch(/STORAGE_(?:UNSAFE|NOT_READY)/)
      expect(ended.code).not.toBe(0)
      expect(await besideOf(world)).toEqual([])
    } finally {
      await rename(`${tree}.away`, tree)
    }
    const packages = join(tree, 'packages')
    await rename(packages, `${packages}.away`)
    try {
      const ended = await seed()
      expect(ended.stderr).toMatch(/STORAGE_(?:UNSAFE|NOT_READY)/)
      expect(await besideOf(world)).toEqual([])
    } finally {
      await rename(`${packages}.away`, packages)
    }
  })

  it("a staging database that cannot be reached, as behind a firewall that has another host's address", async () => {
    const away = prod.replace(/:\d+\//, ':9/')
    const ended = await seed('--set', `staging.database=${away}`)
    expect(ended).toMatchObject({ code: 12, stderr: expect.stringContaining('DATABASE_') })
  })
})
