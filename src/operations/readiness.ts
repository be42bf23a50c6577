import { setTimeout as delay } from 'node:timers/promises'
import { AgainError, OutageError } from '../errors.ts'
import { getAPIVersion } from '../hub/calls-lookup.ts'
import type { Hub } from '../hub/hub.ts'
import type { Telemetry } from '../telemetry/events.ts'
import { statusTold } from '../telemetry/service-events.ts'

const ASK_AGAIN_MS = 2_000

/** Until prod's hub has answered once; a hub that is down is waited for, as all work waits for it. */
export async function untilHubAnswers(
  { hub, telemetry }: { readonly hub: Hub; readonly telemetry: Telemetry },
  signal: AbortSignal,
): Promise<boolean> {
  while (!signal.aborted) {
    try {
      await hub.read([getAPIVersion()], { priority: 'live', signal })
      return true
    } catch (error) {
      if (signal.aborted) return false
      if (!(error instanceof OutageError) && !(error instanceof AgainError)) throw error
      statusTold(telemetry, `waits for prod's hub: ${error.message}`)
    }
    await delay(ASK_AGAIN_MS, undefined, { signal }).catch(() => {})
  }
  return false
}
