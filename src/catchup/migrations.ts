import type { Migration } from '../staging/migration.ts'

/** Tables of catch-up: where its sources stand that have no events, and what it has already marked of them. */
export const catchupMigrations: readonly Migration[] = [
  {
    id: 'catchup-001-sources',
    sql: `
      create table staging_sync.catchup_watermark (
        source text not null,
        event bigint not null,
        time timestamp not null,
        top bigint not null,
        primary key (source, event)
      );
      comment on table staging_sync.catchup_watermark is
        'The highest id of each source when that was prod''s last event: turns an overlap in time into one in ids';
      comment on column staging_sync.catchup_watermark.time is 'Of that event, by prod''s clock (UTC)';

      create table staging_sync.catchup_seen (
        source text not null,
        id bigint not null,
        what text not null default '',
        primary key (source, id, what)
      );
      comment on table staging_sync.catchup_seen is 'What was marked already: new ids, and differences while they last';

      create table staging_sync.catchup_sentinel (
        only_one boolean primary key default true check (only_one),
        build_id bigint not null,
        nvr text not null,
        create_event bigint not null,
        completion_time timestamp not null
      );
      comment on table staging_sync.catchup_sentinel is
        'A build of prod that staging has; should prod not know it any more, it is not the prod that we followed';
    `,
  },
  {
    id: 'catchup-002-staging',
    sql: `
      create table staging_sync.catchup_gap (
        first bigint primary key,
        last bigint not null,
        noted_at timestamptz not null default clock_timestamp()
      );
      comment on table staging_sync.catchup_gap is
        'Ids between staging''s own events that were not there when its history was read: rolled back, or open then';

      create index event_map_by_staging on staging_sync.event_map (staging_event);
    `,
  },
]
