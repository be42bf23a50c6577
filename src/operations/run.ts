import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { asError, OutageError, SafetyError, SyncError } from '../errors.ts'
import type { Mark } from '../model/outcome.ts'
import { QUEUE_CHANNEL } from '../queue/queue.ts'
import { type Daemon, leaveDaemons } from '../staging/daemons.ts'
import { payDebts } from '../staging/debt.ts'
import type { StorageCheck } from '../storage/check.ts'
import { checkStorage } from '../storage/checks.ts'
import { safetyStopped, serviceStarting } from '../telemetry/service-events.ts'
import { busPosition } from './bus-position.ts'
import { catchUpOnce, longCatchUp } from './catch-up-long.ts'
import { CatchUpLoop } from './catch-up-loop.ts'
import { FOLLOW_MS } from './decisions.ts'
import { followDecisions, healPlacements, retryHeld } from './healing.ts'
import { keepHouse } from './housekeeping.ts'
import { Measures } from './measures.ts'
import { markMoved } from './moved-builds.ts'
import { PackageIds } from './package-ids.ts'
import { createPages } from './pages.ts'
import { untilHubAnswers } from './readiness.ts'
import { runReconcileLoop } from './reconcile-loop.ts'
import { untilReplaced } from './run-following.ts'
import { runScrubLoop } from './scrub-loop.ts'
import { prepareWork } from './start-work.ts'
import type { Engine, World } from './world.ts'

const MEASURE_MS = 5_000
const HEAL_MS = 60_000
const HELD_MS = 3_600_000
const DEBT_MS = 30_000
const SCHEMA_MS = 300_000
const HOUSEKEEPING_MS = 6 * 3_600_000
/** What can wait does not begin while a daemon starts. */
const SETTLED_MS = 600_000

/**
 * A step of catch-up (an answer, a transaction) that takes longer is stuck: the hub may be asked several times for one answer, behind
 * other work, and a transaction of many rows has two minutes.
 */
const CATCH_UP_STEP_MS = 600_000
const STEP_REQUESTS = 5
/** A step of reconcile is a whole tag, which may have hundreds of thousands of rows. */
const RECONCILE_STEP_MS = 3_600_000
/** The scrub looks twice at ten builds; a hub that is down is waited for, see patient-hub.ts. */
const SCRUB_STEP_MS = 120_000
const SCRUB_REQUESTS = 20

/**
 * The daemon: joins the others, heals what a crash left, then receives, catches up and converges until the signal.
 * Subscribes before it catches up, so that nothing falls between. Throws what must end the process.
 */
