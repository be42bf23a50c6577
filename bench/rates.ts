import { startBus } from '../test/sim/bus-publisher.ts'
import { startDaemon } from './daemon.ts'
import { measureLatency } from './latency.ts'
import type { Result } from './results.ts'
import { openBenchWorld } from './world.ts'

/** Messages a second; 20 are the part `latency`. */
const RATES = [1, 50]

/** Message to commit at other rates, each in a world of its own. */
export async function measureRates(options: {
  readonly real: boolean
  readonly samples: number
  readonly profileDir: string | null
}): Promise<Result[]> {
  const { real, samples, profileDir } = options
  const results: Result[] = []
  for (const rate of RATES) {
    const world = await openBenchWorld({ real, packages: samples })
    try {
      const bus = await startBus()
      const daemon = await startDaemon(world, { endpoint: bus.endpoint, profileDir })
      try {
        const measured = await measureLatency(world, daemon, bus, samples, 1000 / rate)
        // The kinds one by one are told at 20 a second.
        const whole = measured.filter(({ name }) => /^message to commit, p\d+$/.test(name))
        results.push(...whole.map((row) => ({ ...row, name: `${row.name}, ${rate} a second` })))
      } finally {
        await daemon.stop()
        bus.close()
      }
    } finally {
      await world.close()
    }
  }
  return results
}
