import { AgainError, KeyError, OutageError, SyncError } from '../errors.ts'

/**
 * SQLSTATEs that mean "somebody else was faster": observe again.
 * 55P03 lock not available, 40P01 deadlock, 40001 serialization failure, 23505 unique violation,
 * 23503 foreign key (what we refer to has just gone), 25P03 we idled in a transaction for too long.
 */
const AGAIN = new Set(['55P03', '40P01', '40001', '23505', '23503', '25P03'])

/**
 * Classes and codes that mean "the server, not the statement": connection, resources, shutdown (57P0x), system, and its
 * grants (42501).
 */
const OUTAGE_CLASSES = ['08', '53', '58']
const OUTAGE_CODES = new Set([
  '25006',
  '28000',
  '28P01',
  '3D000',
  '42501',
  '57P01',
  '57P02',
  '57P03',
  '57P04',
  '57P05',
])

/**
 * The statement's own fault, on these rows: it ran into its timeout or was cancelled (57014), or met a corrupt row (XX00x). If it
 * counted as an outage, one such key would stop all others for ever.
 */
const OWN_CODES: Readonly<Record<string, string>> = {
  '57014': 'DATABASE_TIMEOUT',
  XX000: 'DATABASE_INTERNAL',
  XX001: 'DATABASE_CORRUPT',
  XX002: 'DATABASE_CORRUPT',
}

/** What a person must mend, apart from what comes back by itself. */
const NAMES: Readonly<Record<string, string>> = {
  '28P01': 'DATABASE_AUTH',
  '28000': 'DATABASE_AUTH',
  // `init --print-grants` prints what is needed.
  '42501': 'DATABASE_DENIED',
}

/** All connections of the pool are in use for longer than the connect may take: we are busy, the database is not down. */
const POOL_BUSY = 'timeout exceeded when trying to connect'

/** Undefined table, column, schema: Koji's schema is being replaced or was upgraded. No key is to blame. */
const SCHEMA_CODES = new Set(['42P01', '42703', '3F000'])

/** Feature not supported, of which one is: a prepared statement whose columns have another type now. Its connection goes. */
const STALE_PLAN = '0A000'

/** `holds` failed: division_by_zero, which nothing else of ours can cause. */
const NOT_HELD = '22012'

/**
 * SQL of a column that fails the statement, as AgainError ROW_CHANGED, unless the condition holds: for checks whose answers
 * are not awaited before what follows is sent.
 */
export function holds(condition: string): string {
  return `1 / (${condition})::int as holds`
}

/** What the caller does next with an error of pg. `statement` is its name. */
export function classify(thrown: unknown, statement: string, poolIsFull = false): SyncError {
  if (thrown instanceof SyncError) return thrown
  const error = thrown as { code?: unknown; message?: unknown; constraint?: unknown; table?: unknown }
  const code = typeof error.code === 'string' ? error.code : ''
  const message = typeof error.message === 'string' ? error.message : String(thrown)
  const detail = { statement, sqlstate: code, table: error.table, constraint: error.constraint }
  if (AGAIN.has(code)) {
    return new AgainError('DATABASE_RACE', `${statement}: ${message}`, { detail, cause: thrown })
  }
  if (code === NOT_HELD) {
    return new AgainError('ROW_CHANGED', `${statement}: rows changed since they were read`, {
      detail,
      cause: thrown,
    })
  }
  if (SCHEMA_CODES.has(code) || (code === STALE_PLAN && message.includes('cached plan'))) {
    const what = `staging database: its schema changed under us: ${statement}: ${message}`
    return new OutageError('database', 'DATABASE_SCHEMA', what, { detail, cause: thrown })
  }
  const own = OWN_CODES[code]
  if (own !== undefined) return new KeyError(own, `${statement}: ${message}`, { detail, cause: thrown })
  if (poolIsFull && message === POOL_BUSY) {
    return new AgainError('DATABASE_BUSY', `${statement}: every connection is in use`, { detail })
  }
  const isState = /^[0-9A-Z]{5}$/.test(code)
  if (message.startsWith('Prepared statements must be unique')) {
    return new SyncError('DATABASE_STATEMENT_NAME', `${statement}: this name stands for another text`, {
      detail,
    })
  }
  if (!isState || OUTAGE_CODES.has(code) || OUTAGE_CLASSES.includes(code.slice(0, 2))) {
    const name = NAMES[code] ?? 'DATABASE_DOWN'
    return new OutageError('database', name, `staging database: ${statement}: ${message}`, {
      detail,
      cause: thrown,
    })
  }
  return new SyncError('DATABASE_STATEMENT', `${statement}: ${message}`, { detail, cause: thrown })
}
