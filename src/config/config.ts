import type { Secret } from '../model/secret.ts'
import type { PlacementMode } from '../storage/placement.ts'
import type { ListenAddress } from './listen.ts'

/** The effective configuration: everything has a value. Frozen; made by `load.ts` from file, environment and flags. */
export interface Config {
  readonly prod: {
    /** XML-RPC address of prod's hub */
    readonly hub: string
    /** prod's tree as this process sees it; null: not mounted */
    readonly topdir: string | null
    /** prod's package server; null: none, or not needed */
    readonly topurl: string | null
    /** prod's tree as staging's hub, builders, web server and composers see it: what links point to */
    readonly linkTarget: string | null
    readonly caFile: string | null
    readonly requestsPerSecond: number
    readonly concurrency: number
    readonly timeoutMs: number
    /** for queryHistory, for which the hub scans tables; not below `timeoutMs` */
    readonly historyTimeoutMs: number
    /** prod's volume name to staging's volume name */
    readonly volumes: Readonly<Record<string, string>>
    readonly allowWritableMount: boolean
  }
  readonly staging: {
    /** postgresql:// address, without a password */
    readonly database: string
    /** from the address, the password file or the systemd credential; null: PostgreSQL's own ways (pgpass, peer) */
    readonly databasePassword: Secret | null
    /** what the database's server is checked against; null: as the address says */
    readonly caFile: string | null
    /** XML-RPC address of staging's hub, if told; never written to */
    readonly hub: string | null
    readonly topdir: string
    /** the Koji user that rows are created by */
    readonly user: string
    readonly idFloor: number
    readonly poolSize: number
  }
  /** how placements `copy` and `in-place` bring files */
  readonly copy: {
    /** shell patterns */
    readonly arches: readonly string[]
    /** whose signed copies are made */
    readonly signedKeys: readonly string[]
    readonly sigcache: boolean
    readonly logs: boolean
    /** null: no cap */
    readonly bytesPerSecond: number | null
    readonly openTransfers: number
    readonly reflink: boolean
    readonly hardlink: boolean
    readonly fsync: boolean
    /** free space that copying leaves */
    readonly reserveBytes: number
    readonly fileMode: number
  }
  /** of what is made in staging's tree; null: as the directory above */
  readonly files: {
    readonly uid: number | null
    readonly gid: number | null
    readonly directoryMode: number | null
  }
  readonly inPlace: {
    /** when it was changed, the snapshot was taken; null: nobody tells */
    readonly stamp: string | null
    /** program and arguments; empty: there is none */
    readonly refreshCommand: readonly string[]
    readonly refreshTimeoutMs: number
  }
  readonly bus: {
    readonly fedmsg: {
      readonly endpoints: readonly string[]
      readonly topicPrefix: string
      readonly instance: string
      readonly baseUrl: string | null
      readonly validateSignatures: boolean
      /** a path or an address; null only when signatures are not checked, or there is no bus */
      readonly ca: string | null
      /** null: nobody is revoked */
      readonly crl: string | null
      /** null: everybody whom the CA knows may send everything */
      readonly policyFile: string | null
      readonly nitpicky: boolean
      readonly backends: readonly 'x509'[]
      readonly silenceTimeoutMs: number
    }
    readonly datagrepper: {
      /** null: not asked */
      readonly url: string | null
      readonly lookbackSeconds: number
      readonly validateSignatures: boolean
    }
  }
  readonly scope: {
    /** shell patterns of tag names */
    readonly tags: readonly string[]
    readonly excludeTags: readonly string[]
    readonly builds: 'tagged' | 'all'
  }
  readonly placement: readonly PlacementRule[]
  readonly conflicts: {
    readonly build: ConflictPolicy
    readonly tag: ConflictPolicy
    /** what to do with removals in prod of what staging uses */
    readonly onRemoved: RemovalPolicy
  }
  readonly externalRepoRewrite: readonly { readonly match: string; readonly replace: string }[]
  readonly tagRewrite: readonly TagRewriteRule[]
  readonly worker: {
    /** keys that are converged at a time */
    readonly concurrency: number
    readonly shutdownGraceMs: number
  }
  readonly catchUp: {
    readonly intervalMs: number
    /** the pause is at least so many times the time that prod's hub took */
    readonly restFactor: number
    readonly overlapMs: number
    /** when one catch-up a day goes back by `longOverlapMs` instead; null: never */
    readonly longAt: TimeOfDay | null
    readonly longOverlapMs: number
  }
  readonly reconcile: {
    /** when the daemon reconciles, once a day; null: never */
    readonly at: TimeOfDay | null
    readonly jitterMs: number
  }
  readonly scrub: {
    /** 0: the daemon does not scrub */
    readonly days: number
    readonly buildsPerSecond: number
  }
  /** what is kept of our own records, and for how long */
  readonly retention: {
    readonly clashDays: number
    readonly checkpointDays: number
    readonly checkpointsPerKey: number
  }
  /** what `seed` makes of prod's dump */
  readonly seed: {
    /** shell patterns of tables whose rows are left out */
    readonly leftOut: readonly string[]
    readonly jobs: number
    readonly ownTables: readonly string[]
    readonly maintenanceDatabase: string
    readonly channels: readonly string[]
    readonly keepGrants: boolean
    readonly principalRewrite: readonly { readonly match: string; readonly replace: string }[]
    readonly users: readonly {
      readonly name: string
      readonly permissions: readonly string[]
      readonly contentGenerators: readonly string[]
      readonly principals: readonly string[]
    }[]
    readonly hosts: readonly {
      readonly name: string
      readonly arches: readonly string[]
      readonly channels: readonly string[]
      readonly capacity: number
      readonly principals: readonly string[]
    }[]
  }
  /** null: no HTTP server */
  readonly http: {
    readonly listen: ListenAddress | null
    /** how long a daemon that stopped for safety still tells so */
    readonly lingerMs: number
  }
  readonly log: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' }
}

/** On the clock of the host's time zone. */
export interface TimeOfDay {
  readonly hour: number
  readonly minute: number
}

export type ConflictPolicy = 'prod-wins' | 'local-wins' | 'hold'

/** `hold` keeps what staging uses and reports it; `prod-wins` removes it all the same. */
export type RemovalPolicy = 'hold' | 'prod-wins'

/** First match wins; an absent list matches everything. */
export interface PlacementRule {
  readonly tags: readonly string[] | null
  readonly packages: readonly string[] | null
  readonly btypes: readonly string[] | null
  readonly mode: PlacementMode
}

export interface TagRewriteRule {
  readonly tags: readonly string[]
  /** arches to keep, of those that prod has; null: all */
  readonly arches: readonly string[] | null
  /** extra keys to set; a null value removes the key */
  readonly extra: Readonly<Record<string, unknown>>
}
