import { describe, expect, it } from 'vitest'
import { paceOf } from '../../src/reconcile/scrub-pace.ts'

const DAY = 86_400
const limits = { days: 30, maxPerSecond: 5 }

describe('the pace of a scrub', () => {
  it('follows from the number of builds, and leaves a twentieth of the time', () => {
    const { perSecond, inTime } = paceOf({ builds: 2_500_000, done: 0, elapsedSeconds: 0 }, limits)
    expect(perSecond).toBeCloseTo(2_500_000 / (28.5 * DAY), 6)
    expect(inTime).toBe(true)
  })

  it('makes up for time that was lost, up to what is allowed, and says when that is too slow', () => {
    const late = { builds: 2_500_000, done: 0, elapsedSeconds: 25 * DAY }
    expect(paceOf(late, limits)).toEqual({ perSecond: 5, inTime: false })
    expect(paceOf(late, { days: 30, maxPerSecond: 100 })).toMatchObject({ inTime: true })
  })

  it('never stands still: builds that came meanwhile, and a pass that is overdue, are looked at', () => {
    expect(paceOf({ builds: 0, done: 0, elapsedSeconds: 0 }, limits).perSecond).toBeGreaterThan(0)
    expect(paceOf({ builds: 10, done: 12, elapsedSeconds: 40 * DAY }, limits).perSecond).toBe(1)
  })
})
