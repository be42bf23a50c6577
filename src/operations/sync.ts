import { setTimeout as delay } from 'node:timers/promises'
import { around } from '../converge/around.ts'
import type { Converged, Convergers } from '../converge/deps.ts'
import { resolveLookup } from '../converge/lookup.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { SyncedKey } from '../model/operations.ts'
import { QUEUE_CHANNEL } from '../queue/queue.ts'
import { type Daemon, leaveDaemons, listDaemons } from '../staging/daemons.ts'
import { isStuck, readFailing } from './failing.ts'
import { refuseOutage } from './outage.ts'
import { refuseUnsafeStorage } from './run.ts'
import { startWork } from './start-work.ts'
import type { Engine, World } from './world.ts'

/** Between two looks at the queue for keys that another daemon works on. */
const POLL_MS = 50

interface Followed {
  /** as it was typed */
  readonly typed: Key
  readonly key: Key
  readonly startedMs: number
}

/**
 * Converges keys now, whoever else runs with the same policy: names are resolved, the keys marked, and this process works on the queue like
 * any daemon until each of them has left it or is parked. Dependencies and what waits for them are done on the way.
 */
export async function* runSync(
  world: World,
  daemon: Daemon,
  keys: readonly Key[],
  signal: AbortSignal,
): AsyncGenerator<SyncedKey> {
  const engine = await world.engine()
  await refuseUnsafeStorage(world)
  const others = (await listDaemons(engine.database)).length > 0
  await startWork(engine, daemon, others)
  try {
    yield* syncKeys(engine, keys, signal)
  } finally {
    await leaveDaemons(engine.database, daemon.id).catch(() => {})
  }
}

async function* syncKeys(
  engine: Engine,
  keys: readonly Key[],
  signal: AbortSignal,
): AsyncGenerator<SyncedKey> {
  const ended = new Map<string, Converged>()
  const under = new Set<string>()
  const followed: Followed[] = []
  for (const typed of keys) {
    const startedMs = performance.now()
    if (typed.kind !== 'lookup') {
      followed.push({ typed, key: typed, startedMs })
      continue
    }
    const found = await resolveLookup(engine.deps, typed, { priority: 'live' })
    if (found.kind === 'keys') {
      followed.push(...found.keys.map((key) => ({ typed, key, startedMs })))
      continue
    }
    const outcome = found.kind === 'unknown' ? 'failed' : 'skipped'
    yield { key: typed, outcome, reason: found.reason, rows: 0, elapsedMs: performance.now() - startedMs }
  }
  if (followed.length === 0) return

  const stop = new AbortController()
  const worker = engine.worker({ convergers: recording(engine.convergers, { ended, under }) })
  const all = AbortSignal.any([signal, stop.signal])
  let failure: unknown = null
  const running = Promise.all(
    [
      worker.run(all),
      engine.membership.stay(all),
      engine.database.listen(QUEUE_CHANNEL, () => worker.wake(), all),
    ].map((work) =>
      work.catch((error: unknown) => {
        failure ??= error
        stop.abort()
      }),
    ),
  )
  try {
    await worker.mark(followed.map(({ key }) => ({ key, priority: 'live' })))
    const left = new Set(followed)
    while (left.size > 0 && failure === null && !signal.aborted) {
      refuseOutage(engine)
      const states = await readStates(
        engine,
        [...left].map(({ key }) => formatKey(key)),
      )
      for (const item of [...left]) {
        const text = formatKey(item.key)
        const state = states.get(text)
        const open = state === undefined ? null : await openEnd(engine, text, state)
        // It is under way, or has left the queue with its commit: how it ended is said a moment later.
        if (state === undefined ? under.has(text) : open === null) continue
        left.delete(item)
        yield report(item, ended.get(text), open)
      }
      if (left.size > 0) await delay(POLL_MS, undefined, { signal }).catch(() => {})
    }
    // Stopped: a script must not take what is still open for equal.
    for (const { key, startedMs } of left) {
      const elapsedMs = performance.now() - startedMs
      if (failure === null) yield { key, outcome: 'waiting', reason: 'stopped', rows: 0, elapsedMs }
    }
  } finally {
    stop.abort()
    await running
  }
  if (failure !== null) throw failure
}

function report(item: Followed, converged: Converged | undefined, open: OpenEnd | null): SyncedKey {
  const elapsedMs = performance.now() - item.startedMs
  const key = item.key
  if (open !== null) return { key, ...open, rows: 0, elapsedMs }
  // Ended by another daemon in one round that we did not see: what it wrote is in its log.
  if (converged === undefined) return { key, outcome: 'unchanged', reason: null, rows: 0, elapsedMs }
  const { outcome } = converged
  // It waited here and has left the queue since: another daemon has seen to it.
  if (outcome.kind === 'wait' || outcome.kind === 'again') {
    return { key, outcome: 'unchanged', reason: null, rows: 0, elapsedMs }
  }
  return {
    key,
    outcome: outcome.kind,
    reason: 'reason' in outcome ? outcome.reason : null,
    rows: 'rows' in outcome ? outcome.rows : 0,
    elapsedMs,
  }
}

/** The same convergers, with what is under way and the end of each key noted; rounds that only waited or found nothing new do not replace one that wrote. */
function recording(
  convergers: Convergers,
  { ended, under }: { readonly ended: Map<string, Converged>; readonly under: Set<string> },
): Convergers {
  return around(convergers, async (converge, key) => {
    const text = formatKey(key)
    under.add(text)
    try {
      const result = await converge()
      const before = ended.get(text)?.outcome.kind
      if (before === undefined || before === 'wait' || result.outcome.kind !== 'unchanged')
        ended.set(text, result)
      return result
    } finally {
      under.delete(text)
    }
  })
}

interface QueueState {
  readonly parked: boolean
  readonly code: string
  readonly reason: string
}

async function readStates(engine: Engine, keys: readonly string[]): Promise<Map<string, QueueState>> {
  const rows = await engine.database.query<QueueState & { key: string }>(
    'sync.states',
    `select key, parked_at is not null as parked, coalesce(last_code, '') as code, coalesce(last_error, '') as reason
       from staging_sync.queue where key = any($1::text[])`,
    [keys],
  )
  return new Map(rows.map(({ key, ...state }) => [key, state]))
}

/** How a key that is still in the queue ends for whoever waits for it. */
type OpenEnd = Pick<SyncedKey, 'outcome' | 'reason'>

/** null: it goes on. One that fails again and again is tried on by whoever works on the queue then, and not waited for. */
async function openEnd(engine: Engine, key: string, state: QueueState): Promise<OpenEnd | null> {
  if (state.parked) return { outcome: 'parked', reason: `${state.code}: ${state.reason}` }
  if (!(await isStuck(engine.database, 'live', [key]))) return null
  const { failures } = await readFailing(engine.database, [key])
  // Somebody looks at it once more later: it is not over, and nothing failed.
  if (failures.length === 0) return null
  const own = failures.find((one) => one.key === key)
  if (own !== undefined)
    return { outcome: 'failed', reason: `${own.code}: ${own.reason}; it will be tried again` }
  const causes = failures.map((one) => `${one.key} (${one.code}: ${one.reason})`)
  return { outcome: 'waiting', reason: `waits for ${causes.join(', ')}` }
}
