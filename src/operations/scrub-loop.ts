import { setTimeout as delay } from 'node:timers/promises'
import { asError, SafetyError, SyncError } from '../errors.ts'
import type { Daemon } from '../staging/daemons.ts'
import { scrubInterrupted } from '../telemetry/finding-events.ts'
import { LIVE_MS, roll } from './scrub-roll.ts'
import type { Engine, World } from './world.ts'

/** After an outage of the hub or the database; the position is kept there. */
const RETRY_MS = 15_000

/** The scrub of the daemon: without end, at the planned rate; what goes wrong interrupts it for a moment. Throws SafetyError. */
export async function runScrubLoop(
  world: World,
  engine: Engine,
  who: Daemon,
  onTurn: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { config, telemetry } = world
  if (config.scrub.days === 0) {
    while (!signal.aborted) {
      onTurn()
      await delay(1_000, undefined, { signal }).catch(() => {})
    }
    return
  }
  while (!signal.aborted) {
    try {
      const options = {
        engine,
        telemetry,
        who,
        what: 'daemon',
        ...config.scrub,
        once: false,
        confirmMs: LIVE_MS,
        mark: (keys) => engine.queue.mark(keys.map((key) => ({ key, priority: 'sweep' }))),
        onTurn,
      } satisfies Parameters<typeof roll>[0]
      for await (const _ of roll(options, signal)) onTurn()
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof SafetyError || !(error instanceof SyncError)) throw error
      scrubInterrupted(telemetry, asError(error))
      onTurn()
      await delay(RETRY_MS, undefined, { signal }).catch(() => {})
    }
  }
}
