import type { Tx } from './database.ts'
import type { OwnedKind } from './owned.ts'

/** Tables of Koji whose rows have a unique name. */
export type NamedTable =
  | 'users'
  | 'package'
  | 'groups'
  | 'permissions'
  | 'volume'
  | 'btype'
  | 'archivetypes'
  | 'content_generator'
  | 'tag'
  | 'build_target'
  | 'external_repo'

export interface Renamed {
  /** false: a row that is not ours has the name; nothing was written */
  readonly done: boolean
  /** who has the name, when not done */
  readonly takenBy: number | null
  /** prod id of the owned row that had to step aside: converge it too, it has a temporary name */
  readonly displaced: number | null
}

/**
 * Renames a row of ours. Where another row that is ours has the name, that one steps aside to a temporary name (prod
 * has renamed it too, or will have: names are unique there), so a swap is two renames and no re-tagging. `to: null`
 * only steps aside. The record of who stepped aside remembers its temporary name, so that it does not look like a
 * local edit.
 *
 * Locks by NOWAIT, as strong as PostgreSQL does for a column with a unique index: AgainError when somebody holds one of the rows.
 */
export async function renameRow(
  tx: Tx,
  kind: OwnedKind,
  table: NamedTable | string,
  { id, to }: { id: number; to: string | null },
): Promise<Renamed> {
  const rows = await tx.query<{ id: number; name: string; prodId: number | null }>(
    `rename.lock.${table}`,
    `select t.id, t.name, (select o.prod_id from staging_sync.owned o where o.kind = $3 and o.staging_id = t.id) as "prodId"
       from ${table} t where t.id = $1 or t.name = $2 order by t.id for update of t nowait`,
    [id, to, kind],
  )
  if (to === null) {
    await stepAside(tx, kind, table, id)
    return { done: true, takenBy: null, displaced: rows[0]?.prodId ?? null }
  }
  const other = rows.find((row) => row.id !== id)
  if (other !== undefined && other.prodId === null) return { done: false, takenBy: other.id, displaced: null }
  if (other !== undefined) await stepAside(tx, kind, table, other.id)
  await tx.query(
    `rename.row.${table}`,
    `update ${table} set name = $2 where id = $1 and name <> $2 returning 1`,
    [id, to],
  )
  return { done: true, takenBy: null, displaced: other?.prodId ?? null }
}

/** Short enough for every name column (groups and permissions take 50 characters), and unlike any name of prod. */
async function stepAside(tx: Tx, kind: OwnedKind, table: string, id: number): Promise<void> {
  await tx.query(
    `rename.aside.${table}`,
    `update ${table} set name = 'staging-sync-renaming-' || id where id = $1 returning 1`,
    [id],
  )
  await tx.query(
    'rename.aside-record',
    `update staging_sync.owned set digest = 'staging-sync-renaming-' || staging_id
      where kind = $1 and staging_id = $2 returning 1`,
    [kind, id],
  )
}
