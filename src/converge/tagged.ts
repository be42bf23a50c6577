import { queryHistory } from '../hub/calls-history.ts'
import type { ReadOptions } from '../hub/hub.ts'
import type { TagListingRow } from '../model/history-rows.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { Expectation, Priority } from '../model/outcome.ts'
import { BUILD_STATE } from '../model/records.ts'
import type { Claim } from '../queue/queue.ts'
import type { Sql } from '../staging/database.ts'
import type { Converged, Converger, Deps } from './deps.ts'
import { findBuildRows, heldBuilds } from './identify.ts'
import type { WantedEntry } from './listing-diff.ts'
import { differenceOf, listingDifference, REVOKE_SLOT } from './listing-difference.ts'
import { type LeftAlone, type Proofs, type Reading, type Stop, settleReading } from './settle.ts'
import { leaveToTag, settingsOf } from './tag-gone.ts'
import { lookAtTagged } from './tagged-look.ts'
import type { Clash } from './versioned-diff.ts'
import { MAX_WAITS, skipped, waitFor } from './wait.ts'

type TaggedKey = Extract<Key, { kind: 'tagged' }>

/**
 * One package's builds in one tag: the ordered list.
 *
 * Observed with one queryHistory of active tag_listing rows (one statement, so a snapshot; it shows builds that listTagged
 * hides), and for removals with the revoked rows, which prove them. Only COMPLETE builds are replicated. A build that
 * staging lacks comes first, as a dependency; one that is parked, that policy keeps out, or that does not come is left out.
 */
export class TaggedConverger implements Converger<TaggedKey> {
  readonly #deps: Deps
  constructor(deps: Deps) {
    this.#deps = deps
  }

  async converge(key: TaggedKey, claim: Claim, signal: AbortSignal): Promise<Converged> {
    const options = { priority: claim.priority, signal }
    const { rows, removed } = await this.#read(key, claim, options)
    const unmet = unmetOf(claim.expect, rows)
    let last: Looked | null = null
    return settleReading(this.#deps, {
      claim,
      unmet,
      read: async (sql, after) => {
        if (after && last !== null) return this.#again(sql, last)
        last = await this.#look(sql, { key, claim, rows, removed, unmet, options })
        return last
      },
      prove: (lastApplied) => this.#prove(key, claim, lastApplied, options),
    })
  }

  /** Reads staging, and says what is to be done; or why nothing is, yet. */
  async #look(sql: Sql, of: Observed): Promise<Looked> {
    const { hub, database, scope, owner } = this.#deps
    const { key, claim, rows, removed, unmet, options } = of
    const look = await lookAtTagged(sql, owner, {
      keyText: formatKey(key),
      ...key,
      rows: [...rows, ...(removed?.revoked ?? [])],
    })
    const { tag, state, builds } = look
    if (tag === null) {
      return stop(async () => {
        const reason = await scope.whyOutside(hub, database, key.tagId, options.priority, options.signal)
        if (reason !== null) return skipped(reason)
        return waitFor(this.#deps, claim, [{ kind: 'tag', tagId: key.tagId }], 'its tag comes first')
      })
    }
    const name = rows[0]?.tagName ?? tag.name
    const frozen = await scope.whyFrozen(sql, { ...tag, id: key.tagId, name })
    if (frozen !== null) return stop(async () => skipped(frozen))

    const shown = rows.filter((row) => row.buildState === BUILD_STATE.complete).sort(byOrder)
    const wanted: WantedEntry[] = []
    const missing: TagListingRow[] = []
    for (const row of shown) {
      const build = builds.get(row.buildId)
      if (build?.asApplied === true) wanted.push({ buildId: build.id, prodEvent: row.createEvent })
      else missing.push(row)
    }
    const left = await this.#leftOut(sql, claim, missing)
    if ('waiting' in left)
      return stop(() => waitFor(this.#deps, claim, left.waiting, 'its builds come first'))
    if (look.packageId === null && left.clashes.length === 0 && !state.clashesOpen)
      return stop(async () => ({ outcome: { kind: 'unchanged' }, unmet, fenced: false }))
    const difference = differenceOf(
      this.#deps,
      { tagId: tag.stagingId, wanted },
      look.listing,
      state.lastApplied,
    )
    const prodEvents = rows.map((row) => row.createEvent)
    return {
      state,
      list: look.packageId === null ? null : { tagId: tag.stagingId, packageId: look.packageId, wanted },
      difference: { ...difference, clashes: [...difference.clashes, ...left.clashes] },
      tagIds: [tag.stagingId],
      prodEvent: prodEvents.length === 0 ? null : Math.max(...prodEvents),
      whole: missing.length === 0,
      proofs:
        removed?.tagIsThere === true
          ? proofsOf(removed.revoked, (id) => builds.get(id)?.id, state.lastApplied)
          : null,
    }
  }

  /** The listing once more, after it was written. */
  async #again(sql: Sql, last: Looked): Promise<Reading | Stop> {
    if ('stop' in last || last.list === null) return last
    return { ...last, difference: await listingDifference(sql, this.#deps, last.list, last.prodEvent) }
  }

  /** What becomes of builds that prod shows and staging lacks: they are waited for, or left out. */
  async #leftOut(
    sql: Sql,
    claim: Claim,
    missing: readonly TagListingRow[],
  ): Promise<{ readonly waiting: readonly Key[] } | { readonly clashes: readonly Clash[] }> {
    if (missing.length === 0) return { clashes: [] }
    const held = await heldBuilds(
      sql,
      missing.map((row) => row.buildId),
    )
    const parked = new Set(claim.parkedDependencies.map(formatKey))
    const waiting = missing
      .filter((row) => !held.has(row.buildId))
      .map((row): Key => ({ kind: 'build', buildId: row.buildId }))
      .filter((build) => !parked.has(formatKey(build)))
    if (waiting.length > 0 && claim.waits < MAX_WAITS) return { waiting }
    const hopeless = new Set(waiting.map(formatKey))
    return { clashes: missing.filter((row) => hopeless.has(`build/${row.buildId}`)).map(clashOfMissing) }
  }

  /**
   * The active rows; with them the revoked ones where a message says that a build was untagged, so that the proof of it costs
   * no second round. Where some are active the tag is there, in the same statement of the hub's; else its settings tell
   * whether it was its deletion that emptied the list.
   */
  async #read(
    key: TaggedKey,
    claim: Claim,
    options: Reads,
  ): Promise<{ readonly rows: readonly TagListingRow[]; readonly removed: Removed | null }> {
    const { hub } = this.#deps
    const withRevoked = claim.expect.some((expectation) => expectation.claim === 'untagged')
    const [{ tag_listing: all }] = await hub.read([listingIn(key, withRevoked ? undefined : true)], options)
    if (!withRevoked) return { rows: all, removed: null }
    const rows = all.filter((row) => row.revokeEvent === null)
    const revoked = all.filter((row) => row.revokeEvent !== null)
    if (rows.length > 0) return { rows, removed: { revoked, tagIsThere: true } }
    const [tag] = await hub.read([settingsOf(key.tagId)], options)
    return { rows, removed: { revoked, tagIsThere: tag.tag_config.length > 0 } }
  }

  async #prove(
    key: TaggedKey,
    claim: Claim,
    lastApplied: number | null,
    options: Reads,
  ): Promise<Proofs | LeftAlone> {
    const { hub, database, owner } = this.#deps
    const [gone, tag] = await hub.read([listingIn(key, false), settingsOf(key.tagId)], options)
    if (tag.tag_config.length === 0) return leaveToTag(this.#deps, claim, key.tagId)
    const refs = gone.tag_listing.map((row) => ({ ...row, id: row.buildId, name: row.packageName }))
    const builds = await findBuildRows(database, owner, refs)
    return proofsOf(gone.tag_listing, (id) => builds.get(id), lastApplied)
  }
}

