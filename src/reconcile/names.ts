import type { Sql } from '../staging/database.ts'

/** Something that both sides share by name, as prod's answers name it. */
export interface NameRef {
  readonly id: number
  readonly name: string
}

const TABLES = { user: 'users', permission: 'permissions', package: 'package' } as const

/**
 * Staging's ids by prod's, made by nobody: by our record, else by name, which is how `Names.ensure` would settle it. What
 * staging lacks is absent.
 */
export async function findIds(
  sql: Sql,
  kind: keyof typeof TABLES,
  refs: readonly NameRef[],
): Promise<Map<number, number>> {
  if (refs.length === 0) return new Map()
  const distinct = [...new Map(refs.map((ref) => [ref.id, ref])).values()]
  const rows = await sql.query<{ prodId: number; id: number }>(
    `reconcile.names.${kind}`,
    `select r.prod_id as "prodId", coalesce(o.staging_id, t.id) as id
       from unnest($1::bigint[], $2::text[]) as r(prod_id, name)
       left join staging_sync.owned o on o.kind = '${kind}' and o.prod_id = r.prod_id
       left join ${TABLES[kind]} t on o.staging_id is null and t.name = r.name
      where coalesce(o.staging_id, t.id) is not null`,
    [distinct.map(({ id }) => id), distinct.map(({ name }) => name)],
  )
  return new Map(rows.map(({ prodId, id }) => [prodId, id]))
}

/** A package of staging, and prod's id of it where it came from prod. */
export interface PackageName {
  readonly name: string
  readonly prodId: number | null
}

/** By staging's ids. Of the seed those count that a build of the seed has. */
export async function readPackageNames(
  sql: Sql,
  ids: readonly number[],
  seedEvent: number | null,
): Promise<Map<number, PackageName>> {
  if (ids.length === 0) return new Map()
  const rows = await sql.query<PackageName & { id: number }>(
    'reconcile.packages',
    `select p.id, p.name, coalesce(o.prod_id, case when exists (select 1 from build b where b.pkg_id = p.id and b.create_event <= $2::int)
                                       then p.id end) as "prodId"
       from package p left join staging_sync.owned o on o.kind = 'package' and o.staging_id = p.id
      where p.id = any($1::int[])`,
    [ids, seedEvent],
  )
  return new Map(rows.map(({ id, ...row }) => [id, row]))
}
