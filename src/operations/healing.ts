import { formatKey, type Key, parseKey } from '../model/key.ts'
import { listPlacements } from '../staging/placements.ts'
import type { Engine } from './world.ts'

type Marker = Pick<Engine, 'database' | 'queue'>

/** A placement that has been open so long belongs to nobody who still works on it. */
const STALE_PLACEMENT_SECONDS = 120
const HEALED_AT_ONCE = 500

/**
 * Files that a crash left without rows, or rows' removal without the files': their builds' keys see to both. Looked for again
 * and again, since what the crash left is too young at the start that follows it.
 */
export async function healPlacements(engine: Marker): Promise<void> {
  const open = await listPlacements(engine.database, {
    states: ['intent', 'removing'],
    minAgeSeconds: STALE_PLACEMENT_SECONDS,
  })
  const ids = [...new Set(open.map((place) => place.prodBuildId))]
  // What is marked at once has no order among itself: a seed's newest builds come before its old ones.
  for (let at = 0; at < ids.length; at += HEALED_AT_ONCE) {
    const some = ids.slice(at, at + HEALED_AT_ONCE)
    await markUnlessQueued(
      engine,
      some.map((buildId) => ({ kind: 'build', buildId })),
    )
  }
}

/**
 * What policy holds ends with what it clashed with (a local build removed, a tagging gone), and nobody tells: looked at again
 * now and then.
 */
export async function retryHeld(engine: Marker): Promise<void> {
  const rows = await engine.database.query<{ key: string }>(
    'run.held',
    `select distinct key from staging_sync.clash where state = 'held' limit 10000`,
  )
  await markUnlessQueued(
    engine,
    rows.map((row) => parseKey(row.key)),
  )
}

/** A key that is queued is seen to already, and one that is parked must stay parked: a mark would start it anew. */
export async function markUnlessQueued(engine: Marker, keys: readonly Key[]): Promise<void> {
  const rows = await engine.database.query<{ key: string }>(
    'run.queued',
    'select key from staging_sync.queue where key = any($1::text[])',
    [keys.map(formatKey)],
  )
  const queued = new Set(rows.map((row) => row.key))
  const left = keys.filter((key) => !queued.has(formatKey(key)))
  await engine.queue.mark(left.map((key) => ({ key, priority: 'sweep' })))
}

/** What people decided just now: their keys may have been converged under the policy of before. */
export async function followDecisions(engine: Marker & Pick<Engine, 'decisions'>): Promise<void> {
  const keys = await engine.decisions.load()
  await engine.queue.mark(keys.map((key) => ({ key, priority: 'live' })))
}
