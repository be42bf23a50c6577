import type { Tx } from '../staging/database.ts'
import { announceAt, owe } from '../staging/debt.ts'
import type { Deps } from './deps.ts'

/**
 * Tells kojira that tags changed by something that touches no versioned row (a volume, rpms, signatures): one tag_updates
 * row (MANUAL) per tag, and the repo race of it.
 */
export async function announce(tx: Tx, deps: Deps, tagIds: readonly number[]): Promise<void> {
  const { tagIds: announced, event } = await announceAt(tx, tagIds, deps.owner.userId)
  if (event !== null) await owe(tx, { tagIds: announced, events: [event] })
}
