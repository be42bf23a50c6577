import type { Drift } from './drift.ts'
import type { Key } from './key.ts'
import type { OpenKeys } from './open-keys.ts'
import type { ScrubNews, ScrubOptions } from './scrub.ts'
import type { SeedNews, SeedOptions } from './seed.ts'
import type { ClashesReport, ShownAudit, ShownDecision, ShownParked, StatusReport } from './status.ts'
import type { Timestamp } from './time.ts'
import type { PruneNews, PruneOptions, RefreshNews } from './upkeep.ts'

/** One precondition as `doctor` saw it. */
export interface Check {
  /** `part.what`, stable: `hub.version`, `database.schema`, `storage.mount` */
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  /** What was found, in one line. */
  readonly message: string
  /** What to do about it; null where nothing is to do. */
  readonly todo: string | null
  /** True where writing would be dangerous (wrong hub, writable prod): exit 14 instead of 1. */
  readonly unsafe?: boolean
}

export interface DoctorOptions {
  /** how long the bus is listened to for a message, at most */
  readonly listenMs: number
}

/** What `init` did. Running it twice reports `unchanged` for everything. */
export interface InitReport {
  readonly steps: readonly {
    readonly what: string
    readonly outcome: 'done' | 'unchanged'
    readonly detail: string
  }[]
  /** Things that stood in staging and equal prod's: ours from now on. Names by kind. */
  readonly adopted: Readonly<Record<string, readonly string[]>>
  /** Things that stood in staging and do not equal prod's: local. Counts by kind. */
  readonly local: Readonly<Record<string, number>>
}

/** How `sync` ended for one of the keys that were asked for. */
export interface SyncedKey {
  /** The key as it was typed. */
  readonly key: Key
  readonly outcome: 'unchanged' | 'applied' | 'skipped' | 'held' | 'waiting' | 'failed' | 'parked'
  /** Why, for everything but `unchanged` and `applied`. */
  readonly reason: string | null
  /** Rows that were written. */
  readonly rows: number
  readonly elapsedMs: number
}

export interface ReconcileOptions {
  /** compare only; nothing is written, to Koji's tables nor to ours */
  readonly dryRun: boolean
  /** names and patterns of tags; none: everything in scope */
  readonly tags: readonly string[]
  /** inferred removals beyond the hourly budget that a person allows this run; default: none */
  readonly allowRemovals?: number
  /** that person's account */
  readonly allowedBy?: string
}

/** What a reconcile tells: differences as they are found, how far it is, and at last the sum. */
export type ReconcileNews =
  | { readonly kind: 'difference'; readonly drift: Drift }
  /** what was compared; `of`: tags that are to be, as far as is known: parents come in on the way */
  | { readonly kind: 'comparing'; readonly tags: number; readonly of: number; readonly builds: number }
  /** keys that are still to be seen through */
  | { readonly kind: 'converging'; readonly left: number }
  | { readonly kind: 'end'; readonly report: ReconcileReport }

export interface ReconcileReport extends OpenKeys {
  /** what was compared */
  readonly tags: number
  readonly builds: number
  /** differences by state */
  readonly differences: Readonly<Record<Drift['state'], number>>
}

export interface EventOptions {
  /** prod's event */
  readonly event: number
  /** the tag that a compose reads, with all that it inherits from; null: everything in scope */
  readonly tag: string | null
}

/** Which event of staging shows what prod showed at one of its own. */
export interface EventAnswer {
  readonly prodEvent: number
  /** null: none does */
  readonly stagingEvent: number | null
  /** why none does, of some of the keys, for people; empty where one does */
  readonly reasons: readonly string[]
  /** the nearest events of prod that staging shows, below and above, with staging's; null: none is near */
  readonly nearest: {
    readonly below: { readonly prodEvent: number; readonly stagingEvent: number } | null
    readonly above: { readonly prodEvent: number; readonly stagingEvent: number } | null
  }
}

