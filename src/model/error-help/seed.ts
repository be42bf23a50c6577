import { type ErrorHelps, STOP_TODO } from './entry.ts'

const NEW_DUMP =
  'Make or copy the dump again, and run `seed` again: it starts anew. The running staging was not touched.'

export const SEED_ERRORS: ErrorHelps = {
  SEED_RUNS: {
    what: 'Another seed of the same staging is at work; this one did nothing.',
    why: 'Somebody else started one, or one that was killed has not been noticed as gone yet.',
    todo: 'Wait for it to end.',
  },
  SEED_STOPPED: { what: 'The seed was given up.', why: 'A signal.', todo: STOP_TODO },
  SEED_ADDRESS: {
    what: 'staging.database does not name a database.',
    why: 'The address ends after the host.',
    todo: 'Add the name: postgresql://user@host:5432/koji.',
  },
  SEED_NO_DATABASE: {
    what: 'The server has no database of the name that staging.database gives.',
    why: 'seed.maintenance_database is on another server, or the database was renamed meanwhile.',
    todo: 'Mend the address; for a first seed make an empty database of that name.',
  },
  SEED_NAME: {
    what: 'A name for the new or the kept database would be longer than PostgreSQL allows.',
    why: "staging's database has a long name.",
    todo: 'Give it a shorter one.',
  },
  SEED_NAME_TAKEN: {
    what: 'A database stands where the seed would make its own, and it is not one that a seed may drop.',
    why: 'Somebody made it, or it was live before a rollback and may hold work.',
    todo: 'Look at it; drop or rename it.',
  },
  SEED_DATABASE_UNLIKE: {
    what: 'The new database could not be made like the running one; what differs is named. Nothing was loaded.',
    why: 'This PostgreSQL keeps something of a database (locale, place) that this version does not know of.',
    todo: 'Update this program.',
  },
  SEED_RIGHTS: {
    what: 'The role of staging.database cannot make the new database or give its tables to their owner.',
    why: 'It lacks CREATEDB, membership of the roles that own the database, the tables of Koji and the schema staging_sync, or a right on the tablespace.',
    todo: 'Grant what the text names.',
  },
  SEED_NOT_KOJI: {
    what: 'The database that would be replaced holds something else than a Koji.',
    why: 'staging.database names the wrong one.',
    todo: 'Mend the address. An empty database may be replaced.',
  },
  SEED_DISK_FULL: {
    what: 'By estimate the server has no room for the new database beside the old one; nothing was made.',
    why: 'The dump grew, or kept databases of earlier swaps were never dropped.',
    todo: 'Make room, or say with `--free` how much there is.',
  },
  SEED_PROGRAM_MISSING: {
    what: 'The dump needs a program of this host to be unpacked or read, and it is not there.',
    why: 'xz, zstd, bzip2 or pg_restore is not installed.',
    todo: 'Install the one that is named, or give a dump that is plain SQL or gzip.',
  },
  SEED_DUMP_UNREADABLE: {
    what: 'The dump cannot be opened or read.',
    why: 'The path or address is wrong, or the connection broke.',
    todo: 'Mend it and run `seed` again.',
  },
  SEED_DUMP_EMPTY: { what: 'The dump holds nothing.', why: 'It was not made to its end.', todo: NEW_DUMP },
  SEED_DUMP_BROKEN: {
    what: 'The dump cannot be unpacked.',
    why: 'It was cut off or damaged while it was made or copied.',
    todo: NEW_DUMP,
  },
  SEED_DUMP_TORN: {
    what: 'The dump is not whole: it ends too early. What was loaded of it was dropped.',
    why: 'It was cut off while it was made or copied. It is no change of the schema.',
    todo: NEW_DUMP,
  },
  SEED_DUMP_STATEMENT: {
    what: 'The dump holds something that pg_dump does not write for the tables of one database; nothing of it was run.',
    why: 'It is of a whole server (pg_dumpall), of a staging, or was edited.',
    todo: 'Make one with `pg_dump` of the database of prod.',
  },
  SEED_DUMP_NO_EVENTS: {
    what: 'The dump holds no events.',
    why: 'It was made of some tables only, or without rows.',
    todo: 'Make one of the whole database.',
  },
  SEED_DUMP_OLDER: {
    what: 'Staging shows a later state of prod already than the dump does.',
    why: 'The dump is an old one.',
    todo: 'Take a newer one, or allow it with `--older`: catch-up then goes on from where the dump ends.',
  },
  SEED_OTHER_PROD: {
    what: 'The last event of the dump is not one that prod.hub knows.',
    why: 'The dump is of another Koji, or prod was restored from a backup since.',
    todo: 'Take a dump of the Koji that prod.hub names.',
  },
  SEED_SCHEMA_NEWER: {
    what: 'The dump has tables or columns that this version does not know.',
    why: 'Prod runs a newer Koji, or has tables of its own.',
    todo: 'Update this program, or list tables of your own in seed.own_tables.',
  },
  SEED_LOAD_FAILED: {
    what: 'PostgreSQL refused a statement or rows of the dump; what was loaded was dropped.',
    why: 'The text says what; often a server that is older than that of prod.',
    todo: 'Mend what it says and run `seed` again.',
  },
  SEED_PRINCIPAL_CLASH: {
    what: 'Two users would have the same Kerberos principal.',
    why: 'A rule of [[principal_rewrite]] matches too much.',
    todo: 'Narrow the rule.',
  },
  SEED_PRINCIPAL_TAKEN: {
    what: 'A principal of [[seed_user]] or [[seed_host]] belongs to another user of the dump.',
    why: 'A rule of [[principal_rewrite]] made it, or kept it.',
    todo: 'Change the rule, or the principal.',
  },
  SEED_USER_TYPE: {
    what: 'A name of [[seed_user]] is a host in the dump, or one of [[seed_host]] is a person.',
    why: 'Names are shared by both in Koji.',
    todo: 'Choose another name.',
  },
  SEED_SYNC: {
    what: 'The links in the tree of staging could not be made durable.',
    why: 'coreutils is missing, or the disk is sick.',
    todo: 'See that `sync -f` works on staging.topdir; run `seed` again.',
  },
  SEED_NOT_READY: {
    what: 'There is no whole database to swap in.',
    why: 'No `seed --dump` has ended well since the last swap.',
    todo: 'Run `seed --dump` first.',
  },
  SEED_NOTHING_KEPT: {
    what: 'There is nothing to go back to.',
    why: 'No swap was made, or the kept database was dropped or renamed.',
    todo: 'Look at the databases of the server.',
  },
  SEED_LOCAL_WORK: {
    what: 'Staging made something itself that cannot be carried into the other database; it is named. Nothing was changed.',
    why: 'The dump has its name or its id for something else, or what it refers to is not there.',
    todo: 'Mend it in staging (`seed --plan` lists all), or say `--leave KEY` for each that may stay in the kept database (`--leave-rest` for all); `--leave-local` leaves everything there.',
  },
  SEED_NOT_STILL: {
    what: "Staging's tables could not be locked for the swap, though those who held them were ended. Nothing was changed.",
    why: 'Somebody begins new long transactions all the time.',
    todo: 'Find out who (pg_stat_activity), stop it, and run `seed --swap` again.',
  },
  SEED_SESSIONS: {
    what: 'The swap ends all connections to staging, and some are of roles whose connections we may not end; they are named. Nothing was changed.',
    why: 'The role of staging.database is no member of theirs, nor of pg_signal_backend; those of a superuser only a superuser may end.',
    todo: 'Grant pg_signal_backend, or stop what is named (a superuser: by hand), and run `seed --swap` again.',
  },
  SEED_SEQUENCE_OVERTAKEN: {
    what: 'While the databases were swapped, more ids were given out than was allowed for. They were swapped, and the sequences raised.',
    why: 'The hub was unusually busy.',
    todo: 'Ids that both databases gave may be told by the sequences that are named: expire repos, if it is repo_id_seq.',
  },
}
