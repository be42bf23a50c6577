import { around } from '../converge/around.ts'
import type { Convergers } from '../converge/deps.ts'
import { AgainError, asError, SyncError } from '../errors.ts'
import { parseKey } from '../model/key.ts'
import type { Queue } from '../queue/queue.ts'
import type { Catalog } from '../staging/catalog.ts'
import type { Database } from '../staging/database.ts'
import { schemaChanged, type Telemetry } from '../telemetry/events.ts'

export interface SchemaWatchOptions {
  readonly database: Database
  readonly catalog: Catalog
  readonly queue: Queue
  readonly telemetry: Telemetry
  readonly monotonicMs: () => number
}

/** Errors of a key that another schema may cure. */
const CODES = [
  'DATABASE_SCHEMA',
  'DATABASE_STATEMENT',
  'SCHEMA_CANNOT_HOLD',
  'SCHEMA_NO_SEQUENCE',
  'CELL_INVALID',
]

/** A failing statement has the schema read at most so often. */
const PAUSE_MS = 5_000

/** Keys that are tried again at once after a change; the rest of them hourly, as all that are parked. */
const MAX_RETRIED = 10_000

/**
 * Staging's Koji may be upgraded under us: what we know of its schema is read again when a statement fails as it would then, and
 * now and then, and what failed by the old one is tried again.
 */
export class SchemaWatch {
  readonly #options: SchemaWatchOptions
  #reading: Promise<void> | null = null
  #readAtMs = Number.NEGATIVE_INFINITY

  constructor(options: SchemaWatchOptions) {
    this.#options = options
  }

  /** Reads the schema, once for all who ask at a time. Throws SchemaError for one that we cannot write to, OutageError. */
  look(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null
    })
    return this.#reading
  }

  /** The same convergers; a key that failed as by an old schema is tried again at once if it was one (AgainError). */
  watched(convergers: Convergers): Convergers {
    return around(convergers, async (converge) => {
      const { catalog } = this.#options
      const before = catalog.fingerprint
      try {
        return await converge()
      } catch (thrown) {
        const error = asError(thrown)
        if (!(error instanceof SyncError) || !CODES.includes(error.code)) throw error
        // What goes wrong with the look is told by the next statement; this error is the one that matters.
        await this.#lookSoon().catch(() => {})
        if (catalog.fingerprint === before) throw error
        throw new AgainError('SCHEMA_CHANGED', "staging's schema is another one now", { cause: error })
      }
    })
  }

  async #lookSoon(): Promise<void> {
    if (this.#reading !== null || this.#options.monotonicMs() - this.#readAtMs > PAUSE_MS) await this.look()
  }

  async #read(): Promise<void> {
    const { database, catalog, telemetry } = this.#options
    this.#readAtMs = this.#options.monotonicMs()
    if (!(await catalog.reload(database))) return
    schemaChanged(telemetry)
    await this.#retry()
  }

  async #retry(): Promise<void> {
    const { database, queue } = this.#options
    const rows = await database.query<{ key: string }>(
      'schema.parked',
      `select key from staging_sync.queue where parked_at is not null and last_code = any($1::text[]) order by key limit $2`,
      [CODES, MAX_RETRIED],
    )
    await queue.mark(rows.map(({ key }) => ({ key: parseKey(key), priority: 'sweep' })))
  }
}
