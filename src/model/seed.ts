/** What a person asked of `seed`. */
export interface SeedOptions {
  /** a file, a directory, an address, or `-`; null: no dump is loaded */
  readonly dump: string | null
  /** put what is ready in the place of the running database */
  readonly swap: boolean
  readonly rollback: boolean
  /** a dump that is older than what staging shows already is allowed */
  readonly allowOlder: boolean
  /** what staging made itself, and would be left behind in the kept database, is allowed to be */
  readonly leaveLocal: boolean
  /** room on the database server, as a person knows it; null: it is found out where that is possible */
  readonly freeBytes: number | null
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
  | { readonly kind: 'swapped'; readonly kept: string; readonly ended: number; readonly downtimeMs: number }
