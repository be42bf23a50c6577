import { BUG_TODO, type ErrorHelps, RACE_TODO } from './entry.ts'

const WAITS =
  'Work waits and goes on by itself; received messages are kept in memory (50,000), later ones are found by catch-up.'

export const DATABASE_ERRORS: ErrorHelps = {
  DATABASE_DOWN: {
    what: `Staging's database does not answer. ${WAITS}`,
    why: 'It is down, restarts, is in recovery, full, read-only, or has no connection left.',
    todo: "See the text, and PostgreSQL's own log.",
  },
  DATABASE_AUTH: {
    what: `Staging's database refuses the login. ${WAITS}`,
    why: 'Wrong user or password, or pg_hba.conf has no line for this host.',
    todo: 'Check staging.database, staging.database_password_file or the systemd credential.',
  },
  DATABASE_REPLACED: {
    what: "Another database stands in the place of staging's: a seed was swapped in, or taken back.",
    why: '`seed --swap` or `--rollback` ran beside this.',
    todo: 'Nothing for a daemon, which begins anew with it. A command that was at work stops: run it again.',
  },
  DATABASE_DENIED: {
    what: "The service's role lacks a right in staging's database. Work waits and goes on by itself once it is granted.",
    why: "It was never granted, an update of Koji or of our schema brought new tables, or `init` was run by a role that does not own Koji's tables.",
    todo: '`doctor` names what is missing; as the owner: `init --print-grants --role NAME | psql`. `init` itself needs the owner.',
  },
  DATABASE_SCHEMA: {
    what: 'A statement met a table or column that is not there. The schema is read anew, and work goes on with what it is now.',
    why: "Staging's Koji was upgraded or migrated just now, or our own tables were dropped.",
    todo: 'If it stays: `doctor`, then `init`.',
  },
  DATABASE_BUSY: {
    what: 'All connections of the pool were in use for too long; the work is tried again.',
    why: 'staging.pool_size is small for worker.concurrency, or the database is slow.',
    todo: 'If it is frequent: raise staging.pool_size or lower worker.concurrency.',
  },
  DATABASE_RACE: {
    what: 'A lock was not to be had at once, or somebody else wrote the same row. We give way.',
    why: "Staging's hub, or another daemon, works on just that.",
    todo: RACE_TODO,
  },
  DATABASE_TIMEOUT: {
    what: 'A statement ran into its timeout or was cancelled. It counts against the key.',
    why: 'A missing index or old statistics, a very large key, or somebody cancelled it.',
    todo: 'The statement is named. `analyze` in staging; see the load of the database.',
  },
  DATABASE_INTERNAL: {
    what: 'PostgreSQL reports an internal error for a statement. It counts against the key.',
    why: 'A bug or a fault of the server, on these rows.',
    todo: "See PostgreSQL's log.",
  },
  DATABASE_CORRUPT: {
    what: 'PostgreSQL reports a corrupt row or index. It counts against the key; others go on.',
    why: 'A fault of disk or memory.',
    todo: "See PostgreSQL's log; `pg_amcheck`, reindex, restore. Reconcile brings back what came from prod.",
  },
  DATABASE_STATEMENT: {
    what: 'A statement failed for a reason that is none of the known ones. It counts against the key.',
    why: "A constraint or trigger of staging's own, or a mistake in the program.",
    todo: "The statement and PostgreSQL's words are in the text. Report it if staging has no changes of its own.",
  },
  DATABASE_STATEMENT_NAME: {
    what: 'One name stood for two texts of a prepared statement.',
    why: 'A pooler between us and PostgreSQL that shares prepared statements, or a mistake in the program.',
    todo: 'Connect directly, or with a pooler in session mode.',
  },
  DATABASE_ROLLED_BACK: {
    what: 'A transaction was rolled back by the server although nothing was reported. Nothing was written.',
    why: 'A statement in it failed unseen: a mistake in the program.',
    todo: BUG_TODO,
  },
  SCHEMA_NOT_KOJI: {
    what: 'staging.database holds no Koji.',
    why: 'The address names another database, or Koji lies in a schema that is not on the search path.',
    todo: 'Mend staging.database.',
  },
  SCHEMA_MISSING: {
    what: "Staging's Koji lacks columns that are needed; they are named. Nothing was started.",
    why: 'It is older than 1.21, or its schema was only half migrated.',
    todo: "Finish the migration of staging's Koji (docs/schema-upgrade-*.sql of Koji).",
  },
  SCHEMA_NEWER: {
    what: 'Our own tables were made by a newer version of this program, which this one cannot work with.',
    why: 'Another host was updated first, and that update is not one that can be rolled.',
    todo: 'Update this host.',
  },
  SCHEMA_BUSY: {
    what: 'Another process has been migrating our tables for half a minute.',
    why: 'Two `init` at once, or one that hangs on a lock.',
    todo: 'Wait for the other one; else look for its session in pg_stat_activity.',
  },
  SCHEMA_CHANGED: {
    what: "Staging's schema is another one than a moment ago; it was read anew.",
    why: "Staging's Koji was upgraded while we ran.",
    todo: RACE_TODO,
  },
  SCHEMA_CANNOT_HOLD: {
    what: "Staging's schema has no place for something that prod has. The key is parked at once; the others go on.",
    why: 'Prod runs a newer Koji than staging.',
    todo: "Upgrade staging's Koji; parked keys are tried again when the schema changes.",
  },
  SCHEMA_NO_SEQUENCE: {
    what: "A table of staging's has no sequence for its ids.",
    why: 'A schema that was restored without its sequences.',
    todo: "Repair staging's schema from Koji's own.",
  },
  SCHEMA_UNKNOWN_COLUMN: {
    what: 'The program named a column that no Koji has.',
    why: 'A mistake in the program.',
    todo: BUG_TODO,
  },
  SEQUENCE_EXHAUSTED: {
    what: "A sequence of staging's cannot be moved above the floor: it would reach its end.",
    why: 'staging.id_floor is too high for 32 bit ids, or the sequence stands near its end.',
    todo: 'Choose a lower floor, still above the ids of prod.',
  },
  ID_BELOW_FLOOR: {
    what: "Staging's sequence gives ids out of prod's range; the row was not written and all writing stops.",
    why: 'Sequences were set back: a restored dump, or setval by hand.',
    todo: 'Run `init`: it moves them above the floor again.',
  },
}
