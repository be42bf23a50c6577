import type { Catalog } from './catalog.ts'
import type { Database, Sql, Tx } from './database.ts'
import { allocate, eventSql, takeEvents } from './events.ts'

/*
 * The repo race. A repo is made from an event; kojira and the hub later look for rows with higher events to see that
 * it is out of date (kojihub/repos.py). A repo made while our transaction is open gets a higher event than our rows
 * have, cannot see them, and nothing would ever end it.
 *
 * | our transaction   | others          | then                                                                   |
 * | ----------------- | --------------- | ---------------------------------------------------------------------- |
 * | event 10          |                 |                                                                        |
 * |                   | event 11: repo  | the repo does not hold our rows                                        |
 * | owe 10; commit    |                 | the sequence stands at 11: a `tag_updates` row with event 12 ends it   |
 *
 * Every Koji from 1.16 on has `tag_updates`, so `Catalog.requireColumns` demands it and nothing has to be taken again.
 */

/** TAG_UPDATE_TYPES MANUAL of koji/__init__.py */
const MANUAL = 2

export interface Owed {
  /** staging's ids of the tags whose rows were written */
  readonly tagIds: readonly number[]
  /** the events that were taken for them, ascending */
  readonly events: readonly number[]
}

/**
 * Records in the applying transaction that its tags may have to be announced after its commit. Where others took events
 * between ours, that is certain already: an earlier one of our events may have been the only one of a tag. (`takeEvents` does
 * the same where ids are not known yet.)
 */
export async function owe(tx: Tx, { tagIds, events }: Owed): Promise<void> {
  const [first, last] = [events[0], events.at(-1)]
  if (tagIds.length === 0 || first === undefined || last === undefined) return
  await tx.query(
    'debt.owe',
    'insert into staging_sync.debt (last_event, tag_ids, interleaved) values ($1, $2, $3)',
    [last, [...new Set(tagIds)].sort((a, b) => a - b), last - first + 1 !== events.length],
  )
}

/**
 * Pays all debts that are committed, ours and those that a crash left: soon after applying commits, and at start.
 * Where no event was taken after a debt's last one, it only clears it. Returns the tags that were announced.
 */
export async function payDebts(database: Database, catalog: Catalog, userId: number): Promise<number[]> {
  const { sequence } = catalog.idSequence('events')
  const [state] = await database.query<{ owed: boolean }>(
    'debt.any',
    'select exists (select 1 from staging_sync.debt) as owed',
  )
  if (state?.owed !== true) return []
  return database.transaction('debt.pay', async (tx) => {
    // The sequence is read after the debts' commits: what was taken up to then may belong to a repo without our rows.
    const paid = await tx.query<{ tagIds: number[]; late: boolean }>(
      'debt.take',
      `delete from staging_sync.debt d
        where d.id in (select id from staging_sync.debt order by id limit 1000 for update skip locked)
        returning d.tag_ids as "tagIds", d.interleaved or d.last_event < (select last_value from ${sequence}) as late`,
      [],
      { prepare: false },
    )
    const tagIds = paid.filter(({ late }) => late).flatMap((debt) => debt.tagIds)
    return announceTags(tx, tagIds, userId)
  })
}

/**
 * Says that the tags' content changed, by one `tag_updates` row each with one fresh event: for changes that touch no
 * versioned row (volume, rpms added, signatures), and for debts. Returns the tags that exist.
 */
export async function announceTags(tx: Tx, tagIds: readonly number[], userId: number): Promise<number[]> {
  return (await announceAt(tx, tagIds, userId)).tagIds
}

/** As `announceTags`; `event` is the one that was taken, null: none was needed. */
export async function announceAt(
  tx: Tx,
  tagIds: readonly number[],
  userId: number,
): Promise<{ tagIds: number[]; event: number | null }> {
  const distinct = [...new Set(tagIds)].sort((a, b) => a - b)
  if (distinct.length === 0) return { tagIds: [], event: null }
  const event = (await allocate(tx, 1))[0] as number
  const rows = await tx.query<{ tag_id: number }>(
    'debt.announce',
    `insert into tag_updates (tag_id, update_event, updater_id, update_type)
     select id, $2, $3, $4 from tag where id = any($1::int[]) order by id returning tag_id`,
    [distinct, event, userId, MANUAL],
  )
  return { tagIds: rows.map(({ tag_id }) => tag_id), event }
}

/**
 * As `announceTags` for tags that exist, with their debt, in statements whose answers need not be awaited. Once in a
 * transaction, which takes no other events ahead.
 */
export async function announceAhead(tx: Tx, tagIds: readonly number[], userId: number): Promise<void> {
  const distinct = [...new Set(tagIds)].sort((a, b) => a - b)
  if (distinct.length === 0) return
  await Promise.all([
    takeEvents(tx, { count: 1, checkpoint: null, tagIds: distinct }),
    tx.query(
      'debt.announce-ahead',
      `insert into tag_updates (tag_id, update_event, updater_id, update_type)
       select id, ${eventSql('1', 'place')}, $2, $3 from unnest($1::int[]) as t (id) order by id`,
      [distinct, userId, MANUAL],
    ),
  ])
}

/** Debts that wait to be paid. */
export async function countDebts(sql: Sql): Promise<number> {
  const [row] = await sql.query<{ count: number }>(
    'debt.count',
    'select count(*) as count from staging_sync.debt',
  )
  return row?.count ?? 0
}
