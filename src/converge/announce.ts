import type { Tx } from '../staging/database.ts'
import { announceTags, owe } from '../staging/debt.ts'
import type { Deps } from './deps.ts'

/**
 * Tells kojira that tags changed by something that touches no versioned row (a volume, rpms, signatures): one tag_updates
 * row (MANUAL) per tag, and the repo race of it.
 */
export async function announce(tx: Tx, deps: Deps, tagIds: readonly number[]): Promise<void> {
  if (tagIds.length === 0) return
  const announced = await announceTags(tx, tagIds, deps.owner.userId)
  if (announced.length === 0) return
  const { sequence } = deps.catalog.idSequence('events')
  // Of this session: the event that was just taken, whatever others took since.
  const [row] = await tx.query<{ id: number }>('announce.event', `select currval('${sequence}') as id`, [], {
    prepare: false,
  })
  await owe(tx, { tagIds, lastEvent: row?.id as number })
}
