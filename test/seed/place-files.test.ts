import { existsSync, mkdirSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { AgainError, OutageError } from '../../src/errors.ts'
import { readNow } from '../../src/seed/databases.ts'
import { placeFiles } from '../../src/seed/place-files.ts'
import { placeLinks } from '../../src/seed/place-links.ts'
import { Session } from '../../src/seed/session.ts'
import { noStep, type Step } from '../../src/step.ts'
import { VolumePlacement } from '../../src/storage/volume-placement.ts'
import { makeTrees, type Trees } from '../storage/trees.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'

let database: TestDatabase
let session: Session
let trees: Trees
beforeAll(async () => {
  database = await testDatabase({ koji: 'none' })
  session = await Session.open({ url: database.url, step: noStep })
  // What placing reads of a staging database.
  await session.change('test', 'create schema staging_sync', [])
  await session.change('test', 'create table volume (name text)', [])
  await session.change('test', 'create table rpminfo (build_id bigint)', [])
  await session.change('test', 'create table archiveinfo (build_id bigint)', [])
  await session.change(
    'test',
    `create table staging_sync.placement (prod_build_id bigint, name text, version text, release text, prod_volume text,
       staging_volume text, mode text, state text, changed_at timestamptz)`,
    [],
  )
})
afterAll(async () => {
  await session.close()
  await database.drop()
})
beforeEach(async () => {
  trees = makeTrees()
  await session.change('test', 'truncate staging_sync.placement', [])
  await session.change(
    'test',
    `insert into staging_sync.placement
     select i, 'p' || i, '1', '1', 'DEFAULT', 'prod', 'volume', 'intent', now() from generate_series(1, 60) i`,
    [],
  )
  for (let i = 1; i <= 60; i++) mkdirSync(join(trees.prod, `packages/p${i}/1/1`), { recursive: true })
})
afterEach(() => trees.destroy())

const place = (step: Step) => {
  // One, as a seed has: it makes directories that many builds want one after the other.
  const placement = new VolumePlacement({
    prodTopdir: trees.prod,
    linkTarget: trees.prod,
    stagingTopdir: realpathSync(trees.staging),
    // One by one: with a mode of their own none is plain.
    made: { uid: null, gid: null, directoryMode: 0o755 },
    fsync: false,
    step,
  })
  return placeFiles({ session, placementOf: () => placement, signal: new AbortController().signal })
}

it('a build whose directory somebody else works in is left to the daemon, and all others are placed', async () => {
  const raced = await place((name, detail) => {
    if (name === 'file.symlink' && String(detail?.path).includes('/p17/'))
      throw new AgainError('STORAGE_RACE', 'somebody else works there')
    return undefined
  })
  expect(raced).toMatchObject({ placed: 59, failed: 1, examples: [expect.stringContaining('p17-1-1')] })
  const left = await session.query<{ name: string }>(
    'test',
    `select name from staging_sync.placement where state = 'intent'`,
  )
  expect(left).toEqual([{ name: 'p17' }])
})

it('when a sick disk is told, nothing is placed any more', async () => {
  let ended = false
  let late = 0
  let first = true
  const step: Step = async (name) => {
    await new Promise(setImmediate)
    if (ended) late++
    if (name !== 'file.symlink' || !first) return
    first = false
    throw new OutageError('storage', 'STORAGE_DISK', 'the disk is sick')
  }
  await expect(place(step)).rejects.toMatchObject({ code: 'STORAGE_DISK' })
  ended = true
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
  expect(late).toBe(0)
})

it('plain links are placed many at once, before rpms have an index; what is not plain is left to be placed with care', async () => {
  rmSync(join(trees.prod, 'packages/p17'), { recursive: true })
  await session.change('test', `update staging_sync.placement set mode = 'copy' where name = 'p18'`, [])
  const placement = new VolumePlacement({
    prodTopdir: trees.prod,
    linkTarget: trees.prod,
    stagingTopdir: realpathSync(trees.staging),
    fsync: false,
    step: noStep,
  })
  const links = (signal: AbortSignal) => placeLinks({ session, placementOf: () => placement, signal })
  await expect(links(AbortSignal.abort())).rejects.toMatchObject({ code: 'SEED_STOPPED' })
  expect(await links(new AbortController().signal)).toBe(58)
  const left = await session.query<{ name: string }>(
    'test',
    `select name from staging_sync.placement where state = 'intent' order by 1`,
  )
  expect(left.map(({ name }) => name)).toEqual(['p17', 'p18'])
  expect(existsSync(join(trees.staging, 'packages/p16/1/1'))).toBe(true)
})

it("marks of seeds are by the database's clock", async () => {
  const before = await readNow(session)
  const [at] = await session.query<{ here: boolean; ms: number }>(
    'test',
    `select $1::timestamptz <= clock_timestamp() as here, extract(epoch from $1::timestamptz)::float8 * 1000 as ms`,
    [before],
  )
  expect(at).toEqual({ here: true, ms: Date.parse(before) })
  expect(before).toBe(new Date(before).toISOString())
})

it("its session has no timeouts, whatever the role's or the database's are", async () => {
  const names = [
    'statement_timeout',
    'lock_timeout',
    'idle_in_transaction_session_timeout',
    'idle_session_timeout',
  ]
  const [{ name } = { name: '' }] = await session.query<{ name: string }>(
    'test',
    'select current_database() as name',
  )
  for (const setting of names)
    await session.change('test', `alter database ${name} set ${setting} = '1h'`, [])
  const another = await Session.open({ url: database.url, step: noStep })
  try {
    const rows = await another.query<{ name: string; setting: string }>(
      'test',
      'select name, setting from pg_settings where name = any($1) order by name',
      [names],
    )
    expect(rows.filter(({ setting }) => setting !== '0')).toEqual([])
    expect(rows.length).toBeGreaterThanOrEqual(3)
  } finally {
    await another.close()
  }
})
