import { KeyError } from '../errors.ts'
import { queryHistory } from '../hub/calls-history.ts'
import { ascending } from '../hub/pages.ts'
import type { HistoryRows, HistoryTable, TagListingRow } from '../model/history-rows.ts'
import type { Key } from '../model/key.ts'
import { BUILD_STATE } from '../model/records.ts'
import { advanceCursor, HISTORY_CURSOR } from '../staging/cursor.ts'
import { recordHandled } from '../staging/handled.ts'
import { type NaturalRow, withoutCopied } from './copied.ts'
import { newDifferences } from './differences.ts'
import { HISTORY_TABLES, type PackageId, subjectOf } from './history-keys.ts'
import type { Packages } from './packages.ts'
import type { Run } from './run.ts'
import { compareStates } from './staging-builds.ts'

/** `beforeEvent` bounds nothing, so each table has two feeds, each in one order: rows that stand, and rows that were revoked. */
interface Feed {
  readonly table: HistoryTable
  readonly side: 'active' | 'revoked'
}

type AnyRow = HistoryRows[HistoryTable]

/** A row with what it is about. */
interface Found extends NaturalRow {
  readonly mark: Key
}

interface Batch {
  readonly feed: Feed
  readonly rows: readonly AnyRow[]
}

/**
 * Everything in prod's history after an event. The first request asks all feeds for a little, which usually is all there is;
 * feeds with more are paged. Active rows are asked for first: a row revoked in between is then in the second answer. The cursor
 * moves with the last batch.
 */
export async function readHistory(run: Run, packages: Packages, afterEvent: number): Promise<void> {
  const limit = run.limits.firstRows
  const order = (side: Feed['side']) => ({ order: orderOf(side), limit })
  const [active, revoked] = await run.read([
    queryHistory(HISTORY_TABLES, { afterEvent, active: true }, order('active')),
    queryHistory(HISTORY_TABLES, { afterEvent, active: false }, order('revoked')),
  ])
  const short: Batch[] = []
  const long: Feed[] = []
  for (const table of HISTORY_TABLES) {
    for (const side of ['active', 'revoked'] as const) {
      const feed: Feed = { table, side }
      const rows: readonly AnyRow[] = (side === 'active' ? active : revoked)[table]
      checkRows(feed, rows, afterEvent)
      // More than asked for: the hub knows no limits here (before 1.34) and has told everything.
      if (rows.length === limit) long.push(feed)
      else short.push({ feed, rows })
    }
  }
  for (const feed of long) {
    for await (const page of pagesOf(run, feed, afterEvent)) {
      await handle(run, packages, [{ feed, rows: page.rows }], false)
    }
  }
  await handle(run, packages, short, true)
}

function pagesOf(run: Run, feed: Feed, afterEvent: number) {
  return ascending<AnyRow, number>({
    after: afterEvent,
    limit: run.limits.pageRows,
    read: async (after, limit) => {
      const filter = { afterEvent: after, active: feed.side === 'active' }
      const [answer] = await run.read([
        queryHistory([feed.table], filter, { order: orderOf(feed.side), limit }),
      ])
      const rows: readonly AnyRow[] = answer[feed.table]
      checkRows(feed, rows, after)
      return rows
    },
    at: (row) => (feed.side === 'active' ? row.createEvent : (row.revokeEvent as number)),
    below: (event) => event - 1,
  })
}

function orderOf(side: Feed['side']): string {
  return side === 'active' ? 'create_event' : 'revoke_event'
}

/** A hub that ignores a filter would make us believe what it did not say. Throws KeyError HUB_ANSWER_INVALID. */
function checkRows({ table, side }: Feed, rows: readonly AnyRow[], afterEvent: number): void {
  const odd = rows.find(
    (row) =>
      row.active !== (side === 'active') ||
      (row.revokeEvent === null) !== (side === 'active') ||
      Math.max(row.createEvent, row.revokeEvent ?? 0) <= afterEvent,
  )
  if (odd === undefined) return
  const what = `a row of ${table} (create_event ${odd.createEvent}, revoke_event ${odd.revokeEvent})`
  throw new KeyError(
    'HUB_ANSWER_INVALID',
    `the hub's answer to queryHistory has ${what} that was not asked for`,
    { detail: { method: 'queryHistory', table, side, afterEvent } },
  )
}

async function handle(run: Run, packages: Packages, batches: readonly Batch[], last: boolean): Promise<void> {
  const listings = batches.flatMap(({ feed, rows }) =>
    feed.table === 'tag_listing' ? (rows as readonly TagListingRow[]) : [],
  )
  const packageId = await packages.resolve(
    run,
    listings.map((row) => row.packageName),
  )
  const found = batches.flatMap((batch) => foundIn(batch, packageId))
  const fresh = await withoutCopied(run.database, found, run.copiedEvent)
  // The state is as of now, also in rows that are known: a build is deleted after its untagging.
  const gone = listings
    .filter((row) => row.buildState !== BUILD_STATE.complete && row.buildState !== BUILD_STATE.building)
    .map((row) => ({ id: row.buildId, state: row.buildState }))
  const { differences, equal } = await compareStates(run.database, gone, run.seedEvent)
  const { id: event, time } = run.now
  await run.commit(
    'history',
    found.length,
    async (tx) => [
      ...(await recordHandled(tx, fresh)).map((row) => row.mark),
      ...(await newDifferences(tx, 'build-state', differences, equal)),
    ],
    last ? (tx) => advanceCursor(tx, HISTORY_CURSOR, { event, time }) : undefined,
  )
}

function foundIn({ feed, rows }: Batch, packageId: PackageId): Found[] {
  return rows.map((row) => {
    const { natural, key } = subjectOf(feed.table, row as never, packageId)
    return {
      table: feed.table,
      natural,
      key: JSON.stringify(natural),
      createEvent: row.createEvent,
      revokeEvent: row.revokeEvent,
      mark: key,
    }
  })
}
