import { availableParallelism, hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { CatchUp } from '../catchup/catch-up.ts'
import { catchupMigrations } from '../catchup/migrations.ts'
import type { Config } from '../config/config.ts'
import { Breakers, type Probes } from '../converge/breakers.ts'
import { BuildConverger } from '../converge/build/build.ts'
import { RoomGate } from '../converge/build/room.ts'
import type { Convergers, Deps } from '../converge/deps.ts'
import { ExternalRepoConverger } from '../converge/external-repo.ts'
import { LookupConverger } from '../converge/lookup.ts'
import { Many } from '../converge/many/many.ts'
import { ManyTogether } from '../converge/many/together.ts'
import { convergeMigrations } from '../converge/migrations.ts'
import { PackageConverger } from '../converge/package.ts'
import { Scope } from '../converge/scope.ts'
import { TagConverger } from '../converge/tag.ts'
import { TaggedConverger } from '../converge/tagged.ts'
import { TargetConverger } from '../converge/target.ts'
import { Worker } from '../converge/worker.ts'
import { ConfigError } from '../errors.ts'
import type { XmlRpcHub } from '../hub/xml-rpc-hub.ts'
import { decidedConvergers } from '../operations/decided.ts'
import { Decisions } from '../operations/decisions.ts'
import { MemberQueue } from '../operations/member-queue.ts'
import { Membership } from '../operations/membership.ts'
import { Placements } from '../operations/placements.ts'
import { notInitialised } from '../operations/prepared.ts'
import { SchemaWatch } from '../operations/schema-watch.ts'
import type { Engine } from '../operations/world.ts'
import { Breaker, type BreakerClock } from '../queue/breaker.ts'
import { queueMigrations } from '../queue/migrations.ts'
import { PostgresQueue } from '../queue/postgres-queue.ts'
import { reconcileMigrations } from '../reconcile/migrations.ts'
import { Reconcile } from '../reconcile/reconcile.ts'
import { Scrub } from '../reconcile/scrub.ts'
import { scrubMigrations } from '../reconcile/scrub-migrations.ts'
import { activityMigrations } from '../staging/activity-migrations.ts'
import type { Catalog } from '../staging/catalog.ts'
import type { Database } from '../staging/database.ts'
import { payDebts } from '../staging/debt.ts'
import { decisionMigrations } from '../staging/decision-migrations.ts'
import { pendingMigrations } from '../staging/migration.ts'
import { Names } from '../staging/names.ts'
import { numberSetting, readSettings } from '../staging/settings.ts'
import { stagingMigrations } from '../staging/tables.ts'
import type { Step } from '../step.ts'
import { FarmPlacement } from '../storage/farm-placement.ts'
import type { Placement } from '../storage/placement.ts'
import { VolumePlacement } from '../storage/volume-placement.ts'
import { converged, type Telemetry } from '../telemetry/events.ts'
import { bytesCopied } from '../telemetry/measured.ts'
import { createCopies, type OnOpened } from './copies.ts'
import { mayUseThreads } from './threads.ts'

/** Between two looks at the queue when nobody says that there is something. */
const IDLE_MS = 1_000
/** Claims outlive a daemon that died by this. */
const LEASE_MS = 60_000

/** All parts' tables of our own schema. */
export const MIGRATIONS = [
  ...stagingMigrations,
  ...queueMigrations,
  ...convergeMigrations,
  ...catchupMigrations,
  ...reconcileMigrations,
  ...scrubMigrations,
  ...decisionMigrations,
  ...activityMigrations,
]

/** What works on keys. Throws ConfigError NOT_INITIALISED before `init`, SETTING_PINNED when staging follows another prod. */
export async function createEngine(parts: {
  readonly config: Config
  readonly telemetry: Telemetry
  readonly step: Step
  readonly hub: XmlRpcHub
  readonly database: Database
  readonly catalog: Catalog
  readonly onOpened: OnOpened
}): Promise<Engine> {
  const { config, telemetry, step, hub, database, catalog, onOpened } = parts
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
  const membership = new Membership(database)
  const postgresQueue = new PostgresQueue({
    database,
    holder: `${hostname()}:${process.pid}`,
    random: Math.random,
    monotonicMs: () => performance.now(),
    timing: { leaseMs: LEASE_MS },
  })
  const queue = new MemberQueue(postgresQueue, membership, telemetry)
  const owner = { userId, seedEvent: numberSetting(settings, 'seed_event') }
  const decisions = new Decisions(database, config.conflicts)
  await decisions.load()
  const placements = createPlacements(config, step, {
    onWritten: (mode, bytes) => bytesCopied(telemetry, mode, bytes),
    onOpened,
  })
  const deps: Deps = {
    hub,
    database,
    catalog,
    queue,
    names: new Names({ database, catalog }),
    scope: new Scope({ ...config.scope, sideTags: false }),
    owner,
    conflicts: config.conflicts,
    conflictsFor: (key) => decisions.conflictsFor(key),
    placement: placements,
    tagRewrite: config.tagRewrite,
    externalRepoRewrite: config.externalRepoRewrite,
  }
  const schema = new SchemaWatch({
    database,
    catalog,
    queue,
    telemetry,
    monotonicMs: () => performance.now(),
  })
  const clock: BreakerClock = {
    nowMs: () => performance.now(),
    sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => {}),
  }
  const breakers = (['database', 'hub', 'storage', 'space'] as const).map(
    (part) => new Breaker({ part, clock, random: Math.random }),
  )
  const probes: Probes = { storage: () => placements.probe(), space: () => placements.probeRoom() }
  const room = { breakers: new Breakers(breakers, telemetry, probes), waiting: new Set<number>() }
  const convergers: Convergers = schema.watched(
    decidedConvergers(deps, decisions, (decided) => createConvergers(decided, room)),
  )
  const offsetMs = await clockOffsetMs(database)
  return {
    database,
    catalog,
    queue,
    membership,
    schema,
    deps,
    owner,
    decisions,
    convergers,
    breakers,
    catchUp: new CatchUp({ hub, database, queue, overlapMs: config.catchUp.overlapMs }),
    many: new Many({
      deps,
      onEnded: (key) =>
        converged(telemetry, key, { outcome: { kind: 'applied', rows: 0 }, elapsedMs: 0, lagMs: null }),
    }),
    reconcile: new Reconcile({ deps }),
    scrub: new Scrub({ deps }),
    worker: (given = {}) =>
      new Worker({
        queue,
        convergers,
        breakers,
        probes,
        telemetry,
        concurrency: config.worker.concurrency,
        graceMs: config.worker.shutdownGraceMs,
        idleMs: IDLE_MS,
        databaseNowMs: () => Date.now() + offsetMs,
        random: Math.random,
        payDebts: () => payDebts(database, catalog, owner.userId),
        ...given,
        ...(given.convergers === undefined ? { together: new ManyTogether(deps) } : {}),
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

function createConvergers(
  deps: Deps,
  room: { readonly breakers: Breakers; readonly waiting: Set<number> },
): Convergers {
  return {
    build: new RoomGate(new BuildConverger(deps), deps.queue, room),
    tag: new TagConverger(deps),
    package: new PackageConverger(deps),
    tagged: new TaggedConverger(deps),
    target: new TargetConverger(deps),
    'external-repo': new ExternalRepoConverger(deps),
    lookup: new LookupConverger(deps),
  }
}

/** `fsync` false: links of placement `volume` are not made durable one by one. `onWritten`: as of `CopyPlacement`. */
export function createPlacements(
  config: Config,
  step: Step,
  {
    fsync = true,
    onWritten = () => {},
    onOpened = () => {},
  }: {
    readonly fsync?: boolean
    readonly onWritten?: Parameters<typeof createCopies>[2]
    readonly onOpened?: OnOpened
  },
): Placements {
  const { topdir, linkTarget, volumes } = config.prod
  const trees = { stagingTopdir: config.staging.topdir, made: config.files, step }
  const placements: Placement[] = []
  if (topdir !== null) {
    const links = { ...trees, prodTopdir: topdir, linkTarget: linkTarget ?? topdir }
    const threads = mayUseThreads(step) ? bulkThreads() : 0
    placements.push(new VolumePlacement({ ...links, fsync, threads }), new FarmPlacement(links))
  }
  placements.push(...createCopies(config, step, onWritten, onOpened))
  return new Placements({ rules: config.placement, placements, volumes })
}

/** They make links for a seed while the database server makes indexes. */
function bulkThreads(): number {
  return Math.min(4, availableParallelism())
}
