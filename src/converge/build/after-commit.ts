import { SafetyError, StopError, SyncError } from '../../errors.ts'
import type { Claim } from '../../queue/queue.ts'
import type { Deps } from '../deps.ts'

/**
 * What follows the commit that ended the claim. The outcome stands: an error here must not replace it.
 * The key is marked instead, and its next claim meets the error as its own.
 */
export async function afterCommit(deps: Deps, claim: Claim, work: () => Promise<void>): Promise<void> {
  if (await isDone(work)) return
  await isDone(() => deps.queue.mark([{ key: claim.key, priority: 'sweep' }]))
}

async function isDone(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (!(error instanceof SyncError) || error instanceof SafetyError || error instanceof StopError)
      throw error
    return false
  }
}
