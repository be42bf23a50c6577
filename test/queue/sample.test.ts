import { afterAll, beforeAll, expect, it } from 'vitest'
import { readSample } from '../../src/queue/sample.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { build, claimOne, mark, openQueue, type TestQueue } from './setup.ts'

let server: TestDatabase
let a: TestQueue
beforeAll(async () => {
  server = await testDatabase({ koji: 'none' })
  a = await openQueue(server.url)
})
afterAll(async () => {
  await a?.database.destroy()
  await server?.drop()
})

/** Ten minutes pass for what is marked, and then what is scheduled is due. */
const passed = () =>
  a.database.query(
    'test.pass',
    `update staging_sync.queue set marked_at = marked_at - interval '10 minutes', due_at = least(due_at, clock_timestamp()) `,
  )

it('a key that waits for its turn is as old as its mark', async () => {
  await a.queue.mark([mark(build(1), 'live', [{ subject: 'state', claim: '1' }])])
  await passed()
  expect((await readSample(a.database)).oldestSeconds).toBeGreaterThan(590)
})

it('one that is equal and only looked at again, for what a message claimed, is late from its schedule on', async () => {
  const claim = await claimOne(a.queue)
  await a.queue.finish([{ claim, outcome: { kind: 'unchanged' }, relook: claim.expect }])
  await passed()
  const { keys, oldestSeconds } = await readSample(a.database)
  expect([keys.ready.live, oldestSeconds < 60]).toEqual([1, true])
})
