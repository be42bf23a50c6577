import type { Migration } from '../staging/migration.ts'

/** The table of the scrub: one row, how far it is and who does it. */
export const scrubMigrations: readonly Migration[] = [
  {
    id: 'scrub-001-position',
    sql: `
      create table staging_sync.scrub (
        only_one boolean primary key default true check (only_one),
        after_build bigint not null default 0,
        pass integer not null default 1,
        started timestamptz not null default clock_timestamp(),
        builds bigint not null,
        done bigint not null default 0,
        missed jsonb not null default '{}',
        last_started timestamptz,
        last_ended timestamptz,
        last_builds bigint,
        last_missed jsonb,
        holder text,
        holder_what text,
        holder_host text,
        holder_pid integer,
        seen timestamptz
      );
      comment on table staging_sync.scrub is 'How far the rolling look at every build is';
      comment on column staging_sync.scrub.after_build is 'prod''s id of the last build that was looked at, 0: none in this pass';
      comment on column staging_sync.scrub.builds is 'how many there are, counted now and then';
      comment on column staging_sync.scrub.missed is 'differences of this pass that nobody knew of, by kind';
      comment on column staging_sync.scrub.holder is 'who goes on with it; gone when not seen for a minute';
    `,
  },
]
