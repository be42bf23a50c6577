import { afterAll, beforeAll, expect, it } from 'vitest'
import { keepHouse } from '../../src/operations/housekeeping.ts'
import { recordClashes, resolveClashes } from '../../src/staging/clashes.ts'
import { eventOlderThan } from '../../src/staging/retention.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { FLOOR, makeWorld, run, type World } from '../staging/world.ts'

let world: World
const metrics = new Metrics({ version: 'test', processMetrics: false })
const log = createLog({ level: 'error', form: 'json', write: () => {} })
beforeAll(async () => {
  world = await makeWorld()
})
afterAll(() => world.close())

const clean = (checkpointsPerKey: number) =>
  keepHouse(
    {
      database: world.database,
      telemetry: { log, metrics },
      retention: { clashDays: 90, checkpointDays: 90, checkpointsPerKey },
      batch: 3,
      pauseMs: 0,
    },
    new AbortController().signal,
  )
const pruned = async (what: string) =>
  (await metrics.pruned.get()).values.find(({ labels }) => labels.what === what)?.value

it('forgets clashes that were over long ago, and no open one however old', async () => {
  const { database } = world
  const clash = { kind: 'edited', prod: 1, local: 2, decision: 'held' } as const
  const subjects = ['a', 'b', 'c', 'd', 'open']
  for (const subject of subjects) await recordClashes(database, 'tag/1', [{ ...clash, subject }])
  await recordClashes(database, 'tag/2', [{ ...clash, subject: 'young' }])
  await resolveClashes(database, 'tag/1', ['open'])
  await resolveClashes(database, 'tag/2', [])
  await run(
    database,
    `update staging_sync.clash set last_seen = now() - interval '100 days', resolved_at = resolved_at - interval '91 days'
      where key = 'tag/1'`,
  )
  await clean(20)
  expect(await run(database, 'select subject from staging_sync.clash order by 1')).toEqual([
    { subject: 'open' },
    { subject: 'young' },
  ])
  expect(await pruned('clashes')).toBe(4)
})

it('keeps every young checkpoint, some older ones of each key, and the newest of prod', async () => {
  const { database } = world
  // Events of staging, ten days apart, above the floor; older ones below it are prod's.
  await run(database, `delete from events where id > ${FLOOR}`)
  await run(
    database,
    `insert into events (id, time) select ${FLOOR} + n, now() - (205 - n * 10) * interval '1 day' from generate_series(1, 20) n`,
  )
  expect(await eventOlderThan(database, 90)).toBe(FLOOR + 11)
  const rows: [string, number, number, boolean?][] = [
    ...[1, 2, 3, 4, 9, 12, 13].map((n): [string, number, number] => ['tag/1', n, n]),
    ['tag/2', 5, 3],
    // Not whole: no checkpoint, so it keeps none out.
    ...[1, 2].map((n): [string, number, number] => ['tag/3', n, n]),
    ['tag/3', 3, 3, false],
    // Prod's newest event stands with an old one of staging: removals are proved by it.
    ['tag/4', 99, 1],
    ...[2, 3, 4].map((n): [string, number, number] => ['tag/4', n, n]),
  ]
  for (const [key, prod, event, whole = true] of rows) {
    await run(
      database,
      'insert into staging_sync.event_map (key, prod_event, staging_event, whole) values ($1, $2, $3, $4)',
      [key, prod, FLOOR + event, whole],
    )
  }
  const left = async () =>
    Object.fromEntries(
      (
        await run<{ key: string; events: number[] }>(
          database,
          `select key, array_agg((staging_event - ${FLOOR})::int order by staging_event) as events from staging_sync.event_map group by 1`,
        )
      ).map(({ key, events }) => [key, events]),
    )
  const expected = { 'tag/1': [4, 9, 12, 13], 'tag/2': [3], 'tag/3': [1, 2, 3], 'tag/4': [1, 3, 4] }
  await clean(2)
  expect(await left()).toEqual(expected)
  expect(await pruned('checkpoints')).toBe(4)
  await clean(2)
  expect(await left()).toEqual(expected)
})
