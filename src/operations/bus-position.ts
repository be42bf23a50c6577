import { secondsOfTimestamp, timestampOfSeconds } from '../model/time.ts'
import { advanceCursor, getCursor } from '../staging/cursor.ts'
import type { Database } from '../staging/database.ts'
import type { BusPosition } from './world.ts'

const CURSOR = 'datagrepper'

/** A cursor beside those of the other sources, shared by all daemons: what one of them has read is marked for all. */
export function busPosition(database: Database): BusPosition {
  return {
    async read() {
      const time = (await getCursor(database, CURSOR))?.time ?? null
      return time === null ? null : secondsOfTimestamp(time) * 1000
    },
    async write(readUpToMs) {
      const time = timestampOfSeconds(readUpToMs / 1000)
      await database.transaction('bus.position', (tx) => advanceCursor(tx, CURSOR, { event: null, time }))
    },
  }
}
