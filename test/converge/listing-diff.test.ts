import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { diffListing, type PresentEntry, type WantedEntry } from '../../src/converge/listing-diff.ts'

const OURS = 1
const LOCAL = 2

const want = (buildId: number, prodEvent: number): WantedEntry => ({ buildId, prodEvent })
const ours = (buildId: number, createEvent: number): PresentEntry => ({
  buildId,
  createEvent,
  creatorId: OURS,
  ours: true,
})
const local = (buildId: number, createEvent: number): PresentEntry => ({
  buildId,
  createEvent,
  creatorId: LOCAL,
  ours: false,
})

/** What a hub shows after the change: by event, then build id. Fresh events are above all that were. */
function apply(present: readonly PresentEntry[], change: ReturnType<typeof diffListing>): PresentEntry[] {
  const top = Math.max(0, ...present.map((entry) => entry.createEvent))
  const gone = new Set(change.revokes.map(({ entry }) => entry.buildId))
  const made = change.creates.map(
    (create): PresentEntry => ({
      buildId: create.buildId,
      createEvent: top + 1 + create.slot,
      creatorId: create.replaces !== null && !create.replaces.ours ? create.replaces.creatorId : OURS,
      ours: create.replaces?.ours ?? true,
    }),
  )
  return [...present.filter((entry) => !gone.has(entry.buildId)), ...made].sort(
    (a, b) => a.createEvent - b.createEvent || a.buildId - b.buildId,
  )
}

const ids = (entries: readonly { buildId: number }[]): number[] => entries.map((entry) => entry.buildId)

describe('the difference of an ordered listing', () => {
  it('is nothing when the order is the same, whatever the events are', () => {
    const change = diffListing([want(1, 10), want(2, 20)], [ours(1, 7), ours(2, 9)])
    expect(change).toEqual({ revokes: [], creates: [] })
  })

  it('appends what is newest in prod', () => {
    const change = diffListing([want(1, 10), want(2, 20)], [ours(1, 7)])
    expect(change.revokes).toEqual([])
    expect(change.creates).toEqual([{ buildId: 2, slot: 0, prodEvent: 20, replaces: null }])
  })

  it('re-tags only the one that prod re-tagged', () => {
    const present = [ours(1, 7), ours(2, 8), ours(3, 9)]
    const change = diffListing([want(2, 20), want(3, 30), want(1, 40)], present)
    expect(ids(apply(present, change))).toEqual([2, 3, 1])
  })

  it('revokes what is ours and prod no longer has, and touches nothing else', () => {
    const present = [ours(1, 7), ours(2, 8), ours(3, 9)]
    const change = diffListing([want(1, 10), want(3, 30)], present)
    expect(change.revokes).toEqual([{ entry: present[1], again: false }])
    expect(change.creates).toEqual([])
  })

  it('puts a build below the latest by re-tagging those above it, bottom first', () => {
    const present = [ours(1, 7), ours(3, 8), ours(4, 9)]
    const change = diffListing([want(1, 10), want(2, 20), want(3, 30), want(4, 40)], present)
    expect(change.creates.map(({ buildId, slot }) => [buildId, slot])).toEqual([
      [2, 0],
      [3, 1],
      [4, 2],
    ])
    expect(ids(apply(present, change))).toEqual([1, 2, 3, 4])
  })

  it('parts what ties in prod, in the order that prod shows: hubs up to 1.35.1 order by event alone', () => {
    const change = diffListing([want(1, 10), want(2, 10), want(3, 20)], [])
    expect(change.creates.map(({ buildId, slot }) => [buildId, slot])).toEqual([
      [1, 0],
      [2, 1],
      [3, 2],
    ])
    const others = diffListing([want(2, 10), want(1, 10)], [])
    expect(others.creates.map(({ slot }) => slot)).toEqual([0, 1])
  })

  it('sees a tie in staging as the hub shows it: by build id', () => {
    expect(diffListing([want(1, 10), want(2, 20)], [ours(1, 7), ours(2, 7)]).creates).toEqual([])
    const change = diffListing([want(2, 10), want(1, 20)], [ours(1, 7), ours(2, 7)])
    expect(ids(change.creates)).toEqual([1])
  })

  it('leaves a local build at the bottom where it is', () => {
    const present = [local(9, 5), ours(1, 7)]
    const change = diffListing([want(1, 10), want(2, 20)], present)
    expect(ids(apply(present, change))).toEqual([9, 1, 2])
    expect(change.revokes).toEqual([])
  })

  it('re-tags a local build in its place, as its own creator, when something goes below it', () => {
    const present = [ours(1, 5), local(9, 6), ours(3, 7)]
    const change = diffListing([want(2, 5), want(1, 10), want(3, 30)], present)
    const after = apply(present, change)
    expect(ids(after)).toEqual([2, 1, 9, 3])
    expect(after.find((entry) => entry.buildId === 9)?.creatorId).toBe(LOCAL)
  })

  it('never buries a local build at the top under something that goes below it', () => {
    const present = [ours(1, 5), ours(3, 6), local(9, 7)]
    const change = diffListing([want(1, 10), want(2, 20), want(3, 30)], present)
    expect(ids(apply(present, change))).toEqual([1, 2, 3, 9])
  })

  it('takes a local tagging of a build that prod has too as it is', () => {
    expect(diffListing([want(1, 10)], [local(1, 7)])).toEqual({ revokes: [], creates: [] })
  })
})

