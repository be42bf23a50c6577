import type { Migration } from '../staging/migration.ts'

/** Tables of the convergers themselves. */
export const convergeMigrations: Migration[] = [
  {
    id: 'converge-001-scope',
    sql: `
      create table staging_sync.scope_tag (
        tag_id bigint primary key,
        reason text not null,
        added_at timestamptz not null default now()
      );
      comment on table staging_sync.scope_tag is
        'prod tags that are in scope though no pattern names them: parents, and tags of targets';

      create table staging_sync.scope_build (
        build_id bigint primary key,
        reason text not null,
        added_at timestamptz not null default now()
      );
      comment on table staging_sync.scope_build is
        'prod builds that are in scope though no tag in scope has them: parts of archives';

      create table staging_sync.sigkey (sigkey text primary key);
      comment on table staging_sync.sigkey is
        'every signing key ever seen from prod: signatures by these are ours, all others are staging''s own';
    `,
  },
  {
    id: 'converge-002-scope-content',
    sql: `
      alter table staging_sync.scope_tag add column content_marked_at timestamptz;
      comment on column staging_sync.scope_tag.content_marked_at is
        'When the keys of all that prod has in the tag were marked, since it was in scope; null: its own key has still to';
    `,
  },
]
