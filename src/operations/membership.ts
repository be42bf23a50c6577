import { setTimeout as delay } from 'node:timers/promises'
import { AgainError, ConfigError, SyncError } from '../errors.ts'
import { beatDaemon, type Daemon, joinDaemons } from '../staging/daemons.ts'
import type { Database } from '../staging/database.ts'

const BEAT_MS = 15_000
const JOIN_TRIES = 20

/**
 * Joins those who work on this staging. One that is just joining makes others wait a moment. Throws ConfigError
 * DAEMON_OTHER_POLICY.
 */
export async function join(database: Database, daemon: Daemon): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await joinDaemons(database, daemon)
    } catch (error) {
      if (!(error instanceof AgainError) || tries >= JOIN_TRIES) throw error
      await delay(50 * tries)
    }
  }
}

/**
 * Stays joined until the signal. One that was away for long (its database was) joins anew: throws ConfigError
 * DAEMON_OTHER_POLICY if another policy has come meanwhile.
 */
export async function stayJoined(database: Database, daemon: Daemon, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      if (!(await beatDaemon(database, daemon.id))) await joinDaemons(database, daemon)
    } catch (error) {
      if (error instanceof ConfigError || !(error instanceof SyncError)) throw error
    }
    await delay(BEAT_MS, undefined, { signal }).catch(() => {})
  }
}
