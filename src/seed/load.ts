import { pipeline } from 'node:stream/promises'
import { from as copyFrom } from 'pg-copy-streams'
import { OutageError, StopError, SyncError } from '../errors.ts'
import { classify } from '../staging/database-errors.ts'
import { DumpReader, torn } from './dump-reader.ts'
import type { Dump } from './dump-source.ts'
import { inGroups, type Late, lateStatement, runGroup } from './late.ts'
import type { Session } from './session.ts'
import { headOf, judgeStatement, tableOf } from './statement.ts'

export interface LoadOptions {
  readonly dump: Dump
  /** in the new, empty database */
  readonly session: Session
  readonly isLeftOut: (table: string) => boolean
  /** more of them, which make indexes at the same time */
  readonly helpers?: readonly Session[]
  /** Called when all rows are there, and no index is: for what changes many rows. */
  readonly onRows?: () => Promise<void>
  readonly signal: AbortSignal
  /** told now and then, with what is under way */
  readonly onProgress?: (doing: string) => void
}

export interface LoadReport {
  readonly statements: number
  /** rows by table */
  readonly rows: Readonly<Record<string, number>>
  /** tables of the dump whose rows were left out */
  readonly leftOut: readonly string[]
  /** beginnings of statements that were left out and that a person should know of */
  readonly notices: readonly string[]
}

/**
 * Runs a dump in a new database: rows as they come, then indexes and keys, several at a time; stops at the first error. What was loaded
 * is whole only when this returns.
 *
 * Throws SyncError SEED_LOAD_FAILED naming the statement or table, SEED_DUMP_TORN, those of reading; OutageError('database'), also
 * when the server's disk is full; StopError.
 */
export async function loadDump(options: LoadOptions): Promise<LoadReport> {
  const { dump, session, helpers = [], isLeftOut, onRows, signal, onProgress } = options
  const reader = new DumpReader(dump.sql)
  const rows: Record<string, number> = {}
  const leftOut = new Set<string>()
  const notices: string[] = []
  const late: Late[] = []
  const names = new Map<string, string>()
  let statements = 0
  for (const one of [session, ...helpers]) await one.query('seed.load-mode', LOAD_MODE)
  for (;;) {
    if (signal.aborted) throw new StopError('SEED_STOPPED', 'the seed was given up')
    const statement = await reader.next()
    if (statement === null) break
    if (statements > 0 && statement.startsWith('\\connect')) {
      throw new SyncError('SEED_DUMP_STATEMENT', 'the dump cannot be used: it is one of several databases')
    }
    const judged = judgeStatement(statement, isLeftOut)
    if (judged.do === 'skip') {
      if (judged.notice !== undefined) notices.push(judged.notice)
      continue
    }
    statements += 1
    if (judged.do === 'run') {
      const found = lateStatement(statement)
      if (found !== null) {
        late.push(found)
        continue
      }
      const into = /^\s*INSERT\s+INTO\s+(\S+)/i.exec(statement)?.[1]
      if (into !== undefined) names.set(tableOf(into), into)
      onProgress?.(headOf(statement).slice(0, 60))
      await run(session, statement)
    } else if (isLeftOut(judged.table)) {
      leftOut.add(judged.table)
      onProgress?.(`leaving out ${judged.table}`)
      for await (const bytes of reader.copyData(judged.table)) void bytes
    } else {
      onProgress?.(judged.table)
      const data = told(reader.copyData(judged.table), () => onProgress?.(judged.table))
      const isFirst = !names.has(judged.table)
      names.set(judged.table, judged.name)
      const copied = await copy(session, { statement, ...judged, isFirst }, data, signal)
      rows[judged.table] = (rows[judged.table] ?? 0) + copied
    }
  }
  if (!reader.complete) throw torn('without the line that pg_dump writes last')
  // The dump's own settings, its empty search_path above all, end with its rows.
  await session.restoreSettings()
  await session.query('seed.load-mode', LOAD_MODE)
  await onRows?.()
  for (const group of inGroups(late, rows, names)) {
    await runGroup(group, [session, ...helpers], async (worker, { text }) => {
      if (signal.aborted) throw new StopError('SEED_STOPPED', 'the seed was given up')
      onProgress?.(headOf(text).slice(0, 60))
      await run(worker, text)
    })
  }
  await session.restoreSettings()
  return { statements, rows, leftOut: [...leftOut].sort(), notices }
}

/** Only what ends in the rows' own commit must last; that flushes all before it. Indexes are made in memory as far as they fit. */
const LOAD_MODE = `
  set synchronous_commit = off;
  select set_config('maintenance_work_mem', '256MB', false) from pg_settings
   where name = 'maintenance_work_mem' and setting::bigint < 262144`

async function* told(data: AsyncIterable<Buffer>, tell: () => void): AsyncGenerator<Buffer> {
  for await (const bytes of data) {
    yield bytes
    tell()
  }
}

async function run(session: Session, statement: string): Promise<void> {
  await session.step('sql.seed.load')
  try {
    await session.client.query(statement)
  } catch (error) {
    throw failed(error, `the statement ${headOf(statement)}`)
  }
}

/**
 * Rows of a table that has none yet are written as they will be for ever (`freeze`): nobody who reads them has to note that they are
 * valid, and no vacuum has to come by. That needs a table which was emptied in the same transaction.
 */
async function copy(
  session: Session,
  { statement, table, name, isFirst }: { statement: string; table: string; name: string; isFirst: boolean },
  data: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<number> {
  await session.step('sql.seed.copy', { table })
  const isFresh = isFirst && (await emptied(session, name))
  const into = copyFrom(isFresh ? statement.replace(/;\s*$/, ' WITH (FREEZE);') : statement)
  session.client.query(into)
  try {
    await pipeline(data, into, { signal })
  } catch (error) {
    if (signal.aborted) throw new StopError('SEED_STOPPED', 'the seed was given up')
    throw failed(error, `the rows of ${table}`)
  }
  if (isFresh) await run(session, 'commit')
  return into.rowCount
}

/** Begins a transaction and empties the table; false, and no transaction: others refer to it already. */
async function emptied(session: Session, name: string): Promise<boolean> {
  await run(session, 'begin')
  try {
    await session.client.query(`truncate only ${name}`)
    return true
  } catch (error) {
    await session.client.query('rollback')
    if ((error as { code?: string }).code === '0A000') return false
    throw failed(error, `the table ${name}`)
  }
}

function failed(error: unknown, what: string): Error {
  if (error instanceof SyncError) return error
  const known = classify(error, 'seed.load')
  const { code, message, detail, where } = error as Record<string, unknown>
  if (known instanceof OutageError && !isOfStatement(code)) {
    const full = code === '53100' ? "staging's PostgreSQL server has no room left on its disk: " : ''
    return new OutageError('database', known.code, `${full}loading ${what}: ${message}`, { cause: error })
  }
  const more = [detail, where].filter((part) => typeof part === 'string').join('; ')
  return new SyncError(
    'SEED_LOAD_FAILED',
    `loading stopped at ${what}: ${message}${more && ` (${more.slice(0, 300)})`}`,
    {
      cause: error,
      detail: { sqlstate: code },
    },
  )
}

/** Class 42 is a statement that does not fit (no such column, no right), 3F a schema that is not there: the dump's fault. */
function isOfStatement(code: unknown): boolean {
  return typeof code === 'string' && /^(?:42|3F)/.test(code)
}
