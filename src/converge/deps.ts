import type { Config } from '../config/config.ts'
import type { Hub } from '../hub/hub.ts'
import type { Key, KeyKind } from '../model/key.ts'
import type { Expectation, Outcome } from '../model/outcome.ts'
import type { Claim, Queue } from '../queue/queue.ts'
import type { Catalog } from '../staging/catalog.ts'
import type { Database } from '../staging/database.ts'
import type { Names } from '../staging/names.ts'
import type { Placement } from '../storage/placement.ts'
import type { Scope } from './scope.ts'

/** What every converger works with; made by `context.ts`. */
export interface Deps {
  readonly hub: Hub
  readonly database: Database
  readonly catalog: Catalog
  readonly queue: Queue
  readonly names: Names
  readonly scope: Scope
  readonly owner: Owner
  readonly conflicts: Config['conflicts']
  /** how clashes of one key are settled, where people may have decided for it; absent: as `conflicts` */
  readonly conflictsFor?: (key: Key) => Config['conflicts']
  readonly placement: PlacementChoice
  readonly tagRewrite: Config['tagRewrite']
  readonly externalRepoRewrite: Config['externalRepoRewrite']
}

/** Whose rows are ours. */
export interface Owner {
  /** staging's Koji user that we create and revoke rows as */
  readonly userId: number
  /** highest event that staging shares with prod (it was copied from there); null: nothing was copied */
  readonly seedEvent: number | null
}

export interface PlacementChoice {
  /** True when a rule asks for tags: only then do they have to be known. */
  readonly needsTags: boolean
  /** Throws OutageError('storage') when a tree that files are placed in is sick. */
  probe(): Promise<void>
  /** The placement of that name. Throws ConfigError PLACEMENT_UNKNOWN when this daemon has none. */
  byMode(mode: string): Placement
  /** The placement for a build, by the configured rules (first match wins). */
  choose(build: { name: string; btypes: readonly string[]; tags: readonly string[] }): Placement
  /** Name of the staging volume that a build of that prod volume gets under that placement. */
  stagingVolume(placement: Placement, prodVolume: string): string
}

export interface Converged {
  readonly outcome: Outcome
  /** Expectations that prod does not show yet; they only schedule another look. */
  readonly unmet: readonly Expectation[]
  /** True when the converger has ended the claim itself (the fence was in its transaction, or it waits). */
  readonly fenced: boolean
}

/** One kind of key. `converge` observes prod, diffs, applies; it may be called any number of times. */
export interface Converger<K extends Key = Key> {
  converge(key: K, claim: Claim, signal: AbortSignal, foreseen?: unknown): Promise<Converged>
  /**
   * Begins to ask prod for a key that is about to be marked and claimed for a message: what it returns goes to `converge` with
   * that claim, if it is given. Must neither throw nor reject by itself.
   */
  foresee?(key: K, expect: readonly Expectation[], signal: AbortSignal): unknown
}

export type Convergers = { readonly [kind in KeyKind]: Converger<Extract<Key, { kind: kind }>> }

/** How clashes of this key are settled. */
export function conflictsOf(deps: Pick<Deps, 'conflicts' | 'conflictsFor'>, key: Key): Config['conflicts'] {
  return deps.conflictsFor?.(key) ?? deps.conflicts
}
