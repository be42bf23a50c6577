import type { TagListingRow } from '../model/history-rows.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { Expectation } from '../model/outcome.ts'
import { BUILD_STATE } from '../model/records.ts'
import { type Claim, FIRST_GENERATION } from '../queue/queue.ts'
import type { Sql } from '../staging/database.ts'
import { type Listing, readListing } from '../staging/listing.ts'
import type { Converged, Converger, Deps } from './deps.ts'
import { findBuildRows, heldBuilds } from './identify.ts'
import type { WantedEntry } from './listing-diff.ts'
import { differenceOf, REVOKE_SLOT } from './listing-difference.ts'
import { type LeftAlone, type Proofs, type Reading, type Stop, settleReading } from './settle.ts'
import { leaveToTag, settingsOf } from './tag-gone.ts'
import { LookAhead } from './tagged-ahead.ts'
import { lookAtTagged, type TaggedLook } from './tagged-look.ts'
import { listingIn, type Reads, readTagged, type TaggedInProd, type TaggedKey } from './tagged-read.ts'
import type { Clash } from './versioned-diff.ts'
import { MAX_WAITS, skipped, waitFor } from './wait.ts'

/**
 * Prod's list, asked for before the key was claimed, by a message that told of it. Whoever claims may rely on a read that began
 * after all marks of the claim, and after everything that was applied before it. So it counts only if that message's mark is
 * the claim's only one, and if nothing in staging's listing has an event above `eventBefore`, which was known before the read
 * began: another daemon that read prod after us and applied before us would have left such rows.
 */
export interface Foresight {
  readonly prod: Promise<TaggedInProd>
  readonly eventBefore: number
}

/**
 * One package's builds in one tag: the ordered list.
 *
 * Observed with one queryHistory of active tag_listing rows (one statement, so a snapshot; it shows builds that listTagged
 * hides), and for removals with the revoked rows, which prove them. Only COMPLETE builds are replicated. A build that
 * staging lacks comes first, as a dependency; one that is parked, that policy keeps out, or that does not come is left out.
 */
export class TaggedConverger implements Converger<TaggedKey> {
  readonly #deps: Deps
  /** The newest event of staging that was ever seen in a listing: what gets a higher one came after that. */
  #newestEvent = 0
  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Asks prod for the list while the key is marked and claimed. */
  foresee(key: TaggedKey, expect: readonly Expectation[], signal: AbortSignal): Foresight {
    const prod = readTagged(this.#deps.hub, key, expect, { priority: 'live', signal })
    prod.catch(() => {})
    return { prod, eventBefore: this.#newestEvent }
  }

  async converge(
    key: TaggedKey,
    claim: Claim,
    signal: AbortSignal,
    foreseen: Foresight | null = null,
  ): Promise<Converged> {
    const options = { priority: claim.priority, signal }
    // Other marks than the one that it was read for may tell of later changes.
    const early = claim.generation === FIRST_GENERATION ? foreseen : null
    const ahead =
      early === null
        ? null
        : new LookAhead((buildIds) => this.#look(this.#deps.database, key, buildIds), claim.expect)
    const prod = await (early?.prod ?? readTagged(this.#deps.hub, key, claim.expect, options))
    const observed = { key, claim, ...prod, unmet: unmetOf(claim.expect, prod.rows), options }
    const known = (await ahead?.for(prod)) ?? null
    let first = known
    let last: Looked | null = null
    return settleReading(this.#deps, {
      claim,
      unmet: observed.unmet,
      read: async (sql, after) => {
        if (after && last !== null)
          return known === null ? this.#again(sql, last) : this.#wholeAgain(sql, observed, last)
        const look = first ?? (await this.#look(sql, key, buildsOf(prod)))
        first = null
        // Somebody applied something since: perhaps by a later read than this one.
        if (early !== null && look.listing.newestEvent > early.eventBefore)
          return stop(() => this.converge(key, claim, signal))
        last = await this.#compare(sql, observed, look)
        return last
      },
      prove: (lastApplied) => this.#prove(key, claim, lastApplied, options),
    })
  }

  async #look(sql: Sql, key: TaggedKey, buildIds: readonly number[]): Promise<TaggedLook> {
    const about = { keyText: formatKey(key), ...key, buildIds }
    const look = await lookAtTagged(sql, this.#deps.owner, about)
    this.#learn(look.listing)
    return look
  }

  #learn({ newestEvent }: Listing): void {
    this.#newestEvent = Math.max(this.#newestEvent, newestEvent)
  }

  /** What is to be done; or why nothing is, yet. */
  async #compare(sql: Sql, of: Observed, look: TaggedLook): Promise<Looked> {
    const { hub, database, scope } = this.#deps
    const { key, claim, rows, removed, unmet, options } = of
    const { tag, state } = look
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
      const build = look.build(row)
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
          ? proofsOf(removed.revoked, (row) => look.build(row)?.id, state.lastApplied)
          : null,
    }
  }

  /** The listing once more, after it was written. */
  async #again(sql: Sql, last: Looked): Promise<Reading | Stop> {
    if ('stop' in last || last.list === null) return last
    const { list, prodEvent } = last
    const buildIds = list.wanted.map(({ buildId }) => buildId)
    const listing = await readListing(sql, { ...list, buildIds }, this.#deps.owner)
    this.#learn(listing)
    return { ...last, difference: differenceOf(this.#deps, list, listing, prodEvent) }
  }

  /** All of it once more, where the diff was made of a look before the transaction. */
  async #wholeAgain(sql: Sql, observed: Observed, last: Looked): Promise<Reading | Stop> {
    if ('stop' in last) return last
    const look = await this.#look(sql, observed.key, buildsOf(observed))
    return this.#compare(sql, observed, { ...look, state: { ...look.state, lastApplied: last.prodEvent } })
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
    return proofsOf(gone.tag_listing, (row) => builds.get(row.buildId), lastApplied)
  }
}

/** Those that a look is to tell of. */
function buildsOf({ rows, removed }: TaggedInProd): number[] {
  return [...rows, ...(removed?.revoked ?? [])].map(({ buildId }) => buildId)
}

/** One claim's view of prod. */
interface Observed extends TaggedInProd {
  readonly key: TaggedKey
  readonly claim: Claim
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
 * that was reset the history is gone too: its own key removes its taggings in staging.) `idOf`: staging's id of a row's build.
 */
function proofsOf(
  revoked: readonly TagListingRow[],
  idOf: (row: TagListingRow) => number | undefined,
  lastApplied: number | null,
): Proofs {
  const revokedAt = new Map<number, number>()
  for (const row of revoked) {
    const buildId = idOf(row)
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

/** As prod's hub shows them, oldest first: create_event, then build id (kojihub.py readTaggedBuilds). */
export function byOrder(a: TagListingRow, b: TagListingRow): number {
  return a.createEvent - b.createEvent || a.buildId - b.buildId
}

/** What was claimed of builds (`build:101` is `tagged` or `untagged`) and is not so by prod's active rows. */
export function unmetOf(expect: readonly Expectation[], rows: readonly TagListingRow[]): Expectation[] {
  const tagged = new Set(rows.map((row) => `build:${row.buildId}`))
  return expect.filter(({ subject, claim }) => (claim === 'tagged') !== tagged.has(subject))
}
