import { queryHistory } from '../hub/calls-history.ts'
import type { TagListingRow } from '../model/history-rows.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { Expectation } from '../model/outcome.ts'
import { BUILD_STATE } from '../model/records.ts'
import type { Claim } from '../queue/queue.ts'
import type { Sql } from '../staging/database.ts'
import type { KeyState } from '../staging/key-state.ts'
import { readListing } from '../staging/listing.ts'
import type { Converged, Converger, Deps } from './deps.ts'
import { findBuildRows, findBuilds, findPackage, findTagAndState, heldBuilds } from './identify.ts'
import { diffListing, type WantedEntry } from './listing-diff.ts'
import type { Op } from './ops.ts'
import { type Difference, type LeftAlone, type Plan, type Proofs, settle } from './settle.ts'
import { leaveToTag, settingsOf } from './tag-gone.ts'
import type { Clash } from './versioned-diff.ts'
import { MAX_WAITS, skipped, waitFor } from './wait.ts'

/** Slots of this key are ordinals from 0; what goes for good goes before whatever is created. */
const REVOKE_SLOT = -1

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

  async converge(key: TaggedKey, claim: Claim): Promise<Converged> {
    const { hub, database, scope, owner, names } = this.#deps
    const [{ tag, state }, { rows, ...read }] = await Promise.all([
      findTagAndState(database, owner, { tagId: key.tagId, keyText: formatKey(key) }),
      this.#read(key, claim),
    ])
    const unmet = unmetOf(claim.expect, rows)
    if (tag === null) {
      const reason = await scope.whyOutside(hub, database, key.tagId, claim.priority)
      if (reason !== null) return skipped(reason)
      return waitFor(this.#deps, claim, [{ kind: 'tag', tagId: key.tagId }], 'its tag comes first')
    }
    const frozen = await scope.whyFrozen(database, {
      ...tag,
      id: key.tagId,
      name: rows[0]?.tagName ?? tag.name,
    })
    if (frozen !== null) return skipped(frozen)

    const shown = rows.filter((row) => row.buildState === BUILD_STATE.complete).sort(byOrder)
    const refs = shown.map((row) => ({ ...row, id: row.buildId, name: row.packageName }))
    const [builds, proofs] = await Promise.all([
      findBuilds(database, owner, refs),
      isRead(read) && read.tagIsThere ? this.#proofs(read.revoked, state.lastApplied) : null,
    ])
    const missing = shown.filter((row) => !builds.has(row.buildId))
    const left: Clash[] = []
    if (missing.length > 0) {
      const held = await heldBuilds(
        database,
        missing.map((row) => row.buildId),
      )
      const parked = new Set(claim.parkedDependencies.map(formatKey))
      const waiting = missing
        .filter((row) => !held.has(row.buildId))
        .map((row): Key => ({ kind: 'build', buildId: row.buildId }))
        .filter((build) => !parked.has(formatKey(build)))
      if (waiting.length > 0 && claim.waits < MAX_WAITS) {
        return waitFor(this.#deps, claim, waiting, 'its builds come first')
      }
      const hopeless = new Set(waiting.map(formatKey))
      left.push(...missing.filter((row) => hopeless.has(`build/${row.buildId}`)).map(clashOfMissing))
    }

    const wanted = shown.flatMap((row): WantedEntry[] => {
      const build = builds.get(row.buildId)
      return build === undefined ? [] : [{ buildId: build.id, prodEvent: row.createEvent }]
    })
    const [found] = builds.values()
    const name = shown[0]?.packageName
    const packageId =
      found !== undefined
        ? found.packageId
        : name === undefined
          ? await findPackage(database, owner, key.packageId)
          : ((await names.ensure('package', [{ prodId: key.packageId, name }])).get(name) ?? null)
    if (packageId === null) return { outcome: { kind: 'unchanged' }, unmet, fenced: false }
    return settle(
      this.#deps,
      this.#plan(key, claim, {
        tagId: tag.stagingId,
        packageId,
        wanted,
        rows,
        proofs,
        unmet,
        state,
        left,
        whole: missing.length === 0,
      }),
    )
  }

  /**
   * The active rows; with them the revoked ones where a message says that a build was untagged, so that the proof of it costs
   * no second round. The tag's settings come last: if they are there, it was not its deletion that emptied the list.
   */
  async #read(key: TaggedKey, claim: Claim): Promise<{ rows: readonly TagListingRow[] } & Partial<Removed>> {
    const { hub } = this.#deps
    const { priority } = claim
    if (!claim.expect.some((expectation) => expectation.claim === 'untagged')) {
      const [shown] = await hub.read([listingOf(key, true)], { priority })
      return { rows: shown.tag_listing }
    }
    const [all, tag] = await hub.read([listingOf(key), settingsOf(key.tagId)], { priority })
    return {
      rows: all.tag_listing.filter((row) => row.revokeEvent === null),
      revoked: all.tag_listing.filter((row) => row.revokeEvent !== null),
      tagIsThere: tag.tag_config.length > 0,
    }
  }

  async #readRemoved(key: TaggedKey, claim: Claim): Promise<Removed> {
    const [gone, tag] = await this.#deps.hub.read([listingOf(key, false), settingsOf(key.tagId)], {
      priority: claim.priority,
    })
    return { revoked: gone.tag_listing, tagIsThere: tag.tag_config.length > 0 }
  }

  #plan(
    key: TaggedKey,
    claim: Claim,
    list: {
      tagId: number
      packageId: number
      wanted: readonly WantedEntry[]
      rows: readonly TagListingRow[]
      proofs: Proofs | null
      unmet: readonly Expectation[]
      state: KeyState
      left: readonly Clash[]
      whole: boolean
    },
  ): Plan {
    const prodEvents = list.rows.map((row) => row.createEvent)
    return {
      claim,
      unmet: list.unmet,
      state: list.state,
      tagIds: [list.tagId],
      prodEvent: prodEvents.length === 0 ? null : Math.max(...prodEvents),
      whole: list.whole,
      difference: async (sql, lastApplied) => {
        const difference = await listingDifference(sql, this.#deps, list, lastApplied)
        return { ...difference, clashes: [...difference.clashes, ...list.left] }
      },
      ...(list.proofs === null ? {} : { proofs: list.proofs }),
      prove: (_removals, lastApplied) => this.#prove(key, claim, lastApplied),
    }
  }

  async #prove(key: TaggedKey, claim: Claim, lastApplied: number | null): Promise<Proofs | LeftAlone> {
    const { revoked, tagIsThere } = await this.#readRemoved(key, claim)
    return tagIsThere ? this.#proofs(revoked, lastApplied) : leaveToTag(this.#deps, claim, key.tagId)
  }

  /**
   * A removal is proved by a revoke of the tagging in prod's history that is newer than what was applied before. (Of a build
   * that was reset the history is gone too: its own key removes its taggings in staging.)
   */
  async #proofs(revoked: readonly TagListingRow[], lastApplied: number | null): Promise<Proofs> {
    const { database, owner } = this.#deps
    const fresh = revoked.filter((row) => (row.revokeEvent ?? 0) > (lastApplied ?? 0))
    const refs = fresh.map((row) => ({ ...row, id: row.buildId, name: row.packageName }))
    const builds = await findBuildRows(database, owner, refs)
    const revokedAt = new Map<number, number>()
    for (const row of fresh) {
      const buildId = builds.get(row.buildId)?.id
      if (buildId !== undefined && row.revokeEvent !== null) {
        revokedAt.set(buildId, Math.max(revokedAt.get(buildId) ?? 0, row.revokeEvent))
      }
    }
    return (op) => {
      const prodEvent = op.kind === 'revoke' ? revokedAt.get(Number(op.row.cells.build_id)) : undefined
      return prodEvent === undefined ? null : { prodEvent, slot: REVOKE_SLOT }
    }
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

