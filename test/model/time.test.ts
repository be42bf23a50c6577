import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { secondsOfTimestamp, timestampOfSeconds, timestampOfText } from '../../src/model/time.ts'

describe('times of the hub', () => {
  it.each([
    ['2026-11-22 08:33:33.795323+00:00', '2026-11-22 08:33:33.795323'],
    ['2025-10-09 08:55:00+00:00', '2025-10-09 08:55:00.000000'],
    ['2025-10-09 08:55:00.5+05:30', '2025-10-09 03:25:00.500000'],
    ['2025-01-01 00:30:00-01:00', '2025-01-01 01:30:00.000000'],
    ['1880-01-01 00:00:00.000001-00:01:15', '1880-01-01 00:01:15.000001'],
    ['2019-02-28 23:59:59.999999', '2019-02-28 23:59:59.999999'],
    ['2024-02-29T12:00:00Z', '2024-02-29 12:00:00.000000'],
  ])('reads %s', (text, expected) => {
    expect(timestampOfText(text)).toBe(expected)
  })

  it.each([
    '',
    'now',
    '2023-02-29 00:00:00',
    '2023-01-01',
    '2023-01-01 24:00:00',
    '2023-01-01 00:00:00.1234567',
    '0001-01-01 00:00:00+01',
    '9999-12-31 23:59:59-01',
  ])('refuses %s', (text) => {
    expect(() => timestampOfText(text)).toThrowError(expect.objectContaining({ code: 'TIME_INVALID' }))
  })

  /** Microseconds since 1970, named without a double. */
  const nameOf = (micros: number): string => {
    const fraction = micros % 1_000_000
    const wall = new Date((micros - fraction) / 1000).toISOString().slice(0, 19).replace('T', ' ')
    return `${wall}.${String(fraction).padStart(6, '0')}`
  }
  /** The first second whose microseconds doubles do not all tell apart. */
  const COARSE = 2 ** 32

  it('gives the microsecond back that a double of seconds was made from, until 2106', () => {
    const exact = (micros: number): void => {
      const timestamp = timestampOfSeconds(micros / 1e6)
      expect(timestamp).toBe(nameOf(micros))
      expect(secondsOfTimestamp(timestamp)).toBe(micros / 1e6)
      expect(timestampOfText(`${timestamp}+00:00`)).toBe(timestamp)
    }
    fc.assert(fc.property(fc.integer({ min: 0, max: COARSE * 1e6 - 1 }), exact))
    for (let micros = COARSE * 1e6 - 1000; micros < COARSE * 1e6; micros += 1) exact(micros)
    expect(timestampOfSeconds(1795336777.170283)).toBe('2026-11-22 08:39:37.170283')
    expect(timestampOfSeconds(-0.5)).toBe('1969-12-31 23:59:59.500000')
  })

  it('gives a microsecond that is at most one off after that, as long as microseconds can be counted', () => {
    const near = (micros: number): void => {
      const names = [micros - 1, micros, micros + 1].filter(Number.isSafeInteger).map(nameOf)
      expect(names).toContain(timestampOfSeconds(micros / 1e6))
      expect(secondsOfTimestamp(nameOf(micros))).toBe(micros / 1e6)
    }
    fc.assert(fc.property(fc.integer({ min: COARSE * 1e6, max: Number.MAX_SAFE_INTEGER - 1 }), near))
    // Found by a random seed: one off.
    near(4_295_106_909_247_520)
    expect(timestampOfSeconds(4_295_106_909.24752)).not.toBe(nameOf(4_295_106_909_247_520))
    expect(() => timestampOfSeconds(2 ** 53 / 1e6)).toThrowError(
      expect.objectContaining({ code: 'TIME_INVALID' }),
    )
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e12])('refuses %d seconds', (seconds) => {
    expect(() => timestampOfSeconds(seconds)).toThrowError(expect.objectContaining({ code: 'TIME_INVALID' }))
  })
})
