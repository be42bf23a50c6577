import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CLAIM } from '../../src/queue/claiming.ts'
import type { Claim } from '../../src/queue/queue.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import {
  apply,
  build,
  claimOne,
  claimSoon,
  keysOf,
  mark,
  openQueue,
  rowsOf,
  type TestQueue,
} from './setup.ts'

let cluster: Cluster
let url: string
let a: TestQueue
let b: TestQueue

beforeAll(async () => {
  cluster = await startCluster({ durable: true })
  url = cluster.url(await cluster.createDatabase('none'))
  a = await openQueue(url, { leaseMs: 300 })
  b = await openQueue(url, { leaseMs: 300 })
})
afterAll(async () => {
  await a?.database.destroy()
  await b?.database.destroy()
  await cluster?.remove()
})

describe('the database', () => {
  it('may crash and come back: marks stay, claims end by their fence or lease', async () => {
    await a.queue.mark([1, 2, 3].map((id) => mark(build(id))))
    const [one] = (await a.queue.claim(1)) as [Claim]
    await cluster.stop({ crash: true })
    await expect(a.queue.mark([mark(build(4))])).rejects.toMatchObject({
      name: 'OutageError',
      part: 'database',
    })
    await expect(a.queue.claim(1)).rejects.toMatchObject({ name: 'OutageError' })
    await cluster.start()
    expect((await rowsOf(b.database)).map(({ key }) => key)).toEqual(['build/1', 'build/2', 'build/3'])
    const seen = new Set<string>()
    while (seen.size < 3) {
      for (const claim of await claimSoon(b.queue)) {
        seen.add(keysOf([claim])[0] ?? '')
        await apply(b, claim)
      }
    }
    await expect(apply(a, one)).rejects.toMatchObject({ code: 'QUEUE_CLAIM_LOST' })
    expect(await rowsOf(b.database)).toEqual([])
  })

  it('may lose a claim in a crash: then its holder does not pass the fence', async () => {
    await a.queue.mark([mark(build(1))])
    const claim = await claimOne(a.queue)
    // As after a crash that came before the claim's commit was on disk.
    await a.database.query('test.lose', 'update staging_sync.queue set token = null, lease_until = null')
    await expect(apply(a, claim)).rejects.toMatchObject({ code: 'QUEUE_CLAIM_LOST' })
    await apply(b, await claimOne(b.queue))
  })

  it('is read where the last claim ended, not from the beginning, while dead rows cannot go', async () => {
    const hub = new pg.Client(url)
    await hub.connect()
    await hub.query('begin isolation level repeatable read; select txid_current()')
    try {
      await b.queue.mark(Array.from({ length: 10_000 }, (_, i) => mark(build(i), 'sweep')))
      let claims = await b.queue.claim(500)
      while (claims.length > 0) {
        await b.queue.finish(claims.map((claim) => ({ claim, outcome: { kind: 'unchanged' } })))
        claims = await b.queue.claim(500)
      }
      await b.queue.mark([mark(build(1), 'sweep')])
      const [row] = await b.database.query<{ due_at: string }>(
        'test.due',
        'select due_at from staging_sync.queue',
      )
      const fromBeginning = await blocksOfClaim('-infinity')
      const fromRange = await blocksOfClaim(row?.due_at ?? '')
      expect(fromBeginning).toBeGreaterThan(200)
      expect(fromRange).toBeLessThan(fromBeginning / 5)
    } finally {
      await hub.query('rollback')
      await hub.end()
    }
  })
})

/** Pages that a claim of one key reads, by PostgreSQL's own account. */
async function blocksOfClaim(from: string): Promise<number> {
  const [plan] = await b.database.query<{ 'QUERY PLAN': string }>(
    'test.explain',
    `explain (analyze, buffers, format json) ${CLAIM}`,
    [1, 0, from, from, 0, 'test'],
    { prepare: false },
  )
  expect(plan?.['QUERY PLAN']).toContain('queue_due')
  expect(plan?.['QUERY PLAN']).not.toContain('Seq Scan')
  const [found] = JSON.parse(plan?.['QUERY PLAN'] ?? '[]') as [{ Plan: Record<string, number> }]
  return (found.Plan['Shared Hit Blocks'] ?? 0) + (found.Plan['Shared Read Blocks'] ?? 0)
}
