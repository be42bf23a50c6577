import type { Migration } from './migration.ts'

/** What people decided, and the record of it. */
export const decisionMigrations: readonly Migration[] = [
  {
    id: 'decisions-001-table',
    sql: `
      create table staging_sync.decision (
        key text primary key,
        policy text not null check (policy in ('prod-wins', 'local-wins', 'hold')),
        decided_by text not null,
        host text not null,
        decided_at timestamptz not null default clock_timestamp()
      );
      comment on table staging_sync.decision is
        'How a person settled the clashes of one key, instead of [conflicts] of the configuration';

      create table staging_sync.audit (
        id bigserial primary key,
        at timestamptz not null default clock_timestamp(),
        who text not null,
        host text not null,
        what text not null,
        subject text not null,
        detail text not null default ''
      );
      comment on table staging_sync.audit is 'What people did by hand: who, when, to which key; kept for ever';
    `,
  },
]
