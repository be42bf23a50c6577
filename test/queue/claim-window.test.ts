import { describe, expect, it } from 'vitest'
import { ClaimWindow } from '../../src/queue/claim-window.ts'
import type { Claimed } from '../../src/queue/claiming.ts'
import { backoffMs } from '../../src/queue/options.ts'

const row = (priority: 0 | 1, due_at: string): Claimed => ({ priority, due_at }) as Claimed

describe('the window of claims', () => {
  it('lets claims from the beginning cost a tenth of the time at most', () => {
    const window = new ClaimWindow({ fullScanMs: 1_000 })
    expect([window.mustScanAll(0), window.mayScanAll(0)]).toEqual([true, true])
    window.scannedAll(0, 300)
    expect(window.mayScanAll(2_999)).toBe(false)
    expect(window.mayScanAll(3_000)).toBe(true)
    expect(window.mustScanAll(2_999)).toBe(false)
    expect(window.mustScanAll(3_000)).toBe(true)
  })

  it('allows cheap ones at once, and demands one a second', () => {
    const window = new ClaimWindow({ fullScanMs: 1_000 })
    window.scannedAll(0, 1)
    expect(window.mayScanAll(10)).toBe(true)
    expect(window.mustScanAll(1_000)).toBe(false)
    expect(window.mustScanAll(1_001)).toBe(true)
  })

  it('does not take the time for which a machine stood still for the cost of one', () => {
    const window = new ClaimWindow({ fullScanMs: 1_000 })
    window.scannedAll(0, 91_000)
    expect([window.mayScanAll(105_999), window.mayScanAll(106_000)]).toEqual([false, true])
    expect([window.mustScanAll(105_999), window.mustScanAll(106_000)]).toEqual([false, true])
  })

  it('goes on where a full claim ended, and near now where nothing was left', () => {
    const window = new ClaimWindow({ fullScanMs: 1_000 })
    window.ended([row(0, '10:00'), row(0, '10:01'), row(1, '09:00')], { limit: 3, sweepShare: 1 }, '12:00')
    expect(window.begin('range')).toEqual({ liveFrom: '10:01', sweepFrom: '09:00' })
    window.ended([row(0, '10:02'), row(1, '09:01'), row(1, '09:02')], { limit: 3, sweepShare: 1 }, '12:01')
    expect(window.begin('range')).toEqual({ liveFrom: '12:01', sweepFrom: '09:02' })
    window.ended([row(1, '09:03')], { limit: 3, sweepShare: 0 }, '12:02')
    expect(window.begin('range')).toEqual({ liveFrom: '12:02', sweepFrom: '12:02' })
    expect(window.begin('full')).toEqual({ liveFrom: '-infinity', sweepFrom: '-infinity' })
  })

  it('leaves a range where it was that a full claim did not come to', () => {
    const window = new ClaimWindow({ fullScanMs: 1_000 })
    window.ended([row(0, '10:00'), row(1, '09:00')], { limit: 2, sweepShare: 1 }, '12:00')
    window.ended([row(0, '10:01'), row(0, '10:02')], { limit: 2, sweepShare: 0 }, '12:00')
    expect(window.begin('range')).toEqual({ liveFrom: '10:02', sweepFrom: '09:00' })
  })
})

it('backs off twice as long each time, up to the ceiling, less up to half by chance', () => {
  const series = (chance: number) =>
    [1, 2, 3, 4, 50].map((attempt) =>
      backoffMs(attempt, { baseMs: 100, ceilingMs: 500, random: () => chance }),
    )
  expect(series(0)).toEqual([100, 200, 400, 500, 500])
  expect(series(0.999).map(Math.round)).toEqual([50, 100, 200, 250, 250])
})
