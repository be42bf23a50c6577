import type { Migration } from './migration.ts'

/** What daemons did lately, so that the page shows that of all of them, and `status` when none runs. */
export const activityMigrations: readonly Migration[] = [
  {
    id: 'activity-001-tables',
    // A crash of the server may empty them: they are for people to look at.
    sql: `
      create unlogged table staging_sync.activity_minute (
        daemon text not null,
        at_ms bigint not null,
        arrived bigint not null,
        applied bigint not null,
        lag_count bigint not null,
        lag_sum double precision not null,
        lag_max double precision not null,
        primary key (daemon, at_ms)
      );
      comment on table staging_sync.activity_minute is 'Of the last hour, by minute and daemon: messages that came, keys that were written, lag in seconds';

      create unlogged table staging_sync.activity (
        daemon text primary key,
        things jsonb not null,
        seen timestamptz not null default clock_timestamp()
      );
      comment on table staging_sync.activity is 'The newest things that came or were done, by daemon, for the page and status';
    `,
  },
]
