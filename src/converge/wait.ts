import type { Key } from '../model/key.ts'
import type { Claim } from '../queue/queue.ts'
import type { Converged, Deps } from './deps.ts'

/**
 * After so many waits in a row for the same things a key goes on without them: prod's rows name them, but prod shows them
 * to nobody, so their keys end with nothing.
 */
export const MAX_WAITS = 5

/** Gives the claim back until its dependencies have been converged. */
export async function waitFor(
  deps: Deps,
  claim: Claim,
  dependencies: readonly Key[],
  reason: string,
): Promise<Converged> {
  await deps.queue.wait(claim, dependencies, reason)
  return { outcome: { kind: 'wait', reason, for: dependencies }, unmet: [], fenced: true }
}

/** An end without a transaction: the worker finishes the claim. */
export function skipped(reason: string): Converged {
  return { outcome: { kind: 'skipped', reason }, unmet: [], fenced: false }
}
