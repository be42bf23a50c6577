import type { Migration } from '../staging/migration.ts'

/** Tables of reconcile: who runs it, and what runs once a day. */
export const reconcileMigrations: readonly Migration[] = [
  {
    id: 'reconcile-001-run',
    sql: `
      create table staging_sync.reconcile_run (
        only_one boolean primary key default true check (only_one),
        id text not null,
        host text not null,
        pid integer not null,
        started timestamptz not null default clock_timestamp(),
        seen timestamptz not null default clock_timestamp()
      );
      comment on table staging_sync.reconcile_run is 'Who reconciles now, or did last and was cut off; a dry run is not here';
    `,
  },
  {
    id: 'reconcile-002-schedule',
    sql: `
      create table staging_sync.schedule (
        task text primary key,
        done timestamptz not null,
        taken timestamptz,
        holder text,
        seen timestamptz
      );
      comment on table staging_sync.schedule is
        'What daemons do once a day, and when it was begun last of those times that it ended well';
    `,
  },
]
