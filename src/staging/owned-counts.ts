import type { Database, Sql } from './database.ts'
import type { RowOwner } from './listing.ts'
import { VERSIONED, type VersionedName } from './versioned-tables.ts'

/** A count that is older is made anew. Five percent of what was ours yesterday is near enough. */
export const COUNT_AGE_SECONDS = 86_400

/** Rows of a versioned table that are ours: by creator, or copied from prod with the seed. */
function versionedCount(table: VersionedName): string {
  return `select count(*) as count from ${table} t where t.active and (t.creator_id = $1::int or t.create_event <= $2::bigint)`
}

/** Contents of builds that are ours by record, and of copied builds those without a record. */
function contentCount(kind: 'rpm' | 'archive', table: 'rpminfo' | 'archiveinfo'): string {
  return `select (select count(*) from staging_sync.owned where kind = '${kind}')
    + (select count(*) from ${table} t join build b on b.id = t.build_id
        where $1::int is not null and b.create_event <= $2::bigint
          and not exists (select 1 from staging_sync.owned o where o.kind = '${kind}' and o.staging_id = t.id)) as count`
}

const COUNTS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    (Object.keys(VERSIONED) as VersionedName[]).map((table) => [table, versionedCount(table)]),
  ),
  build: `select (select count(*) from staging_sync.owned where kind = 'build')
    + (select count(*) from build b
        where $1::int is not null and b.create_event <= $2::bigint
          and not exists (select 1 from staging_sync.owned o where o.kind = 'build' and o.staging_id = b.id)) as count`,
  rpm: contentCount('rpm', 'rpminfo'),
  archive: contentCount('archive', 'archiveinfo'),
  rpmsigs: `select count(*) as count from rpmsigs s
             where $1::int is not null and ($2::bigint is null or true)
               and s.sigkey in (select sigkey from staging_sync.sigkey)`,
}

/**
 * Counts the rows of each gated kind that are ours, where that was not done for a day: what the budget of removals is a share
 * of. Each scans a table of Koji's, in a reading statement of its own that holds nothing back.
 */
export async function refreshOwnedCounts(
  database: Database,
  owner: RowOwner,
  maxAgeSeconds = COUNT_AGE_SECONDS,
): Promise<void> {
  const fresh = await database.query<{ kind: string }>(
    'owned-counts.fresh',
    `select kind from staging_sync.owned_count
      where counted_at > clock_timestamp() - make_interval(secs => $1)`,
    [maxAgeSeconds],
  )
  const known = new Set(fresh.map(({ kind }) => kind))
  for (const [kind, text] of Object.entries(COUNTS)) {
    if (known.has(kind)) continue
    const [row] = await database.query<{ count: number }>(`owned-counts.count.${kind}`, text, [
      owner.userId,
      owner.seedEvent,
    ])
    await database.query(
      'owned-counts.note',
      `insert into staging_sync.owned_count (kind, count) values ($1, $2)
       on conflict (kind) do update set count = excluded.count, counted_at = clock_timestamp()`,
      [kind, row?.count ?? 0],
    )
  }
}

/** What was counted last, and when the oldest of it was (ISO 8601; null: never). */
export async function readOwnedCounts(
  sql: Sql,
): Promise<{ readonly counts: ReadonlyMap<string, number>; readonly countedAt: string | null }> {
  const rows = await sql.query<{ kind: string; count: number; at: string }>(
    'owned-counts.read',
    `select kind, count, to_char(counted_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at
       from staging_sync.owned_count order by kind`,
  )
  const times = rows.map(({ at }) => at).sort()
  return { counts: new Map(rows.map(({ kind, count }) => [kind, count])), countedAt: times[0] ?? null }
}
