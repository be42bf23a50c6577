import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { testDatabase } from '../support/postgres.ts'
import { command } from './command.ts'

let world: E2eWorld
const closers: (() => unknown)[] = []
beforeAll(async () => {
  world = await e2eWorld({ init: false })
})
afterAll(async () => {
  for (const close of closers) await close()
  await world?.close()
})

const set = (...settings: string[]) => settings.flatMap((one) => ['--set', one])
const run = (...settings: string[]) => command('run', '--config', world.file, ...set(...settings))

/** Every table of staging's own schema that exists, and what is in Koji's that we write: nothing may change. */
const nothingWritten = async () =>
  expect(await world.sql(`select count(*)::int as n from tag_listing`)).toEqual([{ n: 0 }])

async function database(koji: 'none' | '1.35.0', sql?: string): Promise<string> {
  const made = await testDatabase({ koji })
  closers.push(() => made.drop())
  if (sql !== undefined) {
    const { default: pg } = await import('pg')
    const client = new pg.Client({ connectionString: made.url })
    await client.connect()
    await client.query(sql)
    await client.end()
  }
  return made.url
}

describe('run refuses, with a code, an exit status and no write', () => {
  test('before init', async () => {
    const ended = await run()
    expect(ended).toMatchObject({ code: 78 })
    expect(ended.stderr).toContain('error NOT_INITIALISED: ')
    expect(ended.stderr).toContain('init')
    await nothingWritten()
  })

  test('a configuration that is wrong, every problem at once', async () => {
    const file = join(world.root, 'wrong.toml')
    await writeFile(file, '[prod]\nhub = 7\nconcurency = 3\n[staging]\ntopdir = "relative"\n[what]\nx = 1\n')
    const ended = await command('run', '--config', file)
    expect(ended.code).toBe(78)
    for (const part of [
      'CONFIG_INVALID',
      'prod.hub',
      'prod.concurency',
      'staging.database',
      'staging.topdir',
      'what',
    ]) {
      expect(ended.stderr).toContain(part)
    }
    expect(await command('run', '--config', join(world.root, 'none.toml'))).toMatchObject({ code: 78 })
  })

  test('a wrong password of the database, without showing it', async () => {
    const url = new URL(await database('1.35.0'))
    url.password = 'hunter2'
    const sound = await run(`staging.database=${url.href}`)
    expect(sound.stdout + sound.stderr).not.toContain('hunter2')
    expect(sound.code).toBe(12)
    expect(sound.stderr).toContain('error DATABASE_AUTH: ')
  })

  test('a database server that is not there', async () => {
    const ended = await run('staging.database=postgresql://koji@127.0.0.1:1/koji')
    expect(ended.code).toBe(12)
    expect(ended.stderr).toContain('error DATABASE_DOWN: ')
  })

  test('a database that holds no Koji', async () => {
    const url = await database('none')
    for (const verb of ['run', 'init']) {
      const ended = await command(verb, '--config', world.file, ...set(`staging.database=${url}`))
      expect(ended.code).not.toBe(0)
      expect(ended.stderr).toMatch(/error SCHEMA_[A-Z_]+: /)
    }
  })

  test('a Koji whose schema lacks a column that is needed, by its name', async () => {
    const url = await database('1.35.0', 'alter table tag_listing drop column creator_id')
    for (const verb of ['run', 'init']) {
      const ended = await command(verb, '--config', world.file, ...set(`staging.database=${url}`))
      expect(ended.code).not.toBe(0)
      expect(ended.stderr).toMatch(/error SCHEMA_[A-Z_]+: .*tag_listing.*creator_id/s)
    }
  })

  describe('init of a database that is the one which prod answers from', () => {
    const inProd = async () => {
      const url = String((await world.prod.rows('select current_database() as name'))[0]?.name)
      const [{ url: staging } = { url: '' }] = await world.sql<{ url: string }>(
        'select current_database() as url',
      )
      const file = join(world.root, 'same.toml')
      await writeFile(file, (await readFile(world.file, 'utf8')).replace(`/${staging}"`, `/${url}"`))
      return command('init', '--config', file)
    }
    const untouched = async () =>
      expect(await world.prod.rows(`select 1 from pg_namespace where nspname = 'staging_sync'`)).toEqual([])

    test('where prod is quiet', async () => {
      const ended = await inProd()
      expect(ended.code).toBe(14)
      expect(ended.stderr).toContain('error SAME_DATABASE: ')
      await untouched()
    })

    test('where prod goes on between any two of our questions', async () => {
      const { knobs } = world.prodHub
      // Before and after each look, so that its newest event is never the one that was read last.
      const moves = async (method: string): Promise<void> => {
        knobs.beforeNext(method, () => moves(method))
        await world.prod.rows('insert into events (time) select clock_timestamp() from generate_series(1, 3)')
      }
      for (const method of ['getLastEvent', 'getEvent']) knobs.beforeNext(method, () => moves(method))
      const ended = await inProd()
      for (const method of ['getLastEvent', 'getEvent']) knobs.beforeNext(method, async () => {})
      expect(ended.code).toBe(14)
      expect(ended.stderr).toContain('error SAME_DATABASE: ')
      await untouched()
    })
  })
})

