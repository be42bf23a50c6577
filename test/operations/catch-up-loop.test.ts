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
