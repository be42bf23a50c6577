import { createHash, randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Config } from './config/config.ts'
import { fingerprintOf } from './config/fingerprint.ts'
import { createBus, createHub, createProbes, databaseAddress } from './context/adapters.ts'
import { checkSignatures, createJudge } from './context/bus-trust.ts'
import { checkCopying, type OnOpened } from './context/copies.ts'
import { createEngine, MIGRATIONS } from './context/engine.ts'
import { createSeedTools } from './context/seed-tools.ts'
import type { JudgeMessage, JudgeOptions } from './model/judged-message.ts'
import type { Operations } from './model/operations.ts'
import { runCatchUp } from './operations/catch-up.ts'
import { listParked, readAudit, readClashes, resolveClash, retryParked } from './operations/clashes.ts'
import { runDoctor } from './operations/doctor.ts'
import { runEvent } from './operations/event.ts'
import { printGrants } from './operations/grants.ts'
import { runInit } from './operations/init.ts'
import { linkedVolumes } from './operations/placements.ts'
import { prepareRun } from './operations/prepare-run.ts'
import { runPrune } from './operations/prune.ts'
import { runReconcile } from './operations/reconcile.ts'
import { runDaemon } from './operations/run.ts'
import { runFollowing } from './operations/run-following.ts'
import { runScrub } from './operations/scrub.ts'
import { runSeed } from './operations/seed.ts'
import { refreshSnapshot } from './operations/snapshot.ts'
import { readStatus } from './operations/status.ts'
import { runSync } from './operations/sync.ts'
import type { World } from './operations/world.ts'
import { Catalog } from './staging/catalog.ts'
import { Database } from './staging/database.ts'
import { SameDatabase } from './staging/same-database.ts'
import { noStep, type Step } from './step.ts'
import type { Telemetry } from './telemetry/events.ts'
import { Health } from './telemetry/health.ts'
import { HttpServer } from './telemetry/http.ts'
import { httpFailed, httpListening, loopTurned } from './telemetry/service-events.ts'

/** A loop of the daemon that has not turned for so long is stuck. */
const STALE_AFTER_MS = 120_000
/** A database that does not answer the connect for so long is down. */
const CONNECT_TIMEOUT_MS = 10_000

export interface ContextOptions {
  readonly config: Config
  readonly telemetry: Telemetry
  /** the seam of the tests; default: lets everything pass */
  readonly step?: Step
}

/** The work behind the commands. Connects nowhere before it is asked to. */
export async function createOperations(options: ContextOptions): Promise<Operations> {
  let world = createWorld(options)
  const daemon = {
    id: randomUUID(),
    host: hostname(),
    pid: process.pid,
    digest: world.digest,
  }
  return {
    init: () => runInit(world),
    printGrants: (role) => printGrants(world, role),
    doctor: (_signal, wishes) => runDoctor(world, wishes),
    prepareRun: () => prepareRun(world),
    run: (signal, onReady) =>
      runFollowing(
        () => runDaemon(world, daemon, signal, onReady),
        () => world.replaced.aborted,
        async () => {
          const old = world
          world = createWorld(options)
          await old.destroy()
        },
      ),
    sync: (keys, signal) => runSync(world, daemon, keys, signal),
    reconcile: (what, signal) => runReconcile(world, daemon, what, signal),
    catchUp: (what, signal) => runCatchUp(world, daemon, what, signal),
    event: (what, signal) => runEvent(world, what, signal),
    scrub: (what, signal) => runScrub(world, daemon, what, signal),
    seed: (what, signal) => runSeed(world, what, signal),
    prune: (what, signal) => runPrune(world, daemon, what, signal),
    refreshSnapshot: (signal) => refreshSnapshot(world, signal),
    status: () => readStatus(world),
    clashes: (key) => readClashes(world, key),
    resolveClash: (key, policy, by) => resolveClash(world, key, policy, by),
    parked: (limit) => listParked(world, limit),
    audit: (key, limit) => readAudit(world, key, limit),
    retryParked: (keys, by) => retryParked(world, keys, by),
    destroy: () => world.destroy(),
  }
}

/** Judges messages outside of any daemon: what `verify-message` needs. Throws ConfigError BUS_POLICY. */
export function createMessageJudge(options: JudgeOptions): JudgeMessage {
  return createJudge(options, noStep)
}

/** Constructs every adapter, the only place that does; each on first use, all of them closed by `destroy`, last first. */
export function createWorld({ config, telemetry, step = noStep }: ContextOptions): World {
  const closers: (() => Promise<void>)[] = []
  const onOpened: OnOpened = (close) => void closers.push(close)
  const health: Health = new Health({
    staleAfterMs: STALE_AFTER_MS,
    onTurn: () => loopTurned(telemetry, () => health.state().ok),
  })
  const same = new SameDatabase()
  const hub = once(() => {
    const made = createHub(config, telemetry, step)
    closers.push(() => made.destroy())
    return made
  })
  const database = onceOrAgain(async () => {
    const made = await Database.create({
      url: databaseAddress(config.staging),
      ...(config.staging.databasePassword === null
        ? {}
        : { password: config.staging.databasePassword.reveal() }),
      applicationName: 'koji-staging-sync',
      poolSize: config.staging.poolSize,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      verify: (client) => same.verify(client),
      step,
    })
    closers.push(() => made.destroy())
    return made
  })
  const catalog = onceOrAgain(async () => Catalog.read(await database()))
  const engine = onceOrAgain(async () =>
    createEngine({
      config,
      telemetry,
      step,
      hub: hub(),
      database: await database(),
      catalog: await catalog(),
      onOpened,
    }),
  )
  return {
    config,
    telemetry,
    health,
    migrations: MIGRATIONS,
    replaced: same.replaced,
    digest: createHash('sha256')
      .update(JSON.stringify(fingerprintOf(config)))
      .digest('hex'),
    storageChecks: {
      prodTopdir: config.prod.topdir,
      linkTarget: config.prod.linkTarget,
      stagingTopdir: config.staging.topdir,
      stagingVolumes: linkedVolumes(config.placement, config.prod.volumes),
      allowWritableMount: config.prod.allowWritableMount,
      step,
    },
    hub,
    database,
    catalog,
    engine,
    seedTools: () => createSeedTools(config, step, onOpened),
    checkCopying: () => checkCopying(config, step),
    probes: createProbes(config, step),
    checkSignatures: () => checkSignatures(config, step),
    bus: (handlers) => createBus(config, telemetry, step, handlers),
    http: async ({ host, port }, pages) => {
      const server = await HttpServer.create({
        host,
        port,
        metrics: () => telemetry.metrics.registry.metrics(),
        health: () => health.state(),
        pages,
        onError: (error) => httpFailed(telemetry, error),
      })
      httpListening(telemetry, { host, port: server.port })
      return server
    },
    destroy: async () => {
      // One that fails does not keep the others open.
      const failed: unknown[] = []
      for (const close of closers.splice(0).reverse()) {
        await close().catch((error: unknown) => failed.push(error))
      }
      if (failed.length > 0) throw failed[0]
    },
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** A promise that is kept; one that was rejected is made anew the next time, since what was down may be up. */
function onceOrAgain<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null
  return () => {
    if (made === null) {
      const mine = make()
      made = mine
      mine.catch(() => {
        if (made === mine) made = null
      })
    }
    return made
  }
}
