import { afterAll, beforeAll, expect, it } from 'vitest'
import { DailyTask, lastDueMs, noteDone } from '../../src/operations/daily-task.ts'
import { reconcileMigrations } from '../../src/reconcile/migrations.ts'
import { migrate } from '../../src/staging/migration.ts'
import { makeWorld, run, type World } from '../staging/world.ts'

let world: World
beforeAll(async () => {
  world = await makeWorld()
  await migrate(world.database, reconcileMigrations)
})
afterAll(() => world.close())

const AT = { hour: 4, minute: 0 }

function daily(name: string, jitterMs = 0): DailyTask {
  return new DailyTask({ database: world.database, task: name, at: AT, jitterMs, random: () => 1 })
}

async function doneBefore(name: string, interval: string): Promise<void> {
  await run(
    world.database,
    `update staging_sync.schedule set done = clock_timestamp() - $2::interval where task = $1`,
    [name, interval],
  )
}

it('is not due where it was never done, and made up once where its time was missed', async () => {
  const runs: string[] = []
  const go = () => daily('a').run(async () => void runs.push('a'))
  expect([await go(), await go()]).toEqual([false, false])
  await doneBefore('a', '25 hours')
  expect([await go(), await go()]).toEqual([true, false])
  expect(runs).toEqual(['a'])
})

it('is done by one of several, again after a failure, and after one that was cut off', async () => {
  await noteDone(world.database, 'b')
  await doneBefore('b', '2 days')
  let others: boolean | null = null
  const failing = daily('b').run(async () => {
    others = await daily('b').run(async () => {})
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(others).toBe(false)
  await run(
    world.database,
    `update staging_sync.schedule set holder = 'dead', seen = clock_timestamp() - interval '30 seconds' where task = 'b'`,
  )
  expect(await daily('b').run(async () => {})).toBe(false)
  await run(
    world.database,
    `update staging_sync.schedule set seen = clock_timestamp() - interval '2 minutes' where task = 'b'`,
  )
  expect(await daily('b').run(async () => {})).toBe(true)
})

it('waits for its jitter, and counts from when it began', async () => {
  await noteDone(world.database, 'c')
  await doneBefore('c', '25 hours')
  // Twice a day of jitter: the time that passed is not due yet.
  expect(await daily('c', 2 * 86_400_000).run(async () => {})).toBe(false)
  expect(await daily('c').run(async () => {})).toBe(true)
  const [row] = await run<{ same: boolean }>(
    world.database,
    `select done = taken as same from staging_sync.schedule where task = 'c'`,
  )
  expect(row?.same).toBe(true)
})

it("finds the last time of day on the clock of the host's zone, also over midnight", () => {
  const noon = new Date(2026, 5, 15, 12, 0).getTime()
  expect(lastDueMs(noon, AT)).toBe(new Date(2026, 5, 15, 4, 0).getTime())
  expect(lastDueMs(new Date(2026, 5, 15, 3, 59).getTime(), AT)).toBe(new Date(2026, 5, 14, 4, 0).getTime())
  expect(lastDueMs(new Date(2026, 5, 15, 4, 0).getTime(), AT)).toBe(new Date(2026, 5, 15, 4, 0).getTime())
  expect(lastDueMs(new Date(2026, 0, 1, 0, 0).getTime(), { hour: 23, minute: 59 })).toBe(
    new Date(2025, 11, 31, 23, 59).getTime(),
  )
})
