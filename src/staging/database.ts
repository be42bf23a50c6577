import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { OutageError, SyncError } from '../errors.ts'
import type { Step } from '../step.ts'
import { classify } from './database-errors.ts'

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
  /** false: parsed and planned anew each time */
  readonly prepare?: boolean
  /**
   * In a transaction whose first statement it is: sent along with its begin. Only for what writes nothing, since it would
   * run alone should the begin fail (the transaction then fails all the same).
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

// int8 as a number where exact, else bigint; timestamps and json as the text that the server sends (microseconds stay).
const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === pg.types.builtins.INT8) {
      return (text: string) => {
        const n = Number(text)
        return Number.isSafeInteger(n) ? n : BigInt(text)
      }
    }
    const asText: number[] = [
      pg.types.builtins.TIMESTAMP,
      pg.types.builtins.TIMESTAMPTZ,
      pg.types.builtins.DATE,
      pg.types.builtins.JSON,
      pg.types.builtins.JSONB,
    ]
    if (asText.includes(oid)) return (text: string) => text
    return pg.types.getTypeParser(oid as never, (format ?? 'text') as never)
  },
} as pg.CustomTypesConfig

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
    this.#pool = new pg.Pool({ ...clientConfig(options), max: options.poolSize })
    // An idle connection that breaks is replaced by the pool; the next statement tells.
    this.#pool.on('error', () => {})
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
      const begun = run(client, this.step, `${name}.begin`, beginText(options), [], { prepare: false })
      // Awaited by each statement but an early one, and before the commit.
      begun.catch(() => {})
      const tx = new OpenTransaction(client, this.step, {
        name,
        begun,
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

class OpenTransaction implements Tx {
  changed = 0
  readonly #client: pg.PoolClient
  readonly #step: Step
  readonly #name: string
  readonly #begun: Promise<unknown>
  #committed: Promise<void> | null = null
  /** Resolves when the statement before has been sent. */
  #turn: Promise<void> | null = null
  /** What a statement failed with, or that the transaction is over: nothing is sent any more. */
  #failure: unknown = null
  /** on this process' monotonic clock: a duration, not a time; Infinity once it is over */
  #patientUntilMs: number
  constructor(
    client: pg.PoolClient,
    step: Step,
    {
      name,
      begun,
      patienceMs,
    }: { readonly name: string; readonly begun: Promise<unknown>; readonly patienceMs: number },
  ) {
    this.#name = name
    this.#client = client
    this.#step = step
    this.#begun = begun
    this.#patientUntilMs = performance.now() + patienceMs
  }

  async query<R>(
    name: string,
    text: string,
    values: readonly unknown[] = [],
    options: QueryOptions = {},
  ): Promise<R[]> {
    if (this.#committed !== null) throw this.#tooLate()
    const result = await this.#inTurn(name, text, values, options)
    if (result.command !== 'SELECT') this.changed += result.rowCount ?? 0
    return result.rows as R[]
  }

  async commit<T>(after: (sql: Sql) => Promise<T>): Promise<T | null> {
    this.#committed = this.#commit()
    this.#committed.catch(() => {})
    // On the same connection, so it is run when the commit is done. Should that fail, it has read for nothing.
    const read = after({
      query: async <R>(
        name: string,
        text: string,
        values: readonly unknown[] = [],
        options: QueryOptions = {},
      ) => (await this.#inTurn(name, text, values, options)).rows as R[],
    }).catch(() => null)
    await this.#committed
    return read
  }

  /** Commits, unless that was done. */
  async ended(): Promise<void> {
    this.#committed ??= this.#commit()
    await this.#committed
  }

  async #commit(): Promise<void> {
    const { command } = await this.#inTurn(`${this.#name}.commit`, 'commit', [], { prepare: false })
    // The server answers a COMMIT after a failed statement with ROLLBACK, and no error.
    if (command === 'COMMIT') return
    this.#failure ??= new SyncError(
      'DATABASE_ROLLED_BACK',
      `${this.#name}: a failed statement was overlooked; rolled back`,
    )
    throw this.#failure
  }

  #tooLate(): SyncError {
    return new SyncError('DATABASE_STATEMENT', `${this.#name}: a statement came after the end`)
  }

  /** Sends when all before have been sent, and none of them has failed. */
  async #inTurn(
    name: string,
    text: string,
    values: readonly unknown[],
    options: QueryOptions,
  ): Promise<pg.QueryResult> {
    const before = this.#turn
    let sent = (): void => {}
    this.#turn = new Promise((resolve) => {
      sent = resolve
    })
    try {
      if (before !== null) await before
      if (before !== null || options.early !== true) await this.#begun
      await this.#hurry()
      const maySend = (): void => {
        if (this.#failure !== null) throw this.#failure
      }
      return await run(this.#client, this.#step, name, text, values, options, { maySend, sent })
    } catch (error) {
      this.#failure ??= error
      throw this.#failure
    } finally {
      sent()
    }
  }

  /** What still waits to be sent would run after the end, by itself. */
  close(reason: unknown): void {
    this.#failure ??= reason
  }

  async #hurry(): Promise<void> {
    if (performance.now() <= this.#patientUntilMs) return
    this.#patientUntilMs = Number.POSITIVE_INFINITY
    await run(this.#client, this.#step, 'hurry', 'set local lock_timeout = 10', [], { prepare: false })
  }
}

/** Of a statement that is one of several under way: asked just before it is sent (throws when not), told just after. */
interface Sending {
  maySend(): void
  sent(): void
}

async function run(
  client: pg.PoolClient,
  step: Step,
  name: string,
  text: string,
  values: readonly unknown[],
  options: QueryOptions,
  sending?: Sending,
): Promise<pg.QueryResult> {
  const gate = step(`sql.${name}`)
  if (gate !== undefined) await gate
  sending?.maySend()
  try {
    together(client)
    const answer =
      options.prepare === false
        ? client.query(text, values as unknown[])
        : client.query({ name, text, values: values as unknown[] })
    sending?.sent()
    return await answer
  } catch (error) {
    throw classify(error, name)
  }
}

/** What is sent before the event loop goes on goes in one write: a flight of statements is one packet, not one each. */
function together(client: pg.PoolClient): void {
  const { stream } = (client as unknown as { connection: { stream: Duplex } }).connection
  if (stream.writableCorked > 0) return
  stream.cork()
  process.nextTick(() => stream.uncork())
}

function clientConfig(options: DatabaseOptions): pg.ClientConfig {
  return {
    connectionString: addressOf(options),
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    // Statements of a transaction go without waiting for the answers to those before.
    pipeline: true,
    types,
  }
}

/** A peer that vanished without a word is noticed by this, not by the two hours of the system's own. */
const KEEP_ALIVE_MS = 10_000

/** Above every statement_timeout: no answer for so long means that nobody is there. */
const ANSWER_TIMEOUT_MS = 150_000

/**
 * Prepared statements find their rows by index whatever the parameters are, so their plans are made once: planning the larger ones
 * costs more than running them. A plan that was made while a table was small must not scan it when it is large, so scans
 * are not taken where an index leads to the rows. No statement of ours is worth compiling.
 */
const PLANNING = '-c jit=off -c plan_cache_mode=force_generic_plan -c enable_seqscan=off'

const SESSION = `-c TimeZone=UTC -c DateStyle=ISO ${PLANNING}`

/**
 * The address with what pg would let it win over: `password` (its empty one), and `options` (ours come last, since the
 * session's time zone must be UTC whatever else the address sets).
 */
function addressOf({ url, password }: DatabaseOptions): string {
  const [base = '', query = ''] = url.split('?', 2)
  const parameters = new URLSearchParams(query)
  const given = parameters.get('options')
  parameters.set('options', given === null ? SESSION : `${given} ${SESSION}`)
  if (password !== undefined) parameters.set('password', password)
  return `${base}?${parameters.toString().replaceAll('+', '%20')}`
}

function beginText(options: TransactionOptions): string {
  const settings = [
    `set local lock_timeout = ${options.lockTimeoutMs ?? 200}`,
    `set local statement_timeout = ${options.statementTimeoutMs ?? 30_000}`,
    `set local idle_in_transaction_session_timeout = ${options.idleTimeoutMs ?? 30_000}`,
  ]
  if (options.durable === false) settings.push('set local synchronous_commit = off')
  return [`begin${options.readOnly === true ? ' read only' : ''}`, ...settings].join('; ')
}
