import type { HistoryRows } from '../model/history-rows.ts'
import { queryHistory } from './calls-history.ts'
import type { Hub, ReadOptions } from './hub.ts'
import { ascending } from './pages.ts'

const TABLES = ['tag_packages', 'tag_package_owners', 'tag_listing'] as const
type Table = (typeof TABLES)[number]

/** The active rows of a tag's own lists. */
export type ActiveRows = { readonly [T in Table]: readonly HistoryRows[T][] }

/**
 * A tag's lists in one request, where none of them has more than `limit` rows; what is longer goes on page by page, by event, so that no
 * answer is larger than the page. (Hubs up to 1.33 know no limit: they send all of it each time, so pages are large.)
 */
export async function readActiveRows(
  hub: Hub,
  tagId: number,
  limit: number,
  options: ReadOptions,
): Promise<ActiveRows> {
  const filter = { tag: tagId, active: true }
  const opts = { order: 'create_event', limit }
  const [first] = await hub.read([queryHistory(TABLES, filter, opts)], options)
  const whole = async <T extends Table>(
    table: T,
    idOf: (row: HistoryRows[T]) => number,
  ): Promise<readonly HistoryRows[T][]> => {
    const begun = first[table] as readonly HistoryRows[T][]
    const last = begun.at(-1)
    if (last === undefined || begun.length < limit) return begun
    // Rows of one event tie, so a page begins again with those of the one before.
    const rows = new Map(begun.map((row) => [`${row.createEvent} ${idOf(row)}`, row]))
    const pages = ascending<HistoryRows[T], number>({
      after: last.createEvent - 1,
      limit,
      read: async (afterEvent, size) => {
        const call = queryHistory([table], { ...filter, afterEvent }, { ...opts, limit: size })
        return (await hub.read([call], options))[0][table] as readonly HistoryRows[T][]
      },
      at: ({ createEvent }) => createEvent,
      below: (event) => event - 1,
    })
    for await (const page of pages)
      for (const row of page.rows) rows.set(`${row.createEvent} ${idOf(row)}`, row)
    return [...rows.values()]
  }
  return {
    tag_packages: await whole('tag_packages', ({ packageId }) => packageId),
    tag_package_owners: await whole('tag_package_owners', ({ packageId }) => packageId),
    tag_listing: await whole('tag_listing', ({ buildId }) => buildId),
  }
}