describe('after init, run refuses', () => {
  beforeAll(async () => {
    expect(await command('init', '--config', world.file, ...world.asOwner)).toMatchObject({ code: 0 })
    await world.grant()
  })

  test('a tree of prod that it could write to, unless that is permitted', async () => {
    const ended = await run('prod.allow_writable_mount=false')
    expect(ended.code).toBe(14)
    expect(ended.stderr).toContain('error STORAGE_UNSAFE: ')
    expect(ended.stderr).toContain('mounted writable')
    const synced = await command(
      'sync',
      '--config',
      world.file,
      ...set('prod.allow_writable_mount=false'),
      'tag/first',
    )
    expect(synced.code).toBe(14)
    await nothingWritten()
  })

  test("prod's tree that is not mounted: no such directory, or an empty one on a writable disk", async () => {
    await mkdir(join(world.root, 'empty'))
    for (const where of ['nowhere', 'empty'].map((name) => join(world.root, name))) {
      const ended = await run(
        'prod.allow_writable_mount=false',
        `prod.topdir=${where}`,
        `prod.link_target=${where}`,
      )
      // To be tried again: systemd gives up on what is refused for safety.
      expect(ended.code).toBe(13)
      expect(ended.stderr).toMatch(/error STORAGE_[A-Z_]+: /)
      expect(ended.stderr).toContain(where)
    }
  })

  test("staging's tree that is not mounted", async () => {
    const ended = await run(`staging.topdir=${join(world.root, 'nowhere')}`)
    expect([13, 14]).toContain(ended.code)
    expect(ended.stderr).toMatch(/error STORAGE_[A-Z_]+: /)
  })

  test('another prod than the one that this staging follows', async () => {
    const ended = await run('prod.hub=http://127.0.0.1:1/kojihub')
    expect(ended.code).toBe(78)
    expect(ended.stderr).toContain('error SETTING_PINNED: ')
  })

  test('to work beside a daemon with another policy; so does sync', async () => {
    const daemon = await world.start()
    for (const argv of [['run'], ['sync', 'tag/first']]) {
      const ended = await command(
        argv[0] as string,
        '--config',
        world.file,
        ...set('conflicts.build=prod-wins'),
        ...argv.slice(1),
      )
      expect(ended.code).toBe(78)
      expect(ended.stderr).toContain('error DAEMON_OTHER_POLICY: ')
      expect(ended.stderr).toContain(String(process.pid))
    }
    await daemon.stop()
    // Nobody is left to disagree with.
    expect(await world.sql('select * from staging_sync.daemon')).toEqual([])
  })

  test('an address for its metrics that is taken, and leaves nothing behind', async () => {
    const port = new URL(world.prodHub.url).port
    const ended = await run(`http.listen=127.0.0.1:${port}`)
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('error HTTP_LISTEN: ')
    expect(await world.sql('select * from staging_sync.daemon')).toEqual([])
  })

  test('a hub that is not there, in init and doctor, by its part', async () => {
    await world.way.down()
    expect(await command('init', '--config', world.file)).toMatchObject({ code: 11 })
    const ended = await command('doctor', '--listen', '0', '--config', world.file)
    expect(ended.code).toBe(1)
    expect(ended.stdout).toMatch(/fail.*hub\.reachable|hub\.reachable.*HUB_/s)
    expect(ended.stdout).toContain('database.schema')
    await world.way.up()
  })

  test('files that are gone are told by doctor too', async () => {
    await rm(join(world.root, 'staging', 'packages'), { recursive: true })
    const ended = await command('doctor', '--listen', '0', '--config', world.file)
    expect(ended.code).not.toBe(0)
    expect(ended.stdout).toContain('storage.staging.topdir')
  })
})
