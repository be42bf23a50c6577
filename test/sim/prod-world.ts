import pg from 'pg'
import * as builds from './world/builds.ts'
import { addExternalRpm, addRpms } from './world/content.ts'
import * as groups from './world/groups.ts'
import * as names from './world/names.ts'
import * as packages from './world/packages.ts'
import * as removals from './world/removals.ts'
import * as repos from './world/repos-targets.ts'
import * as signatures from './world/signatures.ts'
import * as taggings from './world/taggings.ts'
import * as tags from './world/tags.ts'
import { type Announcement, type Row, Tx } from './world/transaction.ts'
import { BuildTree } from './world/tree.ts'

/** Everything that people do to a Koji. */
const actions = {
  ...names,
  ...tags,
  ...groups,
  ...repos,
  ...packages,
  ...taggings,
  ...builds,
  ...removals,
  ...signatures,
  addRpms,
  addExternalRpm,
}

/** The actions without their transaction argument. */
type Actions = {
  [Name in keyof typeof actions]: (typeof actions)[Name] extends (tx: Tx, ...args: infer Args) => infer Result
    ? (...args: Args) => Result
    : never
}

/** A transaction that is held open: "the hub commits later". */
interface OpenTransaction extends Actions {
  /** The event that its rows have. */
  event(): Promise<number>
  /** What follows takes an event of its own, as the next call of a multiCall does. */
  nextCall(): void
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** A Koji that people work on: each action is one transaction of the hub. */
export interface ProdWorld extends Actions {
  /** Several actions in one transaction and one event; `nextCall` begins another event. */
  together<Result>(work: (actions: Actions & { nextCall(): void }) => Promise<Result>): Promise<Result>
  /** Begins a transaction that the caller ends. */
  begin(): Promise<OpenTransaction>
  /** Plain SQL on the same database, for what no action covers. */
  rows(sql: string, values?: unknown[]): Promise<Row[]>
  close(): Promise<void>
}

/** How the world is opened. */
export interface WorldOptions {
  databaseUrl: string
  /** Write the files of builds below this topdir too. */
  topdir?: string
  /** Who acts; made when new. Default `admin`. */
  user?: string
  /** Gets what the hub announces, after each commit, in order. */
  announce?: (announcement: Announcement) => unknown
}

/** Opens a Koji database to work on. */
export async function openWorld(options: WorldOptions): Promise<ProdWorld> {
  const pool = new pg.Pool({ connectionString: options.databaseUrl, max: 4 })
  pool.on('error', () => {
    // A test may stop the database.
  })
  pool.on('connect', (client) => {
    // Also while a transaction of somebody's is open; its next statement tells.
    client.on('error', () => {})
  })
  const columns = await readColumns(pool)
  const tree = options.topdir === undefined ? undefined : new BuildTree(options.topdir)
  const userId = await actingUser(pool, options.user ?? 'admin')
  const begin = async () => {
    const client = await pool.connect()
    await client.query('BEGIN')
    const tx = new Tx(client, columns, userId, tree)
    const end = async (word: 'COMMIT' | 'ROLLBACK') => {
      try {
        await client.query(word)
      } finally {
        client.release()
      }
      if (word === 'COMMIT')
        for (const announcement of tx.announcements) await options.announce?.(announcement)
    }
    return { tx, end }
  }
  const inTransaction = async <Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> => {
    const { tx, end } = await begin()
    let result: Result
    try {
      result = await work(tx)
    } catch (error) {
      await end('ROLLBACK')
      throw error
    }
    await end('COMMIT')
    return result
  }
  return {
    ...bind((call) => inTransaction(call)),
    together: (work) =>
      inTransaction((tx) => work({ ...bind((call) => call(tx)), nextCall: () => tx.nextCall() })),
    begin: async () => {
      const { tx, end } = await begin()
      const rest = {
        event: () => tx.event(),
        nextCall: () => tx.nextCall(),
        commit: () => end('COMMIT'),
        rollback: () => end('ROLLBACK'),
      }
      return { ...bind((call) => call(tx)), ...rest }
    },
    rows: async (sql, values) => (await pool.query(sql, values)).rows as Row[],
    close: () => pool.end(),
  }
}

/** Actions that get their transaction from `run`. */
function bind(run: (call: (tx: Tx) => Promise<unknown>) => Promise<unknown>): Actions {
  const entries = Object.entries(actions).map(([name, action]) => [
    name,
    (...args: unknown[]) =>
      run((tx) => (action as (tx: Tx, ...rest: unknown[]) => Promise<unknown>)(tx, ...args)),
  ])
  return Object.fromEntries(entries) as Actions
}

async function readColumns(pool: pg.Pool): Promise<Map<string, Set<string>>> {
  const { rows } = await pool.query(
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'",
  )
  const columns = new Map<string, Set<string>>()
  for (const row of rows) {
    columns.set(row.table_name, (columns.get(row.table_name) ?? new Set()).add(row.column_name))
  }
  return columns
}

async function actingUser(pool: pg.Pool, name: string): Promise<number> {
  const found = await pool.query('SELECT id FROM users WHERE name = $1', [name])
  if (found.rows[0]) return Number(found.rows[0].id)
  const made = await pool.query('INSERT INTO users (name, status, usertype) VALUES ($1, 0, 0) RETURNING id', [
    name,
  ])
  return Number(made.rows[0].id)
}
