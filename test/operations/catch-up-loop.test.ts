import { afterEach, expect, it, vi } from 'vitest'
import { CatchUpLoop } from '../../src/operations/catch-up-loop.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'

afterEach(() => {
  vi.useRealTimers()
})

it('says that it comes round when a catch-up does something, and not while one hangs', async () => {
  vi.useFakeTimers({ toFake: ['setInterval'] })
  let turns = 0
  let step = (): void => {}
  let begun = (): void => {}
  const hasBegun = new Promise<void>((resolve) => {
    begun = resolve
  })
  const loop = new CatchUpLoop({
    // Never ends by itself.
    catchUp: (signal, onTurn) => {
      step = onTurn
      begun()
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))))
    },
    intervalMs: 1_000,
    restFactor: 10,
    telemetry: {
      log: createLog({ level: 'error', form: 'json', write: () => {} }),
      metrics: new Metrics({ version: 'test', processMetrics: false }),
    },
    onTurn: () => {
      turns += 1
    },
  })
  const stop = new AbortController()
  const running = loop.run(stop.signal)
  await hasBegun
  const before = turns
  vi.advanceTimersByTime(600_000)
  expect(turns).toBe(before)
  step()
  expect(turns).toBe(before + 1)
  stop.abort()
  await running
})

it('rests the longer the longer the hub was busy for it, and says so', async () => {
  const lines: string[] = []
  const metrics = new Metrics({ version: 'test', processMetrics: false })
  const stop = new AbortController()
  let runs = 0
  const loop = new CatchUpLoop({
    catchUp: async () => {
      runs += 1
      return { cursor: 1, keys: 0, hubMs: 30_000 }
    },
    intervalMs: 1,
    restFactor: 10,
    telemetry: {
      log: createLog({ level: 'info', form: 'json', write: (line) => lines.push(line) }),
      metrics,
    },
    // The first turn of the pause: with a pause of the interval there would be many runs by now.
    onTurn: () => {
      if (lines.some((line) => line.includes('catch-up slowed'))) stop.abort()
    },
  })
  await loop.run(stop.signal)
  expect(runs).toBe(1)
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ pauseSeconds: 300, hubSeconds: 30 }])
  expect((await metrics.catchUpPause.get()).values).toMatchObject([{ value: 300 }])
})
