import type { Migration } from './migration.ts'

/**
 * The staging store's own tables, all in schema `staging_sync`. Prod ids and prod events are bigint; nothing here has
 * a foreign key into Koji's tables, so that Koji's own work never waits for ours.
 */
export const stagingMigrations: readonly Migration[] = [
  {
    id: 'staging-001-store',
    sql: `
      create table staging_sync.setting (key text primary key, value text not null);
      comment on table staging_sync.setting is
        'What all daemons must agree on: id_floor, user_id, user_name, init_event, seed_event, and pinned digests';

      create table staging_sync.owned (
        kind text not null,
        prod_id bigint not null,
        staging_id bigint not null,
        digest text,
        applied_at timestamptz not null default clock_timestamp(),
        primary key (kind, prod_id),
        unique (kind, staging_id)
      );
      comment on table staging_sync.owned is 'Rows with an id that came from prod through us';
      comment on column staging_sync.owned.digest is
        'Of what was last applied, for the three-way comparison; of a name the name itself';

      create table staging_sync.event_map (
        key text not null,
        prod_event bigint not null,
        staging_event bigint not null,
        primary key (key, staging_event)
      );
      create index event_map_by_prod on staging_sync.event_map (key, prod_event);
      comment on table staging_sync.event_map is 'Per key: up to which prod event staging was equal, and from which event of its own';

      create table staging_sync.debt (
        id bigserial primary key,
        last_event bigint not null,
        interleaved boolean not null,
        tag_ids integer[] not null,
        owed_at timestamptz not null default clock_timestamp()
      );
      comment on table staging_sync.debt is 'The repo race: tags to announce if a repo may have been made while a transaction was open';

      create table staging_sync.placement (
        prod_build_id bigint not null,
        staging_volume text not null,
        name text not null,
        version text not null,
        release text not null,
        prod_volume text not null,
        mode text not null,
        state text not null check (state in ('intent', 'placed', 'removing')),
        changed_at timestamptz not null default clock_timestamp(),
        primary key (prod_build_id, staging_volume, name, version, release)
      );
      create index placement_open on staging_sync.placement (state, changed_at) where state <> 'placed';
      comment on table staging_sync.placement is 'Where a build''s files stand; a row precedes the first file and outlives the last';

      create table staging_sync.clash (
        id bigserial primary key,
        key text not null,
        subject text not null,
        kind text not null,
        prod jsonb,
        local jsonb,
        decision text not null check (decision in ('held', 'prod-won', 'local-won')),
        state text not null check (state in ('held', 'prod-won', 'local-won', 'resolved')),
        first_seen timestamptz not null default clock_timestamp(),
        last_seen timestamptz not null default clock_timestamp(),
        count bigint not null default 1,
        resolved_at timestamptz
      );
      create unique index clash_open on staging_sync.clash (key, subject, kind) where resolved_at is null;
      create index clash_by_state on staging_sync.clash (state, last_seen);
      comment on table staging_sync.clash is 'The same thing with other content on both sides, and what policy decided; what prod-wins replaced stays here';

      create table staging_sync.removal_gate (kind text primary key);
      comment on table staging_sync.removal_gate is 'One row a kind, locked while a daemon spends of its budget';
      create table staging_sync.removal (
        kind text not null,
        removed_at timestamptz not null default clock_timestamp(),
        count integer not null
      );
      create index removal_by_time on staging_sync.removal (kind, removed_at);
      comment on table staging_sync.removal is 'Inferred removals of the last hour';

      create table staging_sync.cursor (name text primary key, event bigint, time timestamp);
      comment on table staging_sync.cursor is 'How far each source was read: prod''s event ids and prod''s clock (UTC)';

      create table staging_sync.handled (
        table_name text not null,
        key text not null,
        create_event bigint not null,
        revoke_event bigint not null,
        primary key (table_name, key, create_event, revoke_event)
      );
      create index handled_by_event on staging_sync.handled (greatest(create_event, revoke_event));
      comment on table staging_sync.handled is 'History rows of prod that were marked already; revoke_event 0: was active';

      create table staging_sync.daemon (
        id text primary key,
        host text not null,
        pid integer not null,
        digest text not null,
        started timestamptz not null default clock_timestamp(),
        seen timestamptz not null default clock_timestamp()
      );
      comment on table staging_sync.daemon is 'Who works on this staging, and a digest of scope and policy, which must be one';
    `,
  },
  {
    id: 'staging-002-whole',
    sql: `
      alter table staging_sync.event_map add column whole boolean not null default true;
      comment on column staging_sync.event_map.whole is
        'false: something of the key was left out (held, parked, missing), so the pair is no checkpoint of it';
    `,
  },
  {
    id: 'staging-003-adopted',
    sql: `
      create table staging_sync.adopted (
        table_name text not null,
        key text not null,
        create_event bigint not null,
        primary key (table_name, key)
      );
      comment on table staging_sync.adopted is
        'Versioned rows that staging''s people made and that equal prod''s: ours from then on; by natural key and create_event';
    `,
  },
  {
    id: 'staging-004-removals',
    sql: `
      create table staging_sync.owned_count (
        kind text primary key,
        count bigint not null,
        counted_at timestamptz not null default clock_timestamp()
      );
      comment on table staging_sync.owned_count is
        'Rows of each kind that are ours, counted once a day: what the budget of inferred removals is a share of';

      create table staging_sync.removal_grant (
        id bigserial primary key,
        holder text not null,
        rows bigint not null check (rows > 0),
        used bigint not null default 0,
        granted_by text not null,
        host text not null,
        pid integer not null,
        granted_at timestamptz not null default clock_timestamp(),
        seen timestamptz not null default clock_timestamp(),
        ended_at timestamptz
      );
      create index removal_grant_open on staging_sync.removal_grant (id) where ended_at is null;
      comment on table staging_sync.removal_grant is
        'Inferred removals beyond the budget that a person allowed for one reconcile (holder), and how many were made';
    `,
  },
  {
    id: 'staging-005-drafts',
    sql: `
      create table staging_sync.draft (staging_id bigint primary key);
      comment on table staging_sync.draft is
        'Drafts of staging that came from prod, as far as its builds were looked at (setting drafts_read): Koji has no index of them';
      create index owned_build_applied on staging_sync.owned (applied_at) where kind = 'build';
    `,
  },
]
