import { describe, expect, it } from 'vitest'
import { Limiter } from '../../src/hub/limiter.ts'

const both = { live: true, sweep: true }
const onlyLive = { live: true, sweep: false }
const onlySweep = { live: false, sweep: true }

describe('the limiter', () => {
  it('never lets more go than the rate, but for one second at the start', () => {
    const limiter = new Limiter({ requestsPerSecond: 10, concurrency: 1000 }, 0)
    let sent = 0
    for (let now = 0; now <= 5_000; now += 5) {
      while (typeof limiter.take(onlyLive, now) === 'string') sent += 1
    }
    expect(sent).toBe(10 + 50)
  })

  it('says when it is worth asking again', () => {
    const limiter = new Limiter({ requestsPerSecond: 0.5, concurrency: 9 }, 0)
    expect(limiter.take(onlyLive, 0)).toBe('live')
    expect(limiter.take(onlyLive, 500)).toBe(1_500)
    expect(limiter.take(onlyLive, 2_000)).toBe('live')
  })

  it('keeps the last slot from sweeps, unless there is but one', () => {
    const limiter = new Limiter({ requestsPerSecond: 1000, concurrency: 2 }, 0)
    expect([limiter.take(onlySweep, 0), limiter.take(onlySweep, 0), limiter.take(both, 0)]).toEqual([
      'sweep',
      null,
      'live',
    ])
    expect(limiter.take(both, 0)).toBe(null)
    limiter.done('sweep')
    expect(limiter.take(onlySweep, 0)).toBe('sweep')
    const narrow = new Limiter({ requestsPerSecond: 1000, concurrency: 1 }, 0)
    expect([narrow.take(onlySweep, 0), narrow.take(both, 0)]).toEqual(['sweep', null])
  })

  it('keeps the last token from sweeps out of turn', () => {
    const limiter = new Limiter({ requestsPerSecond: 4, concurrency: 100 }, 0)
    const taken = [1, 2, 3, 4].map(() => limiter.take(onlySweep, 0))
    expect(taken.slice(0, 3)).toEqual(['sweep', 'sweep', 'sweep'])
    expect(taken[3]).toBe(250)
    expect(limiter.take(both, 0)).toBe('live')
  })

  it.each([1, 2, 5])(
    'gives sweeps every tenth request while live work floods, with concurrency %i',
    (concurrency) => {
      const limiter = new Limiter({ requestsPerSecond: 100, concurrency }, 0)
      const taken: string[] = []
      for (let now = 0; now < 20_000; now += 5) {
        const who = limiter.take(both, now)
        if (typeof who !== 'string') continue
        taken.push(who)
        limiter.done(who)
      }
      const share = taken.filter((who) => who === 'sweep').length / taken.length
      expect(share).toBeGreaterThanOrEqual(0.099)
      expect(share).toBeLessThan(0.11)
    },
  )

  it('gives nothing to nobody', () => {
    const limiter = new Limiter({ requestsPerSecond: 1, concurrency: 1 }, 0)
    expect(limiter.take({ live: false, sweep: false }, 0)).toBe(null)
  })
})
