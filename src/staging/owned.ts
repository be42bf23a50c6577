import { KeyError } from '../errors.ts'
import type { Sql, Tx } from './database.ts'

export type OwnedKind =
  | 'build'
  | 'rpm'
  | 'archive'
  | 'tag'
  | 'package'
  | 'user'
  | 'group'
  | 'external_repo'
  | 'build_target'
  | 'permission'
  | 'volume'
  | 'btype'
  | 'archivetype'
  | 'content_generator'
  | 'external_rpm'

/** A row with an id that came from prod through us. */
export interface Owned {
  readonly prodId: number
  readonly stagingId: number
  /** of what was last applied; null: not recorded */
  readonly digest: string | null
  readonly appliedAt: string
}

const COLUMNS = `prod_id as "prodId", staging_id as "stagingId", digest, applied_at::text as "appliedAt"`

/** By prod's ids; those that we do not own are absent. */
export async function findOwned(
  sql: Sql,
  kind: OwnedKind,
  prodIds: readonly number[],
): Promise<Map<number, Owned>> {
  if (prodIds.length === 0) return new Map()
  const rows = await sql.query<Owned>(
    'owned.find',
    `select ${COLUMNS} from staging_sync.owned where kind = $1 and prod_id = any($2::bigint[])`,
    [kind, prodIds],
  )
  return new Map(rows.map((row) => [row.prodId, row]))
}

/** By staging's ids; those that we do not own are absent. */
export async function findByStagingId(
  sql: Sql,
  kind: OwnedKind,
  stagingIds: readonly number[],
): Promise<Map<number, Owned>> {
  if (stagingIds.length === 0) return new Map()
  const rows = await sql.query<Owned>(
    'owned.find-staging',
    `select ${COLUMNS} from staging_sync.owned where kind = $1 and staging_id = any($2::bigint[])`,
    [kind, stagingIds],
  )
  return new Map(rows.map((row) => [row.stagingId, row]))
}

/**
 * Records rows, or what was applied to them anew; an equal record is not written. Throws KeyError OWNED_TWICE where a
 * staging row would belong to two prod rows.
 */
export async function recordOwned(
  tx: Tx,
  kind: OwnedKind,
  rows: readonly { readonly prodId: number; readonly stagingId: number; readonly digest?: string | null }[],
): Promise<void> {
  if (rows.length === 0) return
  const sorted = [...rows].sort((a, b) => a.prodId - b.prodId)
  const stagingIds = sorted.map(({ stagingId }) => stagingId)
  const taken = await tx.query<{ prod_id: number; staging_id: number }>(
    'owned.taken',
    `select o.prod_id, o.staging_id from staging_sync.owned o
       join unnest($2::bigint[], $3::bigint[]) as r(prod_id, staging_id) using (staging_id)
      where o.kind = $1 and o.prod_id <> r.prod_id and o.prod_id <> all ($2::bigint[])`,
    [kind, sorted.map(({ prodId }) => prodId), stagingIds],
  )
  const [other] = taken
  if (other !== undefined || new Set(stagingIds).size < stagingIds.length) {
    throw new KeyError(
      'OWNED_TWICE',
      `staging's ${kind} ${other?.staging_id ?? ''} belongs to another of prod's`,
      {
        detail: { kind, taken },
      },
    )
  }
  await tx.query(
    'owned.record',
    `insert into staging_sync.owned as o (kind, prod_id, staging_id, digest)
     select $1, r.prod_id, r.staging_id, r.digest
       from unnest($2::bigint[], $3::bigint[], $4::text[]) as r(prod_id, staging_id, digest)
     on conflict (kind, prod_id) do update
        set staging_id = excluded.staging_id, digest = excluded.digest, applied_at = clock_timestamp()
      where (o.staging_id, o.digest) is distinct from (excluded.staging_id, excluded.digest)`,
    [kind, sorted.map(({ prodId }) => prodId), stagingIds, sorted.map(({ digest }) => digest ?? null)],
  )
}

/** Number of rows of each kind that is owned at all. Scans the table. */
export async function countOwned(sql: Sql): Promise<Map<OwnedKind, number>> {
  const rows = await sql.query<{ kind: OwnedKind; count: number }>(
    'owned.count',
    'select kind, count(*) as count from staging_sync.owned group by kind order by kind',
  )
  return new Map(rows.map(({ kind, count }) => [kind, count]))
}
