import { describe, expect, it } from 'vitest'
import {
  checkpointWindows,
  type ShownRow,
  type StagingVersion,
  shownWindows,
} from '../../src/reconcile/shown-at.ts'
import { intersection, outside, union } from '../../src/reconcile/windows.ts'

const NEVER_ENDS = Number.POSITIVE_INFINITY

function listed(buildId: number, from: number, to = NEVER_ENDS, by: 'us' | 'them' = 'us'): StagingVersion {
  return {
    table: 'tag_listing',
    cells: { tag_id: 1, build_id: buildId },
    life: { from, to },
    ours: by === 'us',
    revokedByUs: to !== NEVER_ENDS,
    key: 'tagged/1/1',
  }
}

function wanted(buildId: number, event: number): ShownRow {
  return {
    table: 'tag_listing',
    cells: { tag_id: 1, build_id: buildId },
    subject: `build ${buildId}`,
    place: { list: 'bash', order: [event, buildId] },
  }
}

describe('what was shown', () => {
  it('is of the events at which all was there in its order, and nothing of ours besides', () => {
    // 7 and 8; then 9 on top; then 7 tagged again above 8.
    const versions = [listed(7, 10, 30), listed(8, 11), listed(9, 20, 40), listed(7, 30)]
    expect(shownWindows([wanted(7, 1), wanted(8, 2)], versions).windows).toEqual([{ from: 11, to: 20 }])
    expect(shownWindows([wanted(8, 2), wanted(7, 5)], versions).windows).toEqual([
      { from: 40, to: NEVER_ENDS },
    ])
    expect(shownWindows([wanted(8, 1), wanted(9, 3), wanted(7, 5)], versions).windows).toEqual([
      { from: 30, to: 40 },
    ])
  })

  it("lets rows of staging's own be, also one that is what prod shows", () => {
    const versions = [listed(7, 10), listed(99, 12, NEVER_ENDS, 'them'), listed(8, 15, NEVER_ENDS, 'them')]
    expect(shownWindows([wanted(7, 1)], versions).windows).toEqual([{ from: 10, to: NEVER_ENDS }])
    expect(shownWindows([wanted(7, 1), wanted(8, 2)], versions).windows).toEqual([
      { from: 15, to: NEVER_ENDS },
    ])
  })

  it('names what staging never showed so', () => {
    const unknown: ShownRow = { table: 'tag_listing', cells: null, subject: 'build 5' }
    expect(shownWindows([unknown], [listed(7, 10)])).toEqual({
      windows: [],
      reasons: ['build 5 (tag_listing)'],
    })
  })
})

describe('checkpoints', () => {
  const versions = [listed(7, 10), listed(8, 20), listed(9, 21), listed(5, 30)]

  it('stand from their event until we change something, never inside of a transaction', () => {
    // One transaction made 20 and 21: its checkpoint is 21.
    const pairs = [
      { prodEvent: 1, stagingEvent: 10 },
      { prodEvent: 3, stagingEvent: 21 },
    ]
    expect(checkpointWindows(pairs, versions, 3, 0)).toEqual([
      { from: 0, to: 20 },
      { from: 21, to: 30 },
    ])
  })

  it('count only up to the event, and not where something was left out', () => {
    expect(checkpointWindows([{ prodEvent: 4, stagingEvent: 10 }], versions, 3, 0)).toEqual([
      { from: 0, to: 10 },
    ])
    // 30 was not whole: no pair is handed in.
    expect(checkpointWindows([{ prodEvent: 3, stagingEvent: 21 }], versions, 9, 0)).toEqual([
      { from: 0, to: 10 },
      { from: 21, to: 30 },
    ])
  })

  it('of what was copied with a seed hold until our first change', () => {
    expect(checkpointWindows([], versions, 3, 25)).toEqual([{ from: 0, to: 30 }])
  })
})

it('windows are united, cut and turned inside out', () => {
  const a = union([
    { from: 5, to: 9 },
    { from: 1, to: 3 },
    { from: 3, to: 4 },
    { from: 7, to: 7 },
  ])
  expect(a).toEqual([
    { from: 1, to: 4 },
    { from: 5, to: 9 },
  ])
  expect(intersection(a, [{ from: 2, to: 6 }])).toEqual([
    { from: 2, to: 4 },
    { from: 5, to: 6 },
  ])
  expect(outside(a)).toEqual([
    { from: 0, to: 1 },
    { from: 4, to: 5 },
    { from: 9, to: NEVER_ENDS },
  ])
})
