import type { Config } from './config/config.ts'
import { SyncError } from './errors.ts'
import type { Operations } from './model/operations.ts'
import type { Telemetry } from './telemetry/events.ts'

/** Makes the work behind the commands. Connects nowhere. */
export async function createOperations(_options: {
  readonly config: Config
  readonly telemetry: Telemetry
}): Promise<Operations> {
  throw new SyncError('CONTEXT_MISSING', 'this build has no adapters yet')
}
