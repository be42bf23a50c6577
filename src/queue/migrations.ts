import type { Migration } from '../staging/migration.ts'

/**
 * The queue's table.
 *
 * One index beside the primary key, on what a claim walks: (priority, due_at). A claim, a renewal and a mark of a ready
 * or claimed key change no indexed column, so they are HOT updates within the page that fillfactor leaves room in.
 * A lease is therefore no part of the index: a claimed row stays where it is and is filtered.
 */
export const queueMigrations: readonly Migration[] = [
  {
    id: 'queue-001-table',
    sql: `
create sequence staging_sync.queue_token as bigint;
comment on sequence staging_sync.queue_token is 'Tokens of claims; whoever holds the newest of a key holds the key';

create table staging_sync.queue (
  key text primary key check (octet_length(key) between 1 and 1024),
  kind text not null,
  priority smallint not null check (priority in (0, 1)),
  generation bigint not null default 1 check (generation > 0),
  due_at timestamptz not null,
  marked_at timestamptz not null,
  remarked_at timestamptz,
  token bigint,
  lease_until timestamptz,
  claimed_by text,
  attempts integer not null default 0,
  last_code text,
  last_error text,
  failed_at timestamptz,
  parked_at timestamptz,
  waits integer not null default 0,
  waiting_for text[] not null default '{}',
  depends_on text[] not null default '{}',
  wait_reason text,
  wakes text[] not null default '{}',
  expect jsonb,
  expect_dropped integer not null default 0,
  check (lease_until is null or token is not null)
) with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);
create index queue_due on staging_sync.queue (priority, due_at);

comment on table staging_sync.queue is 'Keys that may differ between prod and staging, one row each; a row goes when its key was made equal';
comment on column staging_sync.queue.priority is '0 live, 1 sweep';
comment on column staging_sync.queue.generation is 'How often it was marked';
comment on column staging_sync.queue.due_at is 'Not before; in the future: backoff, look again later, waiting, parked';
comment on column staging_sync.queue.marked_at is 'Oldest mark of the round that is running or due';
comment on column staging_sync.queue.remarked_at is 'First mark since it was claimed: the next round''s marked_at';
comment on column staging_sync.queue.token is 'Of the newest claim, while that may still apply; null when it was given back';
comment on column staging_sync.queue.lease_until is 'Others may claim it after that; null when nobody holds it';
comment on column staging_sync.queue.attempts is 'Its own failures in a row';
comment on column staging_sync.queue.parked_at is 'It failed too often, or for good: tried again hourly and when marked';
comment on column staging_sync.queue.waits is 'How often in a row it waited for others';
comment on column staging_sync.queue.waiting_for is 'Dependencies that are neither gone nor parked';
comment on column staging_sync.queue.depends_on is 'All dependencies of its last wait';
comment on column staging_sync.queue.wakes is 'Keys to mark when this one is done';
comment on column staging_sync.queue.expect is 'What messages claimed: subject to [claim, milliseconds since 1970]';
comment on column staging_sync.queue.expect_dropped is 'Expectations beyond the bound, not counted yet';
`,
  },
  {
    id: 'queue-002-only-expected',
    sql: `
alter table staging_sync.queue add column only_expected boolean not null default false;
comment on column staging_sync.queue.only_expected is 'Nothing can have changed but what is expected: all marks said so';
`,
  },
]
