import pg from 'pg'
import type { Mark } from '../src/model/outcome.ts'
import { startCluster } from '../test/support/cluster.ts'
import { openQueue } from './queue.ts'
import { type Result, result } from './results.ts'

const KEYS = 200_000
const MARKS_AT_ONCE = 1_000
const CLAIMS_AT_ONCE = 100
const LOOPS = 4
const GOAL = 2

/**
 * Marks keys, then claims and finishes them all: alone, and while another session holds a transaction open as a hub does, so that
 * no dead row can be removed. The floor is the same without that session.
 */
export async function measureManyKeys(): Promise<Result[]> {
  const cluster = await startCluster({ durable: true })
  try {
    // A database each: what one round leaves must not slow the next.
    const alone = await round(cluster.url(await cluster.createDatabase('none')))
    const url = cluster.url(await cluster.createDatabase('none'))
    const hub = new pg.Client(url)
    await hub.connect()
    await hub.query(
      'begin isolation level repeatable read; create temporary table held (); select txid_current()',
    )
    const held = await round(url)
    await hub.query('rollback')
    await hub.end()
    const name = (what: string): string => `${what} ${KEYS} keys, transaction held open, beside none`
    return [
      result(name('marking'), 's', { value: held.markMs / 1000, floor: alone.markMs / 1000, goal: GOAL }),
      result(name('claiming and finishing'), 's', {
        value: held.drainMs / 1000,
        floor: alone.drainMs / 1000,
        goal: GOAL,
      }),
    ]
  } finally {
    await cluster.remove()
  }
}

async function round(url: string): Promise<{ markMs: number; drainMs: number }> {
  const { database, queue } = await openQueue(url)
  try {
    const marks = Array.from({ length: KEYS }, (_, i): Mark => {
      const key = { kind: 'tagged', tagId: i % 50, packageId: i } as const
      return { key, priority: i % 10 === 0 ? 'live' : 'sweep' }
    })
    const begun = performance.now()
    for (let at = 0; at < KEYS; at += MARKS_AT_ONCE) await queue.mark(marks.slice(at, at + MARKS_AT_ONCE))
    const marked = performance.now()
    let done = 0
    const loop = async (): Promise<void> => {
      for (;;) {
        const claims = await queue.claim(CLAIMS_AT_ONCE)
        if (claims.length === 0) return
        await queue.finish(claims.map((claim) => ({ claim, outcome: { kind: 'unchanged' } })))
        done += claims.length
      }
    }
    await Promise.all(Array.from({ length: LOOPS }, loop))
    if (done !== KEYS) throw new Error(`many keys: ${done} came out of ${KEYS}`)
    return { markMs: marked - begun, drainMs: performance.now() - marked }
  } finally {
    await database.destroy()
  }
}
