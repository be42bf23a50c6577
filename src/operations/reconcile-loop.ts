import { setTimeout as delay } from 'node:timers/promises'
import { asError, SafetyError, SyncError } from '../errors.ts'
import { giveTurn, takeTurn } from '../reconcile/only-one.ts'
import type { Walked } from '../reconcile/reconcile.ts'
import type { Daemon } from '../staging/daemons.ts'
import { noteReconciled } from '../staging/reconciled.ts'
import {
  driftFound,
  reconcileFailed,
  reconcileFinished,
  reconcileStarted,
  scopeIdle,
} from '../telemetry/finding-events.ts'
import { LIVE_MS } from './crew.ts'
import { DailyTask } from './daily-task.ts'
import { countOwned, keepTurns, type Missed, RECONCILE_TASK, tally } from './reconcile.ts'
import type { Engine, World } from './world.ts'

/** Between two looks at whether it is due; and after one that failed (the hub is down, a person reconciles). */
const LOOK_MS = 30_000
const RETRY_MS = 300_000

/**
 * The daemon's reconcile, once a day: compares everything in scope and marks what differs; the worker does the rest. Also counts,
 * once a day, what is ours. Throws SafetyError.
 */
export async function runReconcileLoop(
  world: World,
  engine: Engine,
  daemon: Daemon,
  onTurn: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { telemetry, config } = world
  const { at, jitterMs } = config.reconcile
  const { database } = engine
  const task =
    at === null ? null : new DailyTask({ database, task: RECONCILE_TASK, at, jitterMs, random: Math.random })
  let pauseMs = 0
  while (!signal.aborted) {
    onTurn()
    if (pauseMs > 0) {
      await delay(Math.min(pauseMs, LOOK_MS), undefined, { signal }).catch(() => {})
      pauseMs -= LOOK_MS
      continue
    }
    try {
      await countOwned(engine)
      await task?.run(() => reconcileOnce(world, engine, daemon, onTurn, signal))
      pauseMs = LOOK_MS
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof SafetyError || !(error instanceof SyncError)) throw error
      reconcileFailed(telemetry, asError(error))
      pauseMs = RETRY_MS
    }
  }
}

async function reconcileOnce(
  world: World,
  engine: Engine,
  daemon: Daemon,
  onTurn: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { telemetry } = world
  const { database, queue, reconcile } = engine
  const startedMs = performance.now()
  const walked: Walked = { tags: 0, builds: 0 }
  const stop = new AbortController()
  await takeTurn(database, daemon)
  reconcileStarted(telemetry)
  const kept = keepTurns(database, daemon.id, AbortSignal.any([signal, stop.signal]))
  try {
    const differences = { drift: 0, queued: 0, parked: 0, held: 0 }
    const missed: Missed = {}
    const onIdle = (patterns: readonly string[]): void => scopeIdle(telemetry, patterns)
    for await (const drifts of reconcile.walk(signal, { tags: [], confirmMs: LIVE_MS, onIdle }, walked)) {
      onTurn()
      tally(missed, drifts)
      for (const { state } of drifts) differences[state] += 1
      for (const drift of drifts) if (drift.state === 'drift') driftFound(telemetry, drift)
      // A key that is queued is seen to already, and a mark would start a parked one anew.
      const fresh = drifts.filter(({ state }) => state === 'drift' || state === 'held')
      await queue.mark(fresh.map(({ key }) => ({ key, priority: 'sweep' })))
    }
    const found = { ...walked, differences, missed }
    await noteReconciled(database, found)
    reconcileFinished(telemetry, { ...found, elapsedMs: performance.now() - startedMs })
  } finally {
    stop.abort()
    await kept
    await giveTurn(database, daemon.id).catch(() => {})
  }
}
