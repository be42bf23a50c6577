import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { FedmsgSubscriber } from './bus/fedmsg-subscriber.ts'
import { Receiver } from './bus/receive.ts'
import { CatchUp } from './catchup/catch-up.ts'
import { catchupMigrations } from './catchup/migrations.ts'
import type { Config } from './config/config.ts'
import { fingerprintOf } from './config/fingerprint.ts'
import { BuildConverger } from './converge/build/build.ts'
import type { Convergers, Deps } from './converge/deps.ts'
import { ExternalRepoConverger } from './converge/external-repo.ts'
import { LookupConverger } from './converge/lookup.ts'
import { convergeMigrations } from './converge/migrations.ts'
import { PackageConverger } from './converge/package.ts'
import { Scope } from './converge/scope.ts'
import { TagConverger } from './converge/tag.ts'
import { TaggedConverger } from './converge/tagged.ts'
import { TargetConverger } from './converge/target.ts'
import { Worker } from './converge/worker.ts'
import { ConfigError } from './errors.ts'
import { XmlRpcHub } from './hub/xml-rpc-hub.ts'
import type { Operations } from './model/operations.ts'
import { runDoctor } from './operations/doctor.ts'
import { runInit } from './operations/init.ts'
import { Placements } from './operations/placements.ts'
import { runReconcile } from './operations/reconcile.ts'
import { runDaemon } from './operations/run.ts'
import { notInitialised, readStatus } from './operations/status.ts'
import { runSync } from './operations/sync.ts'
import type { BusHandlers, Engine, World } from './operations/world.ts'
import { Breaker, type BreakerClock } from './queue/breaker.ts'
import { queueMigrations } from './queue/migrations.ts'
import { PostgresQueue } from './queue/postgres-queue.ts'
import { reconcileMigrations } from './reconcile/migrations.ts'
import { Reconcile } from './reconcile/reconcile.ts'
import { Catalog } from './staging/catalog.ts'
import { Database } from './staging/database.ts'
import { pendingMigrations } from './staging/migration.ts'
import { Names } from './staging/names.ts'
import { numberSetting, readSettings } from './staging/settings.ts'
import { stagingMigrations } from './staging/tables.ts'
import { noStep, type Step } from './step.ts'
import { VolumePlacement } from './storage/volume-placement.ts'
import {
  busConnectionChanged,
  httpFailed,
  httpListening,
  hubAnswered,
  messageHandled,
  type Telemetry,
} from './telemetry/events.ts'
import { Health } from './telemetry/health.ts'
import { HttpServer } from './telemetry/http.ts'

/** A loop of the daemon that has not turned for so long is stuck. */
const STALE_AFTER_MS = 120_000
/** Between two looks at the queue when nobody says that there is something. */
const IDLE_MS = 1_000
/** A database that does not answer the connect for so long is down. */
const CONNECT_TIMEOUT_MS = 10_000
/** Claims outlive a daemon that died by this. */
const LEASE_MS = 60_000

const MIGRATIONS = [
  ...stagingMigrations,
  ...queueMigrations,
  ...convergeMigrations,
  ...catchupMigrations,
  ...reconcileMigrations,
]

export interface ContextOptions {
  readonly config: Config
  readonly telemetry: Telemetry
  /** the seam of the tests; default: lets everything pass */
  readonly step?: Step
}

/** The work behind the commands. Connects nowhere before it is asked to. */
export async function createOperations(options: ContextOptions): Promise<Operations> {
  const world = createWorld(options)
  const daemon = {
    id: randomUUID(),
    host: hostname(),
    pid: process.pid,
    digest: world.digest,
  }
  return {
    init: () => runInit(world),
    doctor: () => runDoctor(world),
    run: (signal) => runDaemon(world, daemon, signal),
    sync: (keys, signal) => runSync(world, daemon, keys, signal),
    reconcile: (what, signal) => runReconcile(world, daemon, what, signal),
    status: () => readStatus(world),
    destroy: () => world.destroy(),
  }
}

