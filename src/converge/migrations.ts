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
    `,
  },
]