/** How prod is asked for a claim: at its priority, until the daemon stops. */
type Reads = ReadOptions & { readonly priority: Priority }

/** One claim's view of prod. */
interface Observed {
  readonly key: TaggedKey
  readonly claim: Claim
  readonly rows: readonly TagListingRow[]
  readonly removed: Removed | null
  readonly unmet: readonly Expectation[]
  readonly options: Reads
}

/** What one look found; `list` is what the listing alone is looked at with again. */
type Looked =
  | Stop
  | (Reading & {
      readonly list: {
        readonly tagId: number
        readonly packageId: number
        readonly wanted: readonly WantedEntry[]
      } | null
    })

function stop(why: Stop['stop']): Stop {
  return { stop: why }
}

/**
 * A removal is proved by a revoke of the tagging in prod's history that is newer than what was applied before. (Of a build
 * that was reset the history is gone too: its own key removes its taggings in staging.) `idOf`: staging's id of prod's build.
 */
function proofsOf(
  revoked: readonly TagListingRow[],
  idOf: (prodId: number) => number | undefined,
  lastApplied: number | null,
): Proofs {
  const revokedAt = new Map<number, number>()
  for (const row of revoked) {
    const buildId = idOf(row.buildId)
    const event = row.revokeEvent ?? 0
    if (buildId !== undefined && event > (lastApplied ?? 0))
      revokedAt.set(buildId, Math.max(revokedAt.get(buildId) ?? 0, event))
  }
  return (op) => {
    const prodEvent = op.kind === 'revoke' ? revokedAt.get(Number(op.row.cells.build_id)) : undefined
    return prodEvent === undefined ? null : { prodEvent, slot: REVOKE_SLOT }
  }
}

/** Prod shows the tagging, but the build's own key ended without a row, again and again. Reported until it is there. */
function clashOfMissing(row: TagListingRow): Clash {
  return {
    subject: `tag_listing build/${row.buildId}`,
    kind: 'missing',
    prod: { nvr: `${row.packageName}-${row.version}-${row.release}`, create_event: row.createEvent },
    local: null,
    decision: 'held',
  }
}

/** What prod says of removals. */
interface Removed {
  readonly revoked: readonly TagListingRow[]
  readonly tagIsThere: boolean
}

/** Without `active`: active and revoked rows. */
function listingIn(key: TaggedKey, active?: boolean) {
  const only = active === undefined ? {} : { active }
  return queryHistory(['tag_listing'], { tag: key.tagId, package: key.packageId, ...only })
}

/** As prod's hub shows them, oldest first: create_event, then build id (kojihub.py readTaggedBuilds). */
export function byOrder(a: TagListingRow, b: TagListingRow): number {
  return a.createEvent - b.createEvent || a.buildId - b.buildId
}

function unmetOf(expect: readonly Expectation[], rows: readonly TagListingRow[]): Expectation[] {
  const tagged = new Set(rows.map((row) => `build:${row.buildId}`))
  return expect.filter(({ subject, claim }) => (claim === 'tagged') !== tagged.has(subject))
}