export interface CatchUpOptions {
  /** read on from this event of prod, or from this time by prod's clock, instead of from where it was read last */
  readonly since?: number | Timestamp
  /** a person says that prod was restored from a backup: what came after the last event that it still has is forgotten */
  readonly prodRestored?: boolean
}

/** What a catch-up tells: how far it is, and at last the sum. */
export type CatchUpNews =
  | {
      readonly kind: 'finding'
      readonly source: string
      /** sources that were read to their end, of all */
      readonly done: number
      readonly of: number
      /** rows that the hub has answered, keys that were marked */
      readonly rows: number
      readonly keys: number
    }
  | { readonly kind: 'converging'; readonly left: number; readonly keys: number }
  | { readonly kind: 'end'; readonly report: CatchUpEnd }

export interface CatchUpEnd extends OpenKeys {
  /** prod's event up to which its history was read */
  readonly cursor: number
  readonly rows: number
  readonly keys: number
  /** whether daemons did the work */
  readonly daemons: boolean
}

/** What a decision by hand led to. */
export interface Decided {
  /** the keys that were marked */
  readonly keys: readonly string[]
  /** false: no daemon runs that would see to them */
  readonly daemons: boolean
}

/**
 * The work behind the commands. Made by `context.ts`, used by `cli`.
 *
 * MUST: an aborted signal ends a method soon, with StopError or normally, after claims are given back. Errors that end the
 * process are the classes of errors.ts. `destroy` may be called at any time after the methods have ended, once.
 */
export interface Operations {
  init(signal: AbortSignal): Promise<InitReport>
  /** Statements that let `role` (null: the one of the configuration) do what the service does, and nothing else. Writes nothing. */
  printGrants(role: string | null): Promise<string>
  /** Never throws for a failing precondition: that is a Check. */
  doctor(signal: AbortSignal, options: DoctorOptions): AsyncIterable<Check>
  /**
   * Whether `run` could work with this configuration in place of the one that this process runs now. Throws what hinders it; joins
   * nobody and writes nothing.
   */
  prepareRun(): Promise<void>
  /** The daemon; returns when the signal stops it. `onReady`: hub, database and trees can be worked with. */
  run(signal: AbortSignal, onReady?: () => void): Promise<void>
  /** Each key once, in the order in which they end. */
  sync(keys: readonly Key[], signal: AbortSignal): AsyncIterable<SyncedKey>
  reconcile(options: ReconcileOptions, signal: AbortSignal): AsyncIterable<ReconcileNews>
  catchUp(options: CatchUpOptions, signal: AbortSignal): AsyncIterable<CatchUpNews>
  event(options: EventOptions, signal: AbortSignal): Promise<EventAnswer>
  scrub(options: ScrubOptions, signal: AbortSignal): AsyncIterable<ScrubNews>
  seed(options: SeedOptions, signal: AbortSignal): AsyncIterable<SeedNews>
  prune(options: PruneOptions, signal: AbortSignal): AsyncIterable<PruneNews>
  refreshSnapshot(signal: AbortSignal): AsyncIterable<RefreshNews>
  status(signal: AbortSignal): Promise<StatusReport>
  /** Of one key, or of all. */
  clashes(key: Key | null): Promise<ClashesReport>
  /** Decides for a key; `config`: as configured again. Throws SyncError CLASH_UNKNOWN. */
  resolveClash(key: Key, policy: ShownDecision['policy'] | 'config', by: string): Promise<Decided>
  parked(limit: number): Promise<readonly ShownParked[]>
  /** Tries parked keys at once; null: all of them. Throws SyncError PARKED_UNKNOWN, and marks none then. */
  retryParked(keys: readonly Key[] | null, by: string): Promise<Decided>
  /** What people did by hand, the newest first; to one key, or to all. */
  audit(key: Key | null, limit: number): Promise<readonly ShownAudit[]>
  /** Closes connections, sockets, the HTTP listener. */
  destroy(): Promise<void>
}
