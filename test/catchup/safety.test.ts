import { expect, it } from 'vitest'
import { HISTORY_CURSOR } from '../../src/staging/cursor.ts'
import { scene } from './world.ts'

it('refuses a prod whose last event lies below the cursor, naming both, and marks nothing', async () => {
  const { prod, catchUp, signal, sql, taken, cursor } = await scene()
  await prod.addTag('f43')
  await sql('update staging_sync.cursor set event = 4711 where name = $1', [HISTORY_CURSOR])
  await expect(catchUp().run(signal)).rejects.toMatchObject({
    name: 'SafetyError',
    code: 'PROD_WENT_BACK',
    message: expect.stringMatching(/last event is 2\b.*4711/),
  })
  expect(await taken()).toEqual([])
  expect(await cursor()).toBe(4711)
})

it('refuses a prod that was restored and has gone on since', async () => {
  const { prod, catchUp, signal, taken, marked } = await scene()
  await prod.addTag('f43')
  await marked()
  await prod.addTag('f44')
  await prod.rows(`update events set time = time + interval '1 hour' where id = 2`)
  await expect(catchUp().run(signal)).rejects.toMatchObject({ code: 'PROD_WENT_BACK' })
  await prod.rows('delete from tag_config where create_event = 2')
  await prod.rows('delete from events where id = 2')
  await expect(catchUp().run(signal)).rejects.toMatchObject({
    code: 'PROD_WENT_BACK',
    message: expect.stringContaining('no event 2 any more'),
  })
  expect(await taken()).toEqual([])
})

it('refuses another prod by a build that it knew, and lets a build be recycled', async () => {
  const { prod, catchUp, signal, taken, own, marked, sql } = await scene()
  const build = await prod.importBuild({ name: 'bash', version: '5', release: '1' })
  await own(build)
  await marked()
  expect(await sql('select build_id, nvr from staging_sync.catchup_sentinel')).toEqual([
    { build_id: build.id, nvr: 'bash-5-1' },
  ])
  await prod.resetBuild(build.id)
  await prod.recycleBuild(build.id)
  await marked()
  await prod.rows(`update build set release = '2' where id = $1`, [build.id])
  await expect(catchUp().run(signal)).rejects.toMatchObject({
    name: 'SafetyError',
    code: 'PROD_CHANGED',
    message: expect.stringMatching(/bash-5-1.*bash-5-2/),
  })
  await prod.rows('delete from build where id = $1', [build.id])
  await expect(catchUp().run(signal)).rejects.toMatchObject({
    code: 'PROD_CHANGED',
    message: expect.stringContaining('does not exist'),
  })
  expect(await taken()).toEqual([])
})

it('keeps no watch over a build that is not the same on both sides', async () => {
  const { prod, own, marked, sql } = await scene()
  const build = await prod.importBuild({ name: 'bash', version: '5', release: '1' })
  await own({ id: build.id, nvr: 'bash-6-1' })
  await marked()
  expect(await sql('select * from staging_sync.catchup_sentinel')).toEqual([])
})

it('says that init comes first', async () => {
  const { catchUp, signal, sql } = await scene()
  await sql('delete from staging_sync.cursor')
  await expect(catchUp().run(signal)).rejects.toMatchObject({ code: 'CATCHUP_NO_CURSOR' })
})

it('reads again from an event that is named, of a gap too, and refuses one that prod does not have', async () => {
  const { prod, catchUp, signal, taken, marked, sql, cursor } = await scene()
  await prod.addTag('f43')
  await prod.rows(`select nextval('events_id_seq')`)
  const second = await prod.addTag('f44')
  await marked()
  await sql('delete from staging_sync.handled')
  const last = await cursor()
  await catchUp({ overlapMs: 0 }).run(signal, { since: last - 1 })
  expect(await taken()).toEqual([`tag/${second}`])
  for (const since of [0, -1, 1.5, last + 1, Number.NaN])
    await expect(catchUp().run(signal, { since })).rejects.toMatchObject({ code: 'CATCHUP_SINCE' })
})

it('remembers what it handled for eight days, and forgets it then', async () => {
  const { prod, marked, sql } = await scene()
  await prod.importBuild({ name: 'bash', version: '5', release: '1', rpms: [{ arch: 'src' }] })
  await prod.addTag('f43')
  await marked()
  await prod.importBuild({ name: 'bash', version: '5', release: '2', rpms: [{ arch: 'src' }] })
  await marked()
  const count = async () =>
    (await sql<{ n: number }>(`select count(*) as n from staging_sync.handled`))[0]?.n as number
  expect(await count()).toBe(3)
  const old = async (days: number) => {
    await prod.rows(`update events set time = time - $1 * interval '1 day'`, [days])
    for (const table of ['cursor', 'catchup_watermark'])
      await sql(`update staging_sync.${table} set time = time - $1 * interval '1 day'`, [days])
  }
  await old(7)
  await prod.rows('select get_event()')
  expect(await marked()).toEqual([])
  expect(await count()).toBe(3)
  await old(2)
  await prod.rows('select get_event()')
  await marked()
  // What came before the last event of the run of nine days ago.
  expect(await count()).toBe(1)
})

it("goes on when prod's clock was a year ahead for a while", async () => {
  const { prod, marked, sql } = await scene()
  const old = await prod.importBuild({ name: 'bash', version: '5', release: '1', rpms: [{ arch: 'src' }] })
  await marked()
  await prod.rows(`insert into events (time) values (now() + interval '1 year')`)
  expect(await marked()).toEqual([])
  await prod.addTag('f43')
  const build = await prod.importBuild({ name: 'zsh', version: '5', release: '1', rpms: [{ arch: 'src' }] })
  await prod.addRpms(old.id, [{ arch: 's390x' }])
  expect(await marked()).toEqual([`build/${old.id}`, `build/${build.id}`, expect.stringMatching('tag/')])
  expect(
    await sql(
      `select name from staging_sync.cursor where time > now() at time zone 'UTC' + interval '1 day'`,
    ),
  ).toEqual([])
  expect(await marked()).toEqual([])
})
