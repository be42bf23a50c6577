import pg from 'pg'
import { SyncError } from '../errors.ts'
import type { Sql } from '../staging/database.ts'
import { classify } from '../staging/database-errors.ts'
import type { Step } from '../step.ts'

export interface SessionOptions {
  /** postgresql:// address */
  readonly url: string
  readonly password?: string | undefined
  /** another database of that server */
  readonly database?: string | undefined
  readonly step: Step
}

/** Timeouts by their name: which there are depends on the server's version, and any may be set for the role or the database. */
const SETTINGS = `
  set time zone 'UTC'; set datestyle = 'ISO';
  select set_config(name, '0', false) from pg_settings
   where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout',
                  'transaction_timeout')`

/** int8 as a number where exact, else bigint; times and json as the text that the server sends: as `Database` has them. */
const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    const { INT8, TIMESTAMP, TIMESTAMPTZ, DATE, JSON: JSON_TEXT, JSONB } = pg.types.builtins
    if (oid === INT8) {
      return (text: string) => (Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text))
    }
    if ([TIMESTAMP, TIMESTAMPTZ, DATE, JSON_TEXT, JSONB].includes(oid)) return (text: string) => text
    return pg.types.getTypeParser(oid as never, (format ?? 'text') as never)
  },
} as pg.CustomTypesConfig

/**
 * One connection for what takes as long as it takes: loading, indexes, statements over whole tables. No timeouts, time zone UTC.
 * Errors as of `Database`.
 */
export class Session implements Sql {
  readonly client: pg.Client
  readonly step: Step

  private constructor(client: pg.Client, step: Step) {
    this.client = client
    this.step = step
  }

  static async open({ url, password, database, step }: SessionOptions): Promise<Session> {
    const client = new pg.Client({
      connectionString: withPassword(addressOf(url, database), password),
      application_name: 'koji-staging-sync seed',
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      types,
    })
    // A connection that breaks fails the statement under way.
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query(SETTINGS)
    } catch (error) {
      await client.end().catch(() => {})
      throw classify(error, 'seed.connect')
    }
    return new Session(client, step)
  }

  async query<R>(name: string, text: string, values: readonly unknown[] = []): Promise<R[]> {
    return (await this.#run(name, text, values)).rows as R[]
  }

  /** Rows that a statement touched. */
  async change(name: string, text: string, values: readonly unknown[] = []): Promise<number> {
    return (await this.#run(name, text, values)).rowCount ?? 0
  }

  /** Commits when `work` returns, rolls back when it throws. */
  async transaction<T>(name: string, work: () => Promise<T>): Promise<T> {
    await this.#run(`${name}.begin`, 'begin')
    try {
      const result = await work()
      const { command } = await this.#run(`${name}.commit`, 'commit')
      if (command !== 'COMMIT') throw new SyncError('DATABASE_ROLLED_BACK', `${name}: rolled back`)
      return result
    } catch (error) {
      await this.client.query('rollback').catch(() => {})
      throw error
    }
  }

  /** Back to how it was opened, whatever a script has set. */
  async restoreSettings(): Promise<void> {
    await this.query('seed.settings', `reset all; ${SETTINGS}`)
  }

  async close(): Promise<void> {
    await this.client.end().catch(() => {})
  }

  async #run(name: string, text: string, values: readonly unknown[] = []): Promise<pg.QueryResult> {
    await this.step(`sql.${name}`)
    try {
      return await this.client.query(text, values as unknown[])
    } catch (error) {
      throw classify(error, name)
    }
  }
}

/** The address with another database; its parameters stay. */
export function addressOf(url: string, database: string | undefined): string {
  if (database === undefined) return url
  const found = /^([a-z]+:\/\/[^/?]*\/)[^?]*(\?.*)?$/i.exec(url)
  if (found === null) throw new SyncError('SEED_ADDRESS', 'staging.database must name the database')
  return `${found[1]}${encodeURIComponent(database)}${found[2] ?? ''}`
}

/** As a parameter: an address without one would win over the client's own setting with none. */
function withPassword(address: string, password: string | undefined): string {
  if (password === undefined) return address
  const [base = '', query = ''] = address.split('?', 2)
  const parameters = new URLSearchParams(query)
  parameters.set('password', password)
  return `${base}?${parameters.toString().replaceAll('+', '%20')}`
}