function isRead(read: Partial<Removed>): read is Removed {
  return read.revoked !== undefined
}

/** Without `active`: active and revoked rows. */
function listingOf(key: TaggedKey, active?: boolean) {
  const only = active === undefined ? {} : { active }
  return queryHistory(['tag_listing'], { tag: key.tagId, package: key.packageId, ...only })
}

/** Reads one package's listing in staging and diffs it; untags by staging's people are settled by policy. */
export async function listingDifference(
  sql: Sql,
  deps: Pick<Deps, 'owner' | 'conflicts'>,
  list: { tagId: number; packageId: number; wanted: readonly WantedEntry[] },
  lastApplied: number | null,
): Promise<Difference> {
  const { owner, conflicts } = deps
  const { entries: present, untagged } = await readListing(
    sql,
    { ...list, buildIds: list.wanted.map(({ buildId }) => buildId) },
    owner,
  )
  const clashes: Clash[] = []
  const wanted = list.wanted.filter((entry) => {
    const here = untagged.has(entry.buildId) && (lastApplied === null || entry.prodEvent <= lastApplied)
    if (!here) return true
    const prodWins = conflicts.tag === 'prod-wins'
    clashes.push({
      subject: `tag_listing tag_id=${list.tagId} build_id=${entry.buildId}`,
      kind: 'removed',
      prod: { create_event: entry.prodEvent },
      local: null,
      decision: prodWins ? 'prod-won' : conflicts.tag === 'hold' ? 'held' : 'local-won',
    })
    return prodWins
  })

  // What prod has too is ours from now on, whoever tagged it: so that it goes when prod's goes.
  const wantedIds = new Set(wanted.map((entry) => entry.buildId))
  const change = diffListing(
    wanted,
    present.map((entry) => (wantedIds.has(entry.buildId) ? { ...entry, ours: true } : entry)),
  )
  const again = new Set(change.creates.map((create) => create.buildId))
  const adopted = present
    .filter((entry) => !entry.ours && wantedIds.has(entry.buildId) && !again.has(entry.buildId))
    .map(({ row }) => ({ table: 'tag_listing' as const, row }))
  const creates = change.creates.map(
    (create): Op => ({
      kind: 'create',
      table: 'tag_listing',
      cells: { tag_id: list.tagId, build_id: create.buildId },
      slot: create.slot,
      ...(create.replaces !== null && !create.replaces.ours ? { creatorId: create.replaces.creatorId } : {}),
    }),
  )
  const slotOfBuild = new Map(change.creates.map((create) => [create.buildId, create.slot]))
  const revokes = change.revokes.map(({ entry, again }) => ({
    again,
    op: {
      kind: 'revoke',
      table: 'tag_listing',
      row: entry.row,
      slot: again ? (slotOfBuild.get(entry.buildId) as number) : REVOKE_SLOT,
    } satisfies Op,
  }))
  return {
    ops: [...revokes.map(({ op }) => op), ...creates],
    removals: revokes.filter(({ again }) => !again).map(({ op }) => op),
    clashes,
    adopted,
  }
}

/** As prod's hub shows them, oldest first: create_event, then build id (kojihub.py readTaggedBuilds). */
export function byOrder(a: TagListingRow, b: TagListingRow): number {
  return a.createEvent - b.createEvent || a.buildId - b.buildId
}

function unmetOf(expect: readonly Expectation[], rows: readonly TagListingRow[]): Expectation[] {
  const tagged = new Set(rows.map((row) => `build:${row.buildId}`))
  return expect.filter(({ subject, claim }) => (claim === 'tagged') !== tagged.has(subject))
}
