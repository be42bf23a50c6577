import { formatKey } from '../../model/key.ts'
import type { Claim } from '../../queue/queue.ts'
import type { Tx } from '../../staging/database.ts'
import { owe } from '../../staging/debt.ts'
import { allocate } from '../../staging/events.ts'
import { createRows, lockActive, revokeRows } from '../../staging/versioned.ts'
import type { Deps } from '../deps.ts'
import type { Op } from '../ops.ts'

/** What is to be done for one key, policy and the removal gate being settled. */
export interface ListChange {
  readonly claim: Claim
  readonly ops: readonly Op[]
  /** the newest event of the key in prod that is shown after this; null: unknown */
  readonly prodEvent: number | null
}

/** In the one order in which rows are locked and written (ops.ts). */
const TABLES = ['tag_packages', 'tag_package_owners', 'tag_listing'] as const

/**
 * `applyOps` for the keys of one tag together: each key has events of its own, ascending by its slots, as if it had been applied alone; each
 * statement is for all of them. Ends their claims.
 */
export async function applyLists(
  tx: Tx,
  deps: Deps,
  tagId: number,
  changes: readonly ListChange[],
): Promise<void> {
  if (changes.length === 0) return
  const { catalog, owner, queue } = deps
  const revokes = changes.flatMap(({ ops }) => ops.filter((op) => op.kind === 'revoke'))
  for (const table of TABLES) {
    const rows = revokes.filter((op) => op.table === table).map(({ row }) => row)
    if (rows.length > 0) await lockActive(tx, catalog, table, rows)
  }
  const slotted = changes.map((change) => ({
    ...change,
    slots: [...new Set(change.ops.map(({ slot }) => slot))].sort((a, b) => a - b),
  }))
  const events = await allocate(
    tx,
    slotted.reduce((sum, { slots }) => sum + slots.length, 0),
  )
  let from = 0
  const placed: { op: Op; event: number }[] = []
  const map: { key: string; prodEvent: number; stagingEvent: number }[] = []
  for (const { claim, ops, slots, prodEvent } of slotted) {
    const eventOf = new Map(slots.map((slot, i) => [slot, events[from + i] as number]))
    from += slots.length
    for (const op of ops) placed.push({ op, event: eventOf.get(op.slot) as number })
    if (prodEvent !== null)
      map.push({ key: formatKey(claim.key), prodEvent, stagingEvent: events[from - 1] as number })
  }
  const writes: Promise<unknown>[] = []
  for (const table of TABLES) {
    const rows = placed.flatMap(({ op, event }) =>
      op.kind === 'revoke' && op.table === table ? [{ row: op.row, event }] : [],
    )
    writes.push(revokeRows(tx, catalog, table, rows, { revokerId: owner.userId }))
  }
  for (const table of TABLES) {
    const rows = placed.flatMap(({ op, event }) =>
      op.kind === 'create' && op.table === table
        ? [{ cells: op.cells, event, creatorId: op.creatorId ?? owner.userId }]
        : [],
    )
    writes.push(createRows(tx, catalog, table, rows, { creatorId: owner.userId }))
  }
  writes.push(
    tx.query(
      'lists.map',
      `insert into staging_sync.event_map (key, prod_event, staging_event, whole)
       select key, prod_event, staging_event, true
         from unnest($1::text[], $2::bigint[], $3::bigint[]) as r(key, prod_event, staging_event)
       on conflict (key, staging_event) do nothing`,
      [
        map.map(({ key }) => key),
        map.map(({ prodEvent }) => prodEvent),
        map.map(({ stagingEvent }) => stagingEvent),
      ],
    ),
    owe(tx, { tagIds: [tagId], events }),
  )
  await Promise.all(writes)
  await queue.fenceAll(
    tx,
    changes.map(({ claim }) => claim),
  )
}