export async function runDaemon(
  world: World,
  daemon: Daemon,
  signal: AbortSignal,
  onReady: () => void = () => {},
): Promise<void> {
  const { config, telemetry, health } = world
  serviceStarting(telemetry, "connects to staging's database")
  const engine = await world.engine()
  const storage = await refuseUnsafeStorage(world)
  const stop = new AbortController()
  const all = AbortSignal.any([signal, stop.signal])
  // Each loop listens to it.
  setMaxListeners(0, all)
  const fatal: unknown[] = []
  /** What ends the daemon when it ends. */
  const vital = async (work: () => Promise<void>, then: 'ends' | 'goes on' = 'ends'): Promise<void> => {
    try {
      await work()
    } catch (error) {
      if (!all.aborted || error instanceof SafetyError) fatal.push(error)
      if (error instanceof SafetyError) safetyStopped(telemetry, error)
      stop.abort()
    } finally {
      if (then === 'ends') stop.abort()
    }
  }
  const loop = (name: string, work: () => Promise<void>, staleAfterMs?: number): Promise<void> => {
    health.expect(name, staleAfterMs)
    return vital(work).finally(() => health.ended(name))
  }

  telemetry.metrics.busConfigured.set(config.bus.fedmsg.endpoints.length)
  const measures = new Measures({ engine, telemetry, daemonId: daemon.id })
  await engine.membership.join(daemon)
  let http: { destroy(): Promise<void> } | null = null
  try {
    if (config.http.listen !== null)
      http = await world.http(config.http.listen, createPages(world, engine, measures, storage))
    serviceStarting(telemetry, 'ends what a crash left, reads what staging shows')
    await prepareWork(engine, daemon)
    serviceStarting(telemetry, "waits for prod's hub")
    const worker = engine.worker({ onTurn: () => health.turned('worker') })
    const packageIds = new PackageIds()
    const long = longCatchUp(config, engine)
    const catchUps = new CatchUpLoop({
      catchUp: (aborted, onTurn) => catchUpOnce(engine, long, aborted, onTurn),
      intervalMs: config.catchUp.intervalMs,
      restFactor: config.catchUp.restFactor,
      telemetry,
      onTurn: () => health.turned('catch-up'),
    })
    const bus = world.bus({
      mark: async (marks: readonly Mark[]) => worker.mark(await packageIds.resolve(engine.database, marks)),
      catchUp: (reason) => catchUps.request(reason),
      packageId: (name) => packageIds.get(name),
      turned: () => health.turned('bus'),
      position: busPosition(engine.database),
    })
    const stopBus = (): void => void bus.destroy()
    all.addEventListener('abort', stopBus, { once: true })
    // The signal may have come while we were starting: then nobody else would end it.
    if (all.aborted) stopBus()
    await Promise.all([
      loop('bus', () => bus.run()),
      loop('worker', () => worker.run(all)),
      loop(
        'catch-up',
        () => catchUps.run(all),
        CATCH_UP_STEP_MS + STEP_REQUESTS * config.prod.historyTimeoutMs,
      ),
      loop(
        'reconcile',
        () => runReconcileLoop(world, engine, daemon, () => health.turned('reconcile'), all),
        RECONCILE_STEP_MS,
      ),
      loop(
        'scrub',
        () => runScrubLoop(world, engine, daemon, () => health.turned('scrub'), all),
        SCRUB_STEP_MS + SCRUB_REQUESTS * config.prod.timeoutMs,
      ),
      vital(async () => {
        if (await untilHubAnswers({ hub: world.hub(), telemetry }, all)) onReady()
      }, 'goes on'),
      vital(() => untilReplaced(world.replaced, all)),
      vital(() => engine.database.listen(QUEUE_CHANNEL, () => worker.wake(), all)),
      vital(() => engine.membership.stay(all)),
      vital(() => every(HEAL_MS, all, () => healPlacements(engine))),
      vital(() => every(HEAL_MS, all, () => markMoved(engine, config))),
      vital(() => every(FOLLOW_MS, all, () => followDecisions(engine))),
      vital(() => every(HELD_MS, all, () => retryHeld(engine))),
      vital(() => every(DEBT_MS, all, () => payAll(engine))),
      vital(() =>
        every(
          HOUSEKEEPING_MS,
          all,
          () => keepHouse({ database: engine.database, telemetry, retention: config.retention }, all),
          SETTLED_MS,
        ),
      ),
      vital(() => every(SCHEMA_MS, all, () => engine.schema.look(), SCHEMA_MS)),
      vital(() => every(MEASURE_MS, all, () => measures.measure())),
    ])
  } finally {
    await measures.record().catch(() => {})
    await leaveDaemons(engine.database, daemon.id).catch(() => {})
    const unsafe = fatal.find((error) => error instanceof SafetyError)
    if (http !== null && unsafe !== undefined && config.http.lingerMs > 0) {
      // Who watches must have time to see it: a process that is gone says nothing.
      health.stopped(`writing stopped for safety: ${unsafe.code}`)
      await delay(config.http.lingerMs, undefined, { signal }).catch(() => {})
    }
    await http?.destroy()
  }
  if (fatal.length > 0) throw fatal[0]
}

/** What would let staging write into prod, or leave rows without files, stops the start. Returns what was looked at. */
export async function refuseUnsafeStorage(world: World): Promise<readonly StorageCheck[]> {
  const checks = await checkStorage(world.storageChecks)
  const failed = checks.filter((check) => check.level === 'fail')
  if (failed.length === 0) return checks
  const text = failed.map((check) => `${check.name}: ${check.text}; ${check.hint}`).join('\n')
  const unsafe = failed.some((check) => isUnsafe(check.name))
  if (unsafe) throw new SafetyError('STORAGE_UNSAFE', text)
  throw new OutageError('storage', 'STORAGE_NOT_READY', text)
}

/** Checks of the trees whose failure would let staging write into prod's tree. */
export function isUnsafe(check: string): boolean {
  return /mount|^volume|^trees apart$|link_target/.test(check)
}

/** Debts that lost a race after their commit. */
async function payAll(engine: Engine): Promise<void> {
  await payDebts(engine.database, engine.catalog, engine.owner.userId)
}

/** Repeats until the signal; what fails is tried again the next time, since everything here is also told elsewhere. */
async function every(ms: number, signal: AbortSignal, work: () => Promise<void>, firstMs = 0): Promise<void> {
  if (firstMs > 0) await delay(firstMs, undefined, { signal }).catch(() => {})
  while (!signal.aborted) {
    await work().catch((error) => {
      if (!(asError(error) instanceof SyncError)) throw error
    })
    await delay(ms, undefined, { signal }).catch(() => {})
  }
}
