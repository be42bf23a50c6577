import { OutageError } from '../errors.ts'

/** One connection, as far as it is needed here. */
interface Asked {
  query(text: string): Promise<{ rows: unknown[] }>
}

/**
 * Notices that the database behind an address is another one than before: a seed has put another in its place, under the same name. All
 * connections were ended then, so it is enough to look at each new one before it is used: nothing that we knew of the old one (ids of
 * names, claims, who we are) is ever written into the new one.
 */
export class SameDatabase {
  readonly #replaced = new AbortController()
  #oid: unknown = null

  /** Aborts when another database was met. */
  get replaced(): AbortSignal {
    return this.#replaced.signal
  }

  /** Throws OutageError DATABASE_REPLACED. */
  async verify(client: Asked): Promise<void> {
    const { rows } = await client.query(
      'select oid::bigint as oid from pg_catalog.pg_database where datname = pg_catalog.current_database()',
    )
    const { oid } = rows[0] as { oid: unknown }
    this.#oid ??= oid
    if (this.#oid === oid) return
    const error = new OutageError(
      'database',
      'DATABASE_REPLACED',
      "staging's database is another one now: a seed was swapped in, or taken back",
    )
    this.#replaced.abort(error)
    throw error
  }
}
