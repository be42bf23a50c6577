import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { OutageError } from '../errors.ts'
import type { Step } from '../step.ts'
import { clientConfig } from './connection.ts'
import { classify } from './database-errors.ts'
import { beginText, OpenTransaction, run } from './open-transaction.ts'

/** What runs statements: a pool or a transaction. */
export interface Sql {
  /**
   * Rows of one statement. `name` names the statement for the step seam, for prepared statements and in errors; the
   * same name must always mean the same text. Statements with a text that varies (built from a catalog) pass
   * `{ prepare: false }`.
   */
  query<R>(name: string, text: string, values?: readonly unknown[], options?: QueryOptions): Promise<R[]>
}

export interface QueryOptions {
  /**
   * false: parsed and planned anew each time; `by-text`: prepared under a name of the text's own, for few texts of one name.
   * Default: prepared, by the name.
   */
  readonly prepare?: false | 'by-text'
  /**
   * In a transaction: sent without waiting for the answer to its begin. Should that fail, the statement would run alone: so only for
   * what writes nothing, or fails outside of a transaction (`IS_WITHIN`).
   */
  readonly early?: boolean
}

/**
 * An open transaction. Statements are sent in the order of the calls, also when the answers of earlier ones are still to come:
 * several that do not need one another's answers are sent at once, and awaited by one `Promise.all`. What comes after one
 * that fails is refused by the server, and with it the commit.
 */
export interface Tx extends Sql {
  /** Rows that were inserted, updated or deleted in it so far; 0 means that a commit changes nothing. */
  readonly changed: number
  /**
   * Sends the commit now, along with the statements before it, and then what `after` reads: nothing may be left to decide on
   * their answers. Resolves once the commit is certain, with what was read, or null when that failed; the work must await it,
   * and send nothing more.
   */
  commit<T>(after: (sql: Sql) => Promise<T>): Promise<T | null>
}

export interface DatabaseOptions {
  /** postgresql:// address */
  readonly url: string
  /** PostgreSQL's password, where it is not in the address; from a file or a systemd credential */
  readonly password?: string
  readonly applicationName: string
  readonly poolSize: number
  readonly connectTimeoutMs: number
  /** Asked with each new connection before it is used; what it throws fails that connect. */
  readonly verify?: (client: pg.PoolClient) => Promise<void>
  readonly step: Step
}

export interface TransactionOptions {
  readonly lockTimeoutMs?: number
  readonly statementTimeoutMs?: number
  readonly idleTimeoutMs?: number
  /**
   * After this long in the transaction nothing waits for locks any more (10 ms). A hub that waits for us looks for
   * deadlocks after deadlock_timeout (1 s) and would end itself if it saw us wait for it just then; until then we have
   * given way. Default 500; Infinity for transactions that lock nothing of Koji's.
   */
  readonly patienceMs?: number
  readonly readOnly?: boolean
  /** false: the commit need not survive a crash of the server (claims; never marks nor applied rows) */
  readonly durable?: boolean
}

/**
 * A pool of connections to one PostgreSQL database. Every session has TimeZone UTC and our application_name.
 *
 * Errors: an outage (connection, shutdown, disk full, read-only) is OutageError('database'); a lost race (lock,
 * deadlock, serialization, unique violation) is AgainError; anything else is SyncError DATABASE_STATEMENT. The outcome of
 * a COMMIT whose answer is lost counts as a failure: the caller observes again.
 */
export class Database implements Sql {
  readonly step: Step
  readonly #pool: pg.Pool
  readonly #options: DatabaseOptions

  private constructor(options: DatabaseOptions) {
    this.#options = options
    this.step = options.step
    const { verify } = options
    this.#pool = new pg.Pool({
      ...clientConfig(options),
      max: options.poolSize,
      ...(verify === undefined
        ? {}
        : { verify: (client, done) => void verify(client).then(() => done(), done) }),
    })
    // An idle connection that breaks is replaced by the pool; the next statement tells.
    this.#pool.on('error', () => {})
    // The pool's own listener is off before that of whoever uses it is on: a server may end a connection in the packet that begins it.
    this.#pool.on('connect', (client) => client.on('error', () => {}))
  }

  /** Connects once, so that a wrong address or password is known now. Throws OutageError('database'). */
  static async create(options: DatabaseOptions): Promise<Database> {
    const database = new Database(options)
    try {
      await database.query('database.hello', 'select 1')
    } catch (error) {
      await database.destroy()
      throw error
    }
    return database
  }

  async query<R>(
    name: string,
    text: string,
    values: readonly unknown[] = [],
    options: QueryOptions = {},
  ): Promise<R[]> {
    return this.#withClient(
      async (client) => (await run(client, this.step, name, text, values, options)).rows as R[],
    )
  }

  /** Runs `work` in one transaction; commits when it returns, rolls back when it throws. */
  async transaction<T>(
    name: string,
    work: (tx: Tx) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    return this.#withClient(async (client) => {
      const tx = new OpenTransaction(client, this.step, {
        name,
        begin: beginText(options),
        patienceMs: options.patienceMs ?? 500,
      })
      try {
        const result = await work(tx)
        await tx.ended()
        return result
      } catch (error) {
        tx.close(error)
        await client.query('rollback').catch(() => {})
        throw error
      }
    })
  }

  /** Listens on a channel until the signal ends it; connects again by itself and then notifies once, as a wake-up. */
  async listen(channel: string, onNotify: () => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const client = new pg.Client(clientConfig(this.#options))
      // One for each connection, so that the listeners of many outages do not pile up on the signal.
      const over = new AbortController()
      const ended = new Promise<void>((resolve) => {
        const end = (): void => resolve()
        client.on('error', end)
        client.on('end', end)
        signal.addEventListener('abort', end, { once: true, signal: over.signal })
      })
      try {
        await client.connect()
        client.on('notification', onNotify)
        await client.query(`listen ${pg.escapeIdentifier(channel)}`)
        onNotify()
        await ended
      } catch {
        await delay(1000, undefined, { signal }).catch(() => {})
      } finally {
        over.abort()
        await client.end().catch(() => {})
      }
    }
  }

  async destroy(): Promise<void> {
    await this.#pool.end()
  }

  async #withClient<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    let client: pg.PoolClient
    try {
      client = await this.#pool.connect()
    } catch (error) {
      const full = this.#pool.totalCount >= this.#options.poolSize && this.#pool.idleCount === 0
      throw classify(error, 'connect', full)
    }
    let broken = false
    const onError = (): void => {
      broken = true
    }
    client.on('error', onError)
    try {
      return await work(client)
    } catch (error) {
      if (error instanceof OutageError) broken = true
      throw error
    } finally {
      client.off('error', onError)
      client.release(broken)
    }
  }
}
