import { setMaxListeners } from 'node:events'
import type { Deps } from '../converge/deps.ts'
import { AgainError, KeyError, SyncError } from '../errors.ts'
import type { ReadOptions } from '../hub/hub.ts'
import type { Drift } from '../model/drift.ts'
import type { Key } from '../model/key.ts'
import { compilePatterns } from '../model/pattern.ts'
import { compareWhole } from './build-whole.ts'
import { judge } from './judge.ts'
import { lookTwice } from './look-twice.ts'
import { patientHub } from './patient-hub.ts'
import { readOwnedBuilds } from './staging-builds.ts'

/** A build that could not be read or judged, or never rested; its key meets the same. */
export interface ScrubFailure {
  readonly key: Key
  readonly error: SyncError
}

/** What looking at some builds gave. */
export interface Scrubbed {
  readonly drifts: readonly Drift[]
  readonly failures: readonly ScrubFailure[]
}

/**
 * Looks at builds whole, rows and files, on both sides; writes nothing. By itself and not by marking each build: then the queue would be
 * rewritten once a pass for nothing, and nobody would learn what had differed.
 */
export class Scrub {
  readonly #deps: Deps
  constructor(options: { readonly deps: Deps }) {
    this.#deps = { ...options.deps, hub: patientHub(options.deps.hub) }
  }

  /** Prod's ids of builds that staging has from prod, ascending, after an id. */
  next(after: number, limit: number): Promise<number[]> {
    return readOwnedBuilds(this.#deps.database, this.#deps.owner, after, limit)
  }

  /** The same of those that are in staging's tags of these names or patterns. Throws SyncError SCRUB_TAG_UNKNOWN, PATTERN_INVALID. */
  async inTags(patterns: readonly string[]): Promise<number[]> {
    const { database, owner } = this.#deps
    const tags = await database.query<{ id: number; name: string }>(
      'scrub.tags',
      'select t.id, t.name from tag t join tag_config c on c.tag_id = t.id and c.active',
    )
    for (const pattern of patterns) {
      const matches = compilePatterns([pattern])
      if (tags.some(({ name }) => matches(name))) continue
      throw new SyncError('SCRUB_TAG_UNKNOWN', `staging has no tag ${pattern}`, { detail: { pattern } })
    }
    const matches = compilePatterns(patterns)
    const rows = await database.query<{ prodId: number }>(
      'scrub.tagged',
      `select distinct coalesce(o.prod_id, b.id) as "prodId" from tag_listing l join build b on b.id = l.build_id
         left join staging_sync.owned o on o.kind = 'build' and o.staging_id = b.id
        where l.active and l.tag_id = any($1::int[]) and (o.prod_id is not null or b.create_event <= $2::int) order by 1`,
      [tags.filter(({ name }) => matches(name)).map(({ id }) => id), owner.seedEvent],
    )
    return rows.map(({ prodId }) => prodId)
  }

  /**
   * These builds, side by side: their calls share requests. `confirmMs` as in `lookTwice`. Throws OutageError, StopError.
   */
  async look(ids: readonly number[], confirmMs: number, signal: AbortSignal): Promise<Scrubbed> {
    // Each read of each build listens to it.
    const shared = AbortSignal.any([signal])
    setMaxListeners(0, shared)
    const options: ReadOptions = { priority: 'sweep', signal: shared }
    const failures: ScrubFailure[] = []
    const looks = ids.map(async (buildId) => {
      try {
        return await lookTwice(() => compareWhole(this.#deps, buildId, options), confirmMs, shared)
      } catch (error) {
        if (!(error instanceof KeyError) && !(error instanceof AgainError)) throw error
        failures.push({ key: { kind: 'build', buildId }, error })
        return []
      }
    })
    // All of them end before one's error is told: nobody reads on when the caller has gone.
    const ends = await Promise.allSettled(looks)
    const found = ends.map((end) => {
      if (end.status === 'rejected') throw end.reason
      return end.value
    })
    return { drifts: await judge(this.#deps.database, found.flat()), failures }
  }
}
