import type { Key } from '../../model/key.ts'
import type { Sql } from '../../staging/database.ts'

/** Builds that are in scope though no tag in scope has them: an archive in scope contains something of them. */
export async function includeBuilds(sql: Sql, keys: readonly Key[], reason: string): Promise<void> {
  const ids = keys.flatMap((key) => (key.kind === 'build' ? [key.buildId] : [])).sort((a, b) => a - b)
  if (ids.length === 0) return
  await sql.query(
    'scope.include-builds',
    `insert into staging_sync.scope_build (build_id, reason)
     select id, $2 from unnest($1::bigint[]) as id on conflict (build_id) do nothing`,
    [ids, reason],
  )
}
