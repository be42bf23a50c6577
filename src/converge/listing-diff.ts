/**
 * What must be done to one package's builds in one tag, so that staging's order is prod's. Pure.
 *
 * "Latest" is the order of `tag_listing.create_event`, then build id (kojihub.py readTaggedBuilds), never the version. An
 * entry that is created or re-tagged gets a fresh event, so it always goes on top. Hence only a *prefix* of the wanted
 * order can be kept as it stands; everything above the first entry that is new or out of place is re-tagged.
 *
 * | prod has it | staging has it | whose      | then                                                    |
 * | ----------- | -------------- | ---------- | ------------------------------------------------------- |
 * | yes         | yes            | any        | kept, or re-tagged when something goes below it; ours from now on |
 * | yes         | no             |            | created (or a local untag, which the caller settles)    |
 * | no          | yes            | ours       | revoked                                                 |
 * | no          | yes            | local      | keeps its place: above the owned entry it stood above   |
 */
export interface WantedEntry {
  /** staging's build id */
  readonly buildId: number
  /** prod's create_event of the tagging */
  readonly prodEvent: number
}

export interface PresentEntry {
  readonly buildId: number
  readonly createEvent: number
  readonly creatorId: number
  readonly ours: boolean
}

export interface ListingChange<P extends PresentEntry> {
  /** Entries to revoke, bottom first; `again` when it is created anew in the same slot. */
  readonly revokes: readonly { readonly entry: P; readonly again: boolean }[]
  /** Entries to create, bottom first, each with its slot (ascending) and the entry it replaces. */
  readonly creates: readonly {
    readonly buildId: number
    readonly slot: number
    /** prod's event of it; null for a local entry that is re-tagged in its place */
    readonly prodEvent: number | null
    readonly replaces: P | null
  }[]
}

/**
 * `wanted` and `present` in the order that their hubs show, oldest first. Builds are unique in each.
 */
export function diffListing<P extends PresentEntry>(
  wanted: readonly WantedEntry[],
  present: readonly P[],
): ListingChange<P> {
  const wantedIds = new Set(wanted.map((entry) => entry.buildId))
  const presentById = new Map(present.map((entry) => [entry.buildId, entry]))
  const target = weave(wanted, present, wantedIds)

  let kept = 0
  let last: P | undefined
  for (const entry of target) {
    const now = presentById.get(entry.buildId)
    if (now === undefined || (last !== undefined && !below(last, now))) break
    last = now
    kept += 1
  }

  const gone = present.filter((entry) => entry.ours && !wantedIds.has(entry.buildId))
  const above = target.slice(kept)
  const creates = above.map((entry, i) => ({
    buildId: entry.buildId,
    // Its own, also of what prod tagged in one event: hubs up to 1.35.1 order by event alone, so a tie has no latest.
    slot: i,
    prodEvent: entry.prodEvent,
    replaces: presentById.get(entry.buildId) ?? null,
  }))
  const revokes = [
    ...gone.map((entry) => ({ entry, again: false })),
    ...creates.flatMap(({ replaces }) => (replaces === null ? [] : [{ entry: replaces, again: true }])),
  ]
  return { revokes, creates }
}

interface TargetEntry {
  readonly buildId: number
  readonly prodEvent: number | null
}

/** Wanted order with staging's local entries at their place: right above the wanted entry that they stood above. */
function weave(
  wanted: readonly WantedEntry[],
  present: readonly PresentEntry[],
  wantedIds: ReadonlySet<number>,
): TargetEntry[] {
  const atBottom: TargetEntry[] = []
  const aboveOf = new Map<number, TargetEntry[]>()
  let anchor: number | null = null
  for (const entry of present) {
    if (wantedIds.has(entry.buildId)) {
      anchor = entry.buildId
    } else if (!entry.ours) {
      const local = { buildId: entry.buildId, prodEvent: null }
      if (anchor === null) atBottom.push(local)
      else aboveOf.set(anchor, [...(aboveOf.get(anchor) ?? []), local])
    }
  }
  return [...atBottom, ...wanted.flatMap((entry) => [entry, ...(aboveOf.get(entry.buildId) ?? [])])]
}

/** True when `a` is shown below `b`: event, then build id. */
function below(a: PresentEntry, b: PresentEntry): boolean {
  return a.createEvent < b.createEvent || (a.createEvent === b.createEvent && a.buildId < b.buildId)
}
