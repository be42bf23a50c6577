import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../staging/database.ts'
import {
  eventOlderThan,
  MAP_BEGIN,
  type MapPlace,
  pruneClashes,
  pruneEventMap,
} from '../staging/retention.ts'
import { rowsPruned, type Telemetry } from '../telemetry/events.ts'

export interface HousekeepingOptions {
  readonly database: Database
  readonly telemetry: Telemetry
  readonly retention: {
    readonly clashDays: number
    readonly checkpointDays: number
    /** older checkpoints of each key that are kept all the same */
    readonly checkpointsPerKey: number
  }
  /** rows that one statement looks at; default 2,000 */
  readonly batch?: number
  /** between two statements; default 100 */
  readonly pauseMs?: number
}

/** Forgets what is kept no longer, some rows at a time, so that nobody waits for it and no transaction is long. Safe beside itself. */
export async function keepHouse(options: HousekeepingOptions, signal: AbortSignal): Promise<void> {
  const { database, telemetry, retention, batch = 2_000, pauseMs = 100 } = options
  const pause = () => delay(pauseMs, undefined, { signal }).catch(() => {})
  let clashes = 0
  while (!signal.aborted) {
    const gone = await pruneClashes(database, { days: retention.clashDays, limit: batch })
    clashes += gone
    if (gone < batch) break
    await pause()
  }
  rowsPruned(telemetry, 'clashes', clashes)

  const upTo = await eventOlderThan(database, retention.checkpointDays)
  if (upTo === null) return
  let checkpoints = 0
  const keep = retention.checkpointsPerKey
  for (let place: MapPlace | null = MAP_BEGIN; place !== null && !signal.aborted; ) {
    const done = await pruneEventMap(database, { upTo, keep, after: place, limit: batch })
    checkpoints += done.gone
    place = done.place
    if (place !== null) await pause()
  }
  rowsPruned(telemetry, 'checkpoints', checkpoints)
}
