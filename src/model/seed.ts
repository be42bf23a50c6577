/** What a person asked of `seed`. */
export interface SeedOptions {
  /** a file, a directory, an address, or `-`; null: no dump is loaded */
  readonly dump: string | null
  /** put what is ready in the place of the running database */
  readonly swap: boolean
  readonly rollback: boolean
  /** a dump that is older than what staging shows already is allowed */
  readonly allowOlder: boolean
  /** what a swap would do with staging's own work is told, and nothing is swapped */
  readonly plan: boolean
  /** nothing that staging made itself is carried over: it stays behind in the database that is kept */
  readonly leaveLocal: boolean
  /** what of it cannot be carried over may stay behind */
  readonly leaveRest: boolean
  /** of that these alone: keys of `LeftBehind` */
  readonly leave: readonly string[]
  /** room on the database server, as a person knows it; null: it is found out where that is possible */
  readonly freeBytes: number | null
}

/** Staging's own work that came over, or would. */
export interface CarriedKind {
  /** `builds`, `taggings`, ... */
  readonly kind: string
  readonly count: number
  /** their names, where they have some */
  readonly examples: readonly string[]
}

/** Something that does not come over. */
export interface LeftBehind {
  readonly what: string
  readonly why: string
  /** by policy, or since it is nothing that anybody misses; false: a person has to say that it may be left */
  readonly decided: boolean
  /** what `--leave` calls it, its own key first, then those of what it hangs on: `tagging/f43/own-1-1`, `build/own-1-1` */
  readonly keys: readonly string[]
}

/** How the files of complete builds stand after a seed. */
export interface PlannedFiles {
  readonly modes: readonly {
    readonly mode: string
    readonly builds: number
    /** of these, those whose files the daemon places after the swap */
    readonly toBring: number
    readonly bytesToBring: number
  }[]
  /** out of scope, where there is no mount of prod to link to */
  readonly withoutFiles: number
}

/** What a seed tells. */
export type SeedNews =
  | {
      readonly kind: 'loading'
      readonly doing: string
      /** of the dump as it is packed */
      readonly bytes: number
      /** null: nobody knows */
      readonly totalBytes: number | null
      readonly bytesPerSecond: number
      readonly secondsLeft: number | null
    }
  | { readonly kind: 'placing'; readonly done: number; readonly of: number }
  | { readonly kind: 'doing'; readonly what: string }
  | { readonly kind: 'note'; readonly text: string }
  | {
      readonly kind: 'loaded'
      readonly tables: number
      readonly rows: number
      readonly leftOut: readonly string[]
    }
  | { readonly kind: 'reset'; readonly table: string; readonly what: string; readonly rows: number }
  | {
      readonly kind: 'placed'
      readonly placed: number
      readonly later: number
      readonly failed: number
      readonly examples: readonly string[]
    }
  | {
      readonly kind: 'ready'
      readonly database: string
      readonly seedEvent: number
      readonly elapsedMs: number
    }
  | {
      readonly kind: 'carried'
      /** true: nothing was written, this is what a swap would do now */
      readonly isPlan: boolean
      readonly carried: readonly CarriedKind[]
      readonly left: readonly LeftBehind[]
      readonly elapsedMs: number
    }
  | ({ readonly kind: 'files' } & PlannedFiles)
  /** keys of builds whose signatures changed after the dump: for the daemon to look at */
  | { readonly kind: 'marked'; readonly builds: number }
  | { readonly kind: 'swapped'; readonly kept: string; readonly ended: number; readonly downtimeMs: number }
