/** Reads rows `offset` to `offset + limit` of a list that is ordered by id, ascending. */
type ReadPage<R> = (offset: number, limit: number) => Promise<readonly R[]>

/**
 * A list of prod's that can be ordered by id and not be bounded by it: ranges of ids, one after the other upwards, are read by offset. A
 * range that follows the one before costs no more than its rows; one further up is found by a few probes of one row. Rows that
 * become visible, or go, move the others a little: so each page begins with the last row of the one before.
 */
export class IdPages<R> {
  readonly #read: ReadPage<R>
  readonly #idOf: (row: R) => number
  readonly #limit: number
  /** where the last range ended */
  #offset = 0
  #reached = 0

  constructor(options: {
    readonly read: ReadPage<R>
    readonly idOf: (row: R) => number
    readonly limit: number
  }) {
    this.#read = options.read
    this.#idOf = options.idOf
    this.#limit = Math.max(2, options.limit)
  }

  /** All rows from one id to another; null: more than `most` rows lie between, of which nobody said that they are wanted. */
  async between(from: number, to: number, most: number): Promise<R[] | null> {
    if (from <= this.#reached) {
      this.#offset = 0
      this.#reached = 0
    }
    let offset = await this.#find(from)
    const found: R[] = []
    let last = from - 1
    for (;;) {
      const rows = await this.#read(offset, this.#limit)
      const first = rows[0]
      // What was counted before has gone.
      if (offset > 0 && (first === undefined || this.#idOf(first) > last)) {
        offset = Math.max(0, offset - this.#limit)
        continue
      }
      for (const row of rows) {
        const id = this.#idOf(row)
        if (id >= from && id <= to && (id > last || found.length === 0 || !this.#has(found, row)))
          found.push(row)
      }
      const end = rows.at(-1)
      last = end === undefined ? last : Math.max(last, this.#idOf(end))
      const isEnd = rows.length < this.#limit || last > to
      if (isEnd) {
        const beyond = rows.findIndex((row) => this.#idOf(row) > to)
        this.#offset = Math.max(0, offset + (beyond === -1 ? rows.length : beyond) - 1)
        this.#reached = to
        return found
      }
      if (found.length > most) return null
      offset += rows.length - 1
    }
  }

  /** Several rows may have one id (an rpm's signatures): the same row is one with all the same values. */
  #has(found: readonly R[], row: R): boolean {
    const text = JSON.stringify(row)
    return found.slice(-this.#limit).some((one) => JSON.stringify(one) === text)
  }

  /** An offset at or below the first row from `id` on, near it. */
  async #find(id: number): Promise<number> {
    const isBelow = async (offset: number): Promise<boolean> => {
      const [row] = await this.#read(offset, 1)
      return row !== undefined && this.#idOf(row) < id
    }
    let low = this.#offset
    let step = this.#limit
    if (!(await isBelow(low + step))) return low
    while (await isBelow(low + step)) {
      low += step
      step *= 2
    }
    let high = low + step
    while (high - low > this.#limit / 2) {
      const middle = Math.floor((low + high) / 2)
      if (await isBelow(middle)) low = middle
      else high = middle
    }
    return low
  }
}
