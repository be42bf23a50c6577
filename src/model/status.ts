import type { ActivityMinute, RecentThing } from './activity.ts'
import type { Compared } from './compared.ts'
import type { LastReconcile } from './last-reconcile.ts'
import type { PlacementUse } from './placement-use.ts'
import type { ScrubStatus } from './scrub.ts'
import type { TreeState } from './tree-state.ts'

/** The same thing with other content on both sides, as it stands now. */
export interface ShownClash {
  readonly key: string
  /** what people call it; null: staging has no name for it */
  readonly name: string | null
  /** what it is about, within its key */
  readonly subject: string
  readonly kind: string
  readonly state: 'held' | 'prod-won' | 'local-won'
  readonly prod: unknown
  readonly local: unknown
  readonly firstSeen: string
  readonly lastSeen: string
  readonly count: number
}

/** How a person settled the clashes of a key. */
export interface ShownDecision {
  readonly key: string
  readonly name: string | null
  readonly policy: 'prod-wins' | 'local-wins' | 'hold'
  readonly by: string
  readonly host: string
  readonly at: string
}

/** What a person did by hand. */
export interface ShownAudit {
  /** ISO 8601 */
  readonly at: string
  readonly by: string
  readonly host: string
  /** the command */
  readonly what: string
  readonly subject: string
  readonly name: string | null
  readonly detail: string
}

export interface ClashesReport {
  /** newest first, bounded */
  readonly clashes: readonly ShownClash[]
  readonly decisions: readonly ShownDecision[]
}

export interface ShownParked {
  readonly key: string
  readonly name: string | null
  readonly code: string
  readonly reason: string
  readonly attempts: number
  /** ISO 8601 */
  readonly since: string
  readonly retryAt: string
}

/** Something that came or was done, with what people call it. */
export interface ShownThing extends RecentThing {
  readonly name: string | null
}

/** A daemon that works on this staging. */
export interface ShownDaemon {
  readonly host: string
  readonly pid: number
  /** ISO 8601 */
  readonly started: string
  readonly seenSeconds: number
}

export interface Verdict {
  readonly level: 'good' | 'busy' | 'bad'
  /** a few words */
  readonly title: string
  readonly text: string
  /** what this rests on; none: the database does not answer */
  readonly compared: readonly Compared[]
}

/**
 * How staging stands: what `status`, the page and /status.json show. Read from staging's database alone, so that it can be told while
 * the daemon is down.
 */
export interface StatusReport {
  /** when this was read, milliseconds since 1970 by the database's clock */
  readonly atMs: number
  readonly prodHub: string
  readonly daemons: readonly ShownDaemon[]
  readonly queue: {
    /** ready to be taken, by priority */
    readonly live: number
    readonly sweep: number
    /** in backoff, or given back */
    readonly delayed: number
    /** found or made equal, and looked at again at times since prod does not show what a message told */
    readonly relook: number
    /** waiting for other keys */
    readonly waiting: number
    readonly claimed: number
    readonly parked: number
    /** age of the oldest mark that is due and not parked; 0: there is none */
    readonly oldestSeconds: number
  }
  /** parked keys by the code of what parked them */
  readonly parkedByCode: Readonly<Record<string, number>>
  /** the newest of them, bounded; `queue.parked` has the full count */
  readonly parked: readonly ShownParked[]
  /** clashes that stand, by what policy decided */
  readonly clashes: Readonly<Record<string, number>>
  /** the newest of them with both sides, bounded; and what people decided */
  readonly clashing: ClashesReport
  /** of the last hour, oldest first */
  readonly minutes: readonly ActivityMinute[]
  /** the newest first, bounded */
  readonly recent: readonly ShownThing[]
  /** null: everything was never compared */
  readonly reconcile: LastReconcile | null
  /** null: nobody has scrubbed yet */
  readonly scrub: ScrubStatus | null
  /** where each source of catch-up stands, in prod's ids and prod's clock; `staging-history` in staging's */
  readonly cursors: readonly {
    readonly source: string
    readonly event: number | null
    /** of the newest change that was read, ISO 8601; null: none */
    readonly time: string | null
  }[]
  readonly placements: readonly PlacementUse[]
  /** null: it cannot be seen from here */
  readonly tree: TreeState | null
  /** Rows that are ours, by kind (`build`, `rpm`) and by table of Koji's (`tag_listing`), as counted once a day. */
  readonly owned: Readonly<Record<string, number>>
  /** ISO 8601; null: no daemon has counted them yet */
  readonly ownedCountedAt: string | null
  /** Announcements to staging's kojira that a crash left unpaid. */
  readonly debts: number
}