/** Constructs every adapter, the only place that does; each on first use, all of them closed by `destroy`, last first. */
export function createWorld({ config, telemetry, step = noStep }: ContextOptions): World {
  const closers: (() => Promise<void>)[] = []
  const health = new Health({ staleAfterMs: STALE_AFTER_MS })
  const hub = once(() => {
    const made = createHub(config, telemetry, step)
    closers.push(() => made.destroy())
    return made
  })
  const database = onceOrAgain(async () => {
    const made = await Database.create({
      url: config.staging.database,
      ...(config.staging.databasePassword === null
        ? {}
        : { password: config.staging.databasePassword.reveal() }),
      applicationName: 'koji-staging-sync',
      poolSize: config.staging.poolSize,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
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
    }),
  )
  return {
    config,
    telemetry,
    health,
    migrations: MIGRATIONS,
    digest: createHash('sha256')
      .update(JSON.stringify(fingerprintOf(config)))
      .digest('hex'),
    storageChecks: {
      prodTopdir: config.prod.topdir,
      linkTarget: config.prod.linkTarget,
      stagingTopdir: config.staging.topdir,
      stagingVolumes: [...new Set(Object.values(config.prod.volumes))],
      allowWritableMount: config.prod.allowWritableMount,
      step,
    },
    hub,
    database,
    catalog,
    engine,
    bus: (handlers) => createBus(config, telemetry, step, handlers),
    http: async ({ host, port }) => {
      const server = await HttpServer.create({
        host,
        port,
        metrics: () => telemetry.metrics.registry.metrics(),
        health: () => health.state(),
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

function createHub(config: Config, telemetry: Telemetry, step: Step): XmlRpcHub {
  return new XmlRpcHub({
    url: config.prod.hub,
    ca: config.prod.caFile === null ? undefined : readCa(config.prod.caFile),
    requestsPerSecond: config.prod.requestsPerSecond,
    concurrency: config.prod.concurrency,
    timeoutMs: config.prod.timeoutMs,
    step,
    onRequest: ({ methods, seconds, outcome, bytes }) =>
      hubAnswered(telemetry, {
        outcome: outcome === 'ok' ? 'ok' : outcome === 'HUB_STOPPED' ? 'aborted' : 'outage',
        calls: methods.length,
        elapsedMs: seconds * 1000,
        bytes,
      }),
  })
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError('CA_FILE_UNREADABLE', `prod.ca_file ${path} cannot be read`, { cause: error })
  }
}

async function createEngine(parts: {
  readonly config: Config
  readonly telemetry: Telemetry
  readonly step: Step
  readonly hub: XmlRpcHub
  readonly database: Database
  readonly catalog: Catalog
}): Promise<Engine> {
  const { config, telemetry, step, hub, database, catalog } = parts
  catalog.requireColumns()
  const pending = await pendingMigrations(database, MIGRATIONS)
  const settings = pending.length === 0 ? await readSettings(database) : new Map()
  const userId = numberSetting(settings, 'user_id')
  if (userId === null) {
    throw notInitialised()
  }
  const pinned = settings.get('pin:prod hub')
  if (pinned !== undefined && pinned !== config.prod.hub) {
    throw new ConfigError('SETTING_PINNED', `this staging follows ${pinned}, not ${config.prod.hub}`)
  }
  const queue = new PostgresQueue({
    database,
    holder: `${hostname()}:${process.pid}`,
    random: Math.random,
    monotonicMs: () => performance.now(),
    timing: { leaseMs: LEASE_MS },
  })
  const owner = { userId, seedEvent: numberSetting(settings, 'seed_event') }
  const deps: Deps = {
    hub,
    database,
    catalog,
    queue,
    names: new Names({ database, catalog }),
    scope: new Scope({ ...config.scope, sideTags: false }),
    owner,
    conflicts: config.conflicts,
    placement: createPlacements(config, step),
    tagRewrite: config.tagRewrite,
    externalRepoRewrite: config.externalRepoRewrite,
  }
  const convergers: Convergers = {
    build: new BuildConverger(deps),
    tag: new TagConverger(deps),
    package: new PackageConverger(deps),
    tagged: new TaggedConverger(deps),
    target: new TargetConverger(deps),
    'external-repo': new ExternalRepoConverger(deps),
    lookup: new LookupConverger(deps),
  }
  const clock: BreakerClock = {
    nowMs: () => performance.now(),
    sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => {}),
  }
  const breakers = (['database', 'hub', 'storage'] as const).map(
    (part) => new Breaker({ part, clock, random: Math.random }),
  )
  const offsetMs = await clockOffsetMs(database)
  return {
    database,
    catalog,
    queue,
    deps,
    owner,
    convergers,
    breakers,
    catchUp: new CatchUp({ hub, database, queue, overlapMs: config.catchUp.overlapMs }),
    reconcile: new Reconcile({ deps }),
    worker: (given = {}) =>
      new Worker({
        queue,
        convergers: given.convergers ?? convergers,
        breakers,
        probes: { storage: () => deps.placement.probe() },
        telemetry,
        concurrency: config.worker.concurrency,
        graceMs: config.worker.shutdownGraceMs,
        idleMs: IDLE_MS,
        databaseNowMs: () => Date.now() + offsetMs,
        random: Math.random,
        ...(given.onTurn === undefined ? {} : { onTurn: given.onTurn }),
      }),
  }
}

/** What to add to this host's clock to get the database's; for the lag metric only. */
async function clockOffsetMs(database: Database): Promise<number> {
  const before = Date.now()
  const [row] = await database.query<{ now: number }>(
    'context.clock',
    `select extract(epoch from clock_timestamp())::double precision * 1000 as now`,
  )
  return (row?.now ?? before) - (before + Date.now()) / 2
}

function createPlacements(config: Config, step: Step): Placements {
  const { topdir, linkTarget, volumes } = config.prod
  const volume =
    topdir === null
      ? []
      : [
          new VolumePlacement({
            prodTopdir: topdir,
            linkTarget: linkTarget ?? topdir,
            stagingTopdir: config.staging.topdir,
            step,
          }),
        ]
  return new Placements({ rules: config.placement, placements: volume, volumes })
}

function createBus(
  config: Config,
  telemetry: Telemetry,
  step: Step,
  handlers: BusHandlers,
): { run(): Promise<void>; destroy(): Promise<void> } {
  const { endpoints, topicPrefix, instance, baseUrl, silenceTimeoutMs } = config.bus.fedmsg
  const source = new FedmsgSubscriber({ endpoints, topicPrefix, silenceTimeoutMs, step })
  return new Receiver({
    source,
    topicPrefix,
    instance,
    baseUrl,
    // Tags are renamed and swapped, so a name of theirs is always asked of prod.
    known: { package: handlers.packageId, tag: () => null },
    mark: (marks) => handlers.mark(marks),
    onOutcome: (outcome) => messageHandled(telemetry, outcome),
    onCatchUp: (reason) => handlers.catchUp(reason),
    onConnection: (endpoint, state) => busConnectionChanged(telemetry, { endpoint, state }),
  })
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
