import { KeyError } from '../errors.ts'

/** Rows in ascending order; `last`: nothing follows them. */
export interface Page<R> {
  readonly rows: readonly R[]
  readonly last: boolean
}

/**
 * All rows that lie after a bound, page by page. The hub has no exact keyset (rows tie, and bounds are exclusive), so the
 * next page begins just below the last row and reads its ties again. A page full of ties, or one that is not in order, is
 * asked for again at twice the size; nothing is skipped. A hub that ignores limits (queryHistory up to 1.33) answers whole.
 *
 * `at`: where a row stands in the order. `below`: the greatest bound that still lets `at` through.
 */
export async function* ascending<R, B extends number | string>(options: {
  readonly after: B
  readonly limit: number
  readonly read: (after: B, limit: number) => Promise<readonly R[]>
  readonly at: (row: R) => B
  readonly below: (at: B) => B
}): AsyncGenerator<Page<R>, void, undefined> {
  const { read, at, below } = options
  let { after, limit } = options
  for (;;) {
    const rows = await read(after, limit)
    const lastRow = rows.at(-1)
    if (lastRow === undefined || rows.length !== limit) {
      yield { rows, last: true }
      return
    }
    const next = below(at(lastRow))
    if (next <= after || !isAscending(rows, at)) {
      limit *= 2
      continue
    }
    yield { rows, last: false }
    after = next
    limit = options.limit
  }
}

function isAscending<R, B extends number | string>(rows: readonly R[], at: (row: R) => B): boolean {
  return rows.every((row, index) => index === 0 || at(rows[index - 1] as R) <= at(row))
}

/**
 * Rows by id from the newest down to (not including) `downTo`, by offsets, which is all that the hub has. Rows that come
 * meanwhile push others down, so some are read twice; rows that go pull others up past us, so each page must begin at or above
 * the end of the one before, else it is read again from further up.
 *
 * Throws KeyError HUB_ANSWER_INVALID for an answer out of order or beyond its limit.
 */
export async function* newestFirst<R extends { readonly id: number }>(options: {
  readonly method: string
  readonly downTo: number
  readonly limit: number
  readonly read: (offset: number, limit: number) => Promise<readonly R[]>
}): AsyncGenerator<Page<R>, void, undefined> {
  const { method, downTo, read } = options
  const limit = Math.max(2, options.limit)
  let offset = 0
  let end = Number.POSITIVE_INFINITY
  for (;;) {
    const rows = await read(offset, limit)
    checkDescending(method, rows, limit)
    const first = rows[0]
    if (offset > 0 && (first === undefined || first.id < end)) {
      offset = Math.max(0, offset - limit)
      continue
    }
    const lastRow = rows.at(-1)
    const last = lastRow === undefined || rows.length < limit || lastRow.id <= downTo
    yield { rows: rows.filter((row) => row.id > downTo), last }
    if (last) return
    end = Math.min(end, lastRow.id)
    offset += rows.length - 1
  }
}

function checkDescending(method: string, rows: readonly { readonly id: number }[], limit: number): void {
  const wrong = rows.findIndex((row, index) => index > 0 && (rows[index - 1]?.id ?? 0) <= row.id)
  if (wrong === -1 && rows.length <= limit) return
  const what =
    wrong === -1 ? `${rows.length} rows where ${limit} were asked for` : `row ${wrong} out of order`
  throw new KeyError('HUB_ANSWER_INVALID', `the hub's answer to ${method} has ${what}`, {
    detail: { method },
  })
}
