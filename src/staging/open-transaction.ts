import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type pg from 'pg'
import { SyncError } from '../errors.ts'
import type { Step } from '../step.ts'
import type { QueryOptions, Sql, TransactionOptions, Tx } from './database.ts'
import { classify } from './database-errors.ts'

/** A transaction on one connection: statements in the order of the calls, and none after one that failed or after the end. */
export class OpenTransaction implements Tx {
  changed = 0
  readonly #client: pg.PoolClient
  readonly #step: Step
  readonly #name: string
  readonly #begun: Promise<unknown>
  #committed: Promise<void> | null = null
  /** Resolves when the statement before has been sent; at first, what begins the transaction. */
  #turn: Promise<void>
  /** What a statement failed with, or that the transaction is over: nothing is sent any more. */
  #failure: unknown = null
  /** on this process' monotonic clock: a duration, not a time; Infinity once it is over */
  #patientUntilMs: number
  /** Begins it with the statement `begin`. */
  constructor(
    client: pg.PoolClient,
    step: Step,
    {
      name,
      begin,
      patienceMs,
    }: { readonly name: string; readonly begin: string; readonly patienceMs: number },
  ) {
    this.#name = name
    this.#client = client
    this.#step = step
    this.#patientUntilMs = performance.now() + patienceMs
    let sent = (): void => {}
    this.#turn = new Promise((resolve) => {
      sent = resolve
    })
    const options = { prepare: false } as const
    const begun = run(client, step, `${name}.begin`, begin, [], options, { maySend: () => {}, sent })
    begun.catch((error: unknown) => {
      this.#failure ??= error
      sent()
    })
    this.#begun = begun
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
    const { command } = await this.#inTurn(`${this.#name}.commit`, 'commit', [], {
      prepare: false,
      early: true,
    })
    await this.#begun
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
      await before
      if (options.early !== true) await this.#begun
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

/** One statement on a connection, through the step seam; its errors as `classify` has them. */
export async function run(
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
        : client.query({ name: preparedName(name, text, options), text, values: values as unknown[] })
    sending?.sent()
    return await answer
  } catch (error) {
    throw classify(error, name)
  }
}

/** PostgreSQL cuts names at 63 bytes. */
function preparedName(name: string, text: string, { prepare }: QueryOptions): string {
  if (prepare !== 'by-text') return name
  return `${name.slice(0, 40)} ${createHash('sha1').update(text).digest('base64url').slice(0, 20)}`
}

/** What is sent before the event loop goes on goes in one write: a flight of statements is one packet, not one each. */
function together(client: pg.PoolClient): void {
  const { stream } = (client as unknown as { connection: { stream: Duplex } }).connection
  if (stream.writableCorked > 0) return
  stream.cork()
  process.nextTick(() => stream.uncork())
}

const WITHIN = 'koji_staging_sync.within'

/** SQL of a condition that holds within a transaction of ours only: for writes that are sent along with its begin. */
export const IS_WITHIN = `coalesce(current_setting('${WITHIN}', true) = 'yes', false)`

/** The statement that begins a transaction, with its settings. */
export function beginText(options: TransactionOptions): string {
  const settings = [
    `set local lock_timeout = ${options.lockTimeoutMs ?? 200}`,
    `set local statement_timeout = ${options.statementTimeoutMs ?? 30_000}`,
    `set local idle_in_transaction_session_timeout = ${options.idleTimeoutMs ?? 30_000}`,
    `set local ${WITHIN} = 'yes'`,
  ]
  if (options.durable === false) settings.push('set local synchronous_commit = off')
  return [`begin${options.readOnly === true ? ' read only' : ''}`, ...settings].join('; ')
}
