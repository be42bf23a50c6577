import { pruneBuild } from '../converge/build/prune.ts'
import { AgainError, KeyError, type SyncError } from '../errors.ts'
import type { Key } from '../model/key.ts'
import type { PruneNews, PruneOptions } from '../model/upkeep.ts'
import type { Claim } from '../queue/queue.ts'
import { type Daemon, leaveDaemons, listDaemons } from '../staging/daemons.ts'
import { listPrunable, type PrunableBuild } from '../staging/prunable.ts'
import { refuseUnsafeStorage } from './run.ts'
import { startWork } from './start-work.ts'
import type { Engine, World } from './world.ts'

const DAY_SECONDS = 86_400
/** Read in one statement. */
const PAGE = 1_000

/**
 * Lists copies that no tag in scope needs any more, and where asked takes them out of staging, one after the other: safe beside daemons,
 * to be stopped and to be repeated.
 */
export async function* runPrune(
  world: World,
  daemon: Daemon,
  options: PruneOptions,
  signal: AbortSignal,
): AsyncGenerator<PruneNews> {
  const engine = await world.engine()
  const { database } = engine
  const idleSeconds = options.olderThanDays * DAY_SECONDS
  const found: PrunableBuild[] = []
  if (engine.deps.scope.builds !== 'all') {
    for (let after = -1; ; ) {
      const page = await listPrunable(database, { after, limit: PAGE, idleSeconds })
      found.push(...page)
      const last = page.at(-1)
      if (last === undefined || signal.aborted) break
      after = last.buildId
    }
  }
  const total = { builds: 0, bytes: 0, kept: 0 }
  if (!options.remove) {
    for (const build of found) {
      total.builds += 1
      total.bytes += build.bytes
      yield { ...told(build), outcome: 'prunable', reason: null }
    }
    yield { kind: 'end', ...total, removed: false }
    return
  }
  await refuseUnsafeStorage(world)
  const others = (await listDaemons(database)).length > 0
  await startWork(engine, daemon, others)
  const stop = new AbortController()
  const staying = engine.membership.stay(AbortSignal.any([signal, stop.signal])).catch(() => {})
  try {
    for (const [i, build] of found.entries()) {
      if (signal.aborted) break
      const kept = await prune(engine, build, signal)
      if (kept === null) {
        total.builds += 1
        total.bytes += build.bytes
      } else total.kept += 1
      yield { ...told(build), outcome: kept === null ? 'pruned' : 'kept', reason: kept }
      yield { kind: 'progress', done: i + 1, of: found.length }
    }
    yield { kind: 'end', ...total, removed: true }
  } finally {
    stop.abort()
    await staying
    await leaveDaemons(database, daemon.id).catch(() => {})
  }
}

/** Null: it is gone. Else why it stays. Throws what is no fault of this build. */
async function prune(engine: Engine, build: PrunableBuild, signal: AbortSignal): Promise<string | null> {
  const key: Key = { kind: 'build', buildId: build.buildId }
  const [claim] = await engine.queue.markAndClaim([{ key, priority: 'sweep' }])
  if (claim === undefined) return 'somebody works on it'
  try {
    return await pruneBuild(engine.deps, claim as Claim & { readonly key: typeof key }, signal)
  } catch (error) {
    await engine.queue.release([claim], { delayMs: 0 })
    if (!(error instanceof KeyError) && !(error instanceof AgainError)) throw error
    return `${(error as SyncError).code}: ${error.message}`
  }
}

function told({ buildId, name, version, release, bytes }: PrunableBuild) {
  return { kind: 'build', buildId, nvr: `${name}-${version}-${release}`, bytes } as const
}
