import { hostname } from 'node:os'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { endDeadClaims } from '../../src/operations/dead-claims.ts'
import { openQueue, type TestQueue } from '../queue/setup.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'

let server: TestDatabase
const open: TestQueue[] = []

beforeAll(async () => {
  server = await testDatabase({ koji: 'none' })
})
afterAll(async () => {
  for (const { database } of open) await database.destroy()
  await server.drop()
})

async function queueOf(holder: string): Promise<TestQueue> {
  const made = await openQueue(server.url, {}, { holder })
  open.push(made)
  return made
}

it('ends the claims of killed daemons of this host, and of no other', async () => {
  const host = hostname()
  const dead = await queueOf(`${host}:4194305`)
  const alive = await queueOf(`${host}:${process.ppid}`)
  const elsewhere = await queueOf('another.example.org:4194305')
  const me = await queueOf(`${host}:${process.pid}`)
  for (const [i, { queue }] of [dead, alive, elsewhere].entries()) {
    const marks = [{ key: { kind: 'build', buildId: i + 1 }, priority: 'live' }] as const
    expect(await queue.markAndClaim(marks)).toHaveLength(1)
  }
  expect(await me.queue.claim(10)).toEqual([])
  await endDeadClaims(me.database, { host, pid: process.pid })
  const claims = await me.queue.claim(10)
  expect(claims.map(({ key }) => key)).toEqual([{ kind: 'build', buildId: 1 }])
})

it('ends claims whose answer was lost, and no other', async () => {
  const mine = await queueOf('lost.example.org:7')
  const other = await queueOf('lost.example.org:8')
  const mark = (buildId: number) => [{ key: { kind: 'build', buildId }, priority: 'live' }] as const
  const held = await mine.queue.markAndClaim(mark(11))
  await mine.queue.markAndClaim(mark(12))
  await other.queue.markAndClaim(mark(13))
  expect(await mine.queue.endLost(held)).toBe(1)
  const claims = await other.queue.claim(10)
  expect(claims.map(({ key }) => key)).toEqual([{ kind: 'build', buildId: 12 }])
})
