import type { CatchUp } from '../catchup/catch-up.ts'
import type { Config } from '../config/config.ts'
import type { Convergers, Deps, Owner, PlacementChoice } from '../converge/deps.ts'
import type { Many } from '../converge/many/many.ts'
import type { Worker, WorkerOptions } from '../converge/worker.ts'
import type { Hub } from '../hub/hub.ts'
import type { ClockReading } from '../hub/probe.ts'
import type { Check } from '../model/operations.ts'
import type { Mark } from '../model/outcome.ts'
import type { Breaker } from '../queue/breaker.ts'
import type { Queue } from '../queue/queue.ts'
import type { Reconcile } from '../reconcile/reconcile.ts'
import type { Scrub } from '../reconcile/scrub.ts'
import type { Dump } from '../seed/dump-source.ts'
import type { Session } from '../seed/session.ts'
import type { Catalog } from '../staging/catalog.ts'
import type { Database } from '../staging/database.ts'
import type { Migration } from '../staging/migration.ts'
import type { StorageCheck, StorageCheckOptions } from '../storage/check.ts'
import type { Telemetry } from '../telemetry/events.ts'
import type { Health } from '../telemetry/health.ts'
import type { CatchUpReason } from '../telemetry/labels.ts'
import type { Decisions } from './decisions.ts'
import type { Membership } from './membership.ts'
import type { Pages } from './pages.ts'
import type { SchemaWatch } from './schema-watch.ts'

/**
 * What `context.ts` makes, as the commands need it. Nothing is connected before it is asked for; everything that was
 * is closed by `destroy`.
 */
export interface World {
  readonly config: Config
  readonly telemetry: Telemetry
  readonly health: Health
  /** all parts' tables of our own schema */
  readonly migrations: readonly Migration[]
  /** Aborts when another database stands in the place of staging's: everything here was made for the old one. */
  readonly replaced: AbortSignal
  /** of scope and policy: daemons with another one refuse to join */
  readonly digest: string
  readonly storageChecks: StorageCheckOptions
  hub(): Hub
  database(): Promise<Database>
  catalog(): Promise<Catalog>
  /** What works on keys, after `init`. Throws ConfigError NOT_INITIALISED before. */
  engine(): Promise<Engine>
  /** What `seed` works with. */
  seedTools(): SeedTools
  /** The bus; `onMarks` must be durable when it returns. */
  bus(handlers: BusHandlers): { run(): Promise<void>; destroy(): Promise<void> }
  /** What placements that bring bytes need; reads only. */
  checkCopying(): Promise<StorageCheck[]>
  /** What `doctor` asks of the surroundings, beside the work. */
  readonly probes: Probes
  /** What stands between the bus and the queue: whether messages' signatures can be checked. */
  checkSignatures(): Promise<Check>
  http(listen: { host: string; port: number }, pages: Pages): Promise<{ destroy(): Promise<void> }>
  destroy(): Promise<void>
}

export interface Probes {
  /** null: it does not tell. Throws OutageError. */
  hubClock(): Promise<ClockReading | null>
  /** The end of its certificate, milliseconds since 1970; null: no TLS. Throws OutageError. */
  hubCertificate(): Promise<number | null>
  /** Subscribes for a moment; nothing is marked. Throws ConfigError BUS_ENDPOINT_INVALID. */
  bus(wait: { readonly connectMs: number; readonly listenMs: number }): Promise<{
    readonly connected: readonly string[]
    readonly messages: number
  }>
}

export interface SeedTools {
  /** A connection without timeouts to another database of staging's server. The caller closes it. */
  open(database: string): Promise<Session>
  /** A pool there. The caller destroys it. */
  database(name: string): Promise<Database>
  openDump(from: string, signal: AbortSignal): Promise<Dump>
  /** For many builds at once: links are not made durable one by one, but all at the end by `flush`. */
  readonly placements: PlacementChoice
  flush(): Promise<void>
}

export interface Engine {
  readonly database: Database
  readonly catalog: Catalog
  /** hands out claims only to those who joined */
  readonly queue: Queue
  readonly membership: Membership
  readonly schema: SchemaWatch
  readonly deps: Deps
  readonly owner: Owner
  /** what people decided of single keys */
  readonly decisions: Decisions
  readonly convergers: Convergers
  readonly breakers: readonly Breaker[]
  /** Finds what no message announced; marks keys, writes nothing else. */
  readonly catchUp: CatchUp
  /** Compares both sides; writes nothing. */
  readonly many: Many
  readonly reconcile: Reconcile
  /** Looks at builds whole; writes nothing. */
  readonly scrub: Scrub
  /** A worker over these convergers, or given ones, which then converge each key alone. */
  worker(options?: Partial<Pick<WorkerOptions, 'convergers' | 'onTurn' | 'onEnded'>>): Worker
}

export interface BusHandlers {
  readonly mark: (marks: readonly Mark[]) => Promise<void>
  readonly catchUp: (reason: CatchUpReason) => void
  readonly packageId: (name: string) => number | null
  /** how far the bus was read, over restarts; absent: not kept */
  readonly position?: BusPosition
  /** messages are received and marked, or waited for */
  readonly turned: () => void
}

/** Milliseconds since 1970 by this host's clock. */
export interface BusPosition {
  /** null: none was noted */
  read(): Promise<number | null>
  write(readUpToMs: number): Promise<void>
}
