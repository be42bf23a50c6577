import { setTimeout as delay } from 'node:timers/promises'
import { SyncError } from '../errors.ts'
import type { Drift, DriftKind } from '../model/drift.ts'
import type { OpenKeys } from '../model/open-keys.ts'
import type { ReconcileNews, ReconcileOptions } from '../model/operations.ts'
import { giveTurn, keepTurn, takeTurn } from '../reconcile/only-one.ts'
import type { Walked } from '../reconcile/reconcile.ts'
import { type Daemon, leaveDaemons, listDaemons } from '../staging/daemons.ts'
import type { Database } from '../staging/database.ts'
import { refreshOwnedCounts } from '../staging/owned-counts.ts'
import { noteReconciled } from '../staging/reconciled.ts'
import { endGrant, grantRemovals, keepGrant } from '../staging/removal-grants.ts'
import { driftFound, removalsAllowed, scopeIdle } from '../telemetry/finding-events.ts'
import { Crew, LIVE_MS } from './crew.ts'
import { noteDone } from './daily-task.ts'
import { News } from './news.ts'
import { refuseUnsafeStorage } from './run.ts'
import { startWork } from './start-work.ts'
import type { Engine, World } from './world.ts'

export { Crew, LIVE_MS } from './crew.ts'

const TURN_MS = 15_000

/** The daily task of the daemons that a reconcile of everything stands for. */
export const RECONCILE_TASK = 'reconcile'

/** Differences by state. */
type Counts = Record<Drift['state'], number>
/** Those that nobody knew of, by kind. */
export type Missed = Partial<Record<DriftKind, number>>

export function tally(missed: Missed, drifts: readonly Drift[]): void {
  for (const { state, kind } of drifts) if (state === 'drift') missed[kind] = (missed[kind] ?? 0) + 1
}

/**
 * Compares both sides and, unless it is a dry run, marks what differs and sees it through: by working on the queue itself, or
 * where a daemon runs by waiting for that. Nothing else of staging is written.
 */
export async function* runReconcile(
  world: World,
  daemon: Daemon,
  options: ReconcileOptions,
  signal: AbortSignal,
): AsyncGenerator<ReconcileNews> {
  const { allowRemovals = 0 } = options
  if (allowRemovals > 0 && options.dryRun) {
    throw new SyncError('REMOVALS_INVALID', 'a dry run removes nothing: there is nothing to allow')
  }
  const engine = await world.engine()
  const { database, reconcile } = engine
  const others = (await listDaemons(database)).length > 0
  const walked: Walked = { tags: 0, builds: 0 }
  const counts: Counts = { drift: 0, queued: 0, parked: 0, held: 0 }
  const missed: Missed = {}
  let of = 0
  const onTags = (tags: number): void => {
    of = tags
  }
  const onIdle = (patterns: readonly string[]): void => scopeIdle(world.telemetry, patterns)
  const confirmMs = others ? LIVE_MS : 0
  const walk = reconcile.walk(signal, { tags: options.tags, confirmMs, onTags, onIdle }, walked)
  const soFar = (): ReconcileNews => ({ kind: 'comparing', ...walked, of: Math.max(of, walked.tags) })
  const report = (ends: OpenKeys): ReconcileNews => ({
    kind: 'end',
    report: { ...walked, differences: counts, ...ends },
  })

  if (options.dryRun) {
    for await (const drifts of walk) {
      yield* told(drifts, counts)
      yield soFar()
    }
    yield report({ heldKeys: 0, parkedKeys: 0, failingKeys: 0, failures: [] })
    return
  }
  await refuseUnsafeStorage(world)
  await takeTurn(database, daemon)
  try {
    await startWork(engine, daemon, others)
    await countOwned(engine)
    if (allowRemovals > 0) {
      const by = { user: options.allowedBy ?? 'unknown', host: daemon.host, pid: daemon.pid }
      await grantRemovals(database, daemon.id, allowRemovals, by)
      removalsAllowed(world.telemetry, { rows: allowRemovals, by: by.user })
    }
    const beside = (until: AbortSignal) => keepTurns(database, daemon.id, until)
    const crew = new Crew(engine, daemon, signal, others, { what: 'reconcile', beside })
    try {
      for await (const drifts of walk) {
        crew.check()
        for (const drift of drifts) if (drift.state === 'drift') driftFound(world.telemetry, drift)
        tally(missed, drifts)
        await crew.mark(drifts.map(({ key }) => key))
        yield* told(drifts, counts)
        yield soFar()
      }
      const news = new News<ReconcileNews>()
      const finished = news.until(() => crew.finish((left) => news.tell({ kind: 'converging', left })))
      yield* news.read()
      await finished
    } finally {
      await crew.stop()
    }
    // The daemons' own of the day has nothing left to find.
    if (options.tags.length === 0) {
      await noteDone(database, RECONCILE_TASK)
      await noteReconciled(database, { ...walked, differences: counts, missed })
    }
    yield report(await crew.ends())
  } finally {
    await endGrant(database, daemon.id).catch(() => {})
    await leaveDaemons(database, daemon.id).catch(() => {})
    await giveTurn(database, daemon.id).catch(() => {})
  }
}

function* told(drifts: readonly Drift[], counts: Counts): Generator<ReconcileNews> {
  for (const drift of drifts) {
    counts[drift.state] += 1
    yield { kind: 'difference', drift }
  }
}

/** Keeps the turn, and what was allowed for it, until the signal. What goes wrong here is told by the others. */
export async function keepTurns(database: Database, id: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await delay(TURN_MS, undefined, { signal }).catch(() => {})
    await keepTurn(database, id).catch(() => {})
    await keepGrant(database, id).catch(() => {})
  }
}

/** What is ours, once a day. Where that fails the budget of removals is its floor, until it is tried again. */
export async function countOwned({ database, owner }: Pick<Engine, 'database' | 'owner'>): Promise<void> {
  await refreshOwnedCounts(database, owner).catch((error: unknown) => {
    if (!(error instanceof SyncError)) throw error
  })
}
