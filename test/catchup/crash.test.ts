import { expect, it } from 'vitest'
import { OutageError } from '../../src/errors.ts'
import { scene } from './world.ts'

// Without an overlap, which would make up for a cursor that moved too early.
const options = { limits: { firstRows: 2, pageRows: 3 }, overlapMs: 0 }

it('loses nothing wherever it is cut off', async () => {
  const { prod, stepped, signal, taken, sql, marked } = await scene()
  await marked()
  const begin = await sql<{ name: string; event: number; time: string }>('select * from staging_sync.cursor')
  await prod.addTag('f43')
  for (let n = 0; n < 7; n++) await prod.addPackage('f43', `package-${n}`)
  const builds = []
  for (let n = 0; n < 4; n++)
    builds.push(
      await prod.importBuild({ name: 'bash', version: '5', release: `${n}`, rpms: [{ arch: 'src' }] }),
    )
  const expected = 1 + 7 + 4
  let cut = 0
  for (let done = false; !done; cut += 16) {
    let left = cut
    const crashing = await stepped((name) => {
      if (name.startsWith('sql.') && left-- === 0) throw new OutageError('database', 'TEST_CUT', name)
      return undefined
    }, options).catch(() => null)
    done = await (crashing?.run(signal).then(
      () => true,
      () => false,
    ) ?? Promise.resolve(false))
    const first = await taken()
    const again = await (await stepped(() => undefined, options)).run(signal)
    expect(again.cursor).toBeGreaterThan(begin[0]?.event as number)
    const second = await taken()
    expect([...new Set([...first, ...second])], `cut at statement ${cut}`).toHaveLength(expected)
    for (const table of ['handled', 'catchup_seen', 'catchup_watermark', 'cursor'])
      await sql(`delete from staging_sync.${table}`)
    for (const row of begin)
      await sql('insert into staging_sync.cursor values ($1, $2, $3::timestamp)', [
        row.name,
        row.event,
        row.time,
      ])
    await sql(
      `insert into staging_sync.catchup_watermark select s, $1, $2::timestamp, 0
         from unnest(array['build-ids', 'rpm-ids', 'archive-ids']) s`,
      [begin[0]?.event, begin[0]?.time],
    )
  }
  expect(cut).toBeGreaterThan(50)
})

it('is right beside another one', async () => {
  const { prod, stepped, signal, taken, cursor } = await scene()
  const now = async () => Number((await prod.rows('select max(id) as id from events'))[0]?.id)
  await prod.addTag('f43')
  for (let n = 0; n < 12; n++) await prod.addPackage('f43', `package-${n}`)
  const [one, other] = [await stepped(() => undefined, options), await stepped(() => undefined, options)]
  await Promise.all([one.run(signal), other.run(signal)])
  expect(await taken()).toHaveLength(13)
  expect(await cursor()).toBe(await now())
  await one.run(signal)
  expect(await taken()).toEqual([])
})

it('stops where it is when it is told to, and what it has not read is read next time', async () => {
  const { prod, stepped, cursor, taken, signal } = await scene()
  const before = await cursor()
  await prod.addTag('f43')
  const stop = new AbortController()
  const stopping = await stepped((name) => {
    if (name === 'sql.settings.read') stop.abort()
    return undefined
  })
  await expect(stopping.run(stop.signal)).rejects.toMatchObject({ name: 'StopError' })
  expect([await cursor(), await taken()]).toEqual([before, []])
  await stopping.run(signal)
  expect(await taken()).toHaveLength(1)
})
