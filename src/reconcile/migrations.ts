import type { Migration } from '../staging/migration.ts'

/** Tables of reconcile: who runs it. */
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
]