/** Any two lists over few builds, with local entries among staging's. */
const lists = fc
  .record({
    wanted: fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 8 }),
    ties: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
    present: fc.uniqueArray(
      fc.record({
        buildId: fc.integer({ min: 1, max: 12 }),
        ours: fc.boolean(),
        gap: fc.integer({ min: 0, max: 1 }),
      }),
      { maxLength: 8, selector: (entry) => entry.buildId },
    ),
  })
  .map(({ wanted, ties, present }) => {
    let event = 0
    const wants = wanted.map((buildId, i) => {
      if (ties[i] !== true || buildId < (wanted[i - 1] ?? 0)) event += 1
      return want(buildId, event)
    })
    let at = 0
    const entries = present
      .map((entry) => {
        at += entry.gap
        return { ...(entry.ours ? ours(entry.buildId, at) : local(entry.buildId, at)) }
      })
      .sort((a, b) => a.createEvent - b.createEvent || a.buildId - b.buildId)
    return { wants, entries }
  })

describe('for any two lists', () => {
  it('the builds of prod stand in prod’s order afterwards, and nothing of ours beside them', () => {
    fc.assert(
      fc.property(lists, ({ wants, entries }) => {
        const after = apply(entries, diffListing(wants, entries))
        const wanted = new Set(ids(wants))
        expect(ids(after.filter((entry) => wanted.has(entry.buildId)))).toEqual(ids(wants))
        expect(after.filter((entry) => entry.ours && !wanted.has(entry.buildId))).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  it('local builds stay, in their order, right above the build of prod that they stood above', () => {
    fc.assert(
      fc.property(lists, ({ wants, entries }) => {
        const after = apply(entries, diffListing(wants, entries))
        const wanted = new Set(ids(wants))
        const isLocal = (entry: PresentEntry): boolean => !entry.ours && !wanted.has(entry.buildId)
        const anchors = (list: readonly PresentEntry[]): Map<number, number | null> => {
          let anchor: number | null = null
          const found = new Map<number, number | null>()
          for (const entry of list) {
            if (wanted.has(entry.buildId)) anchor = entry.buildId
            else if (isLocal(entry)) found.set(entry.buildId, anchor)
          }
          return found
        }
        const before = anchors(entries)
        const now = anchors(after)
        expect([...now.keys()].sort()).toEqual([...before.keys()].sort())
        for (const [buildId, anchor] of before) expect(now.get(buildId)).toBe(anchor)
        const byAnchor = (list: Map<number, number | null>, anchor: number | null): number[] =>
          [...list].filter(([, at]) => at === anchor).map(([id]) => id)
        for (const anchor of new Set(before.values())) {
          expect(byAnchor(now, anchor)).toEqual(byAnchor(before, anchor))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('a second difference is nothing', () => {
    fc.assert(
      fc.property(lists, ({ wants, entries }) => {
        const after = apply(entries, diffListing(wants, entries))
        expect(diffListing(wants, after)).toEqual({ revokes: [], creates: [] })
      }),
      { numRuns: 500 },
    )
  })

  it('what stands below the first change keeps its event', () => {
    fc.assert(
      fc.property(lists, ({ wants, entries }) => {
        const change = diffListing(wants, entries)
        const again = new Set(
          change.revokes.filter((revoke) => revoke.again).map(({ entry }) => entry.buildId),
        )
        const lowest = change.creates[0]
        if (lowest === undefined) return
        const after = apply(entries, change)
        const below = after.slice(0, ids(after).indexOf(lowest.buildId))
        for (const entry of below) expect(again.has(entry.buildId)).toBe(false)
      }),
      { numRuns: 500 },
    )
  })
})
