import type { Sql } from '../staging/database.ts'
import { findOwned } from '../staging/owned.ts'
import type { Owner } from './deps.ts'

/** A build as prod names it. */
export interface BuildRef {
  readonly id: number
  readonly name: string
  readonly version: string
  readonly release: string
}

/**
 * Staging's ids of prod's builds that came from prod: by our record, or by the seed's ceiling (same id, same NVR, created
 * at or before the event up to which staging was copied). Those that staging does not have are absent.
 */
export async function findBuilds(
  sql: Sql,
  owner: Owner,
  refs: readonly BuildRef[],
): Promise<Map<number, number>> {
  if (refs.length === 0) return new Map()
  const rows = await sql.query<{ prod_id: number; staging_id: number }>(
    'identify.builds',
    `select r.id as prod_id, coalesce(o.staging_id, seeded.id) as staging_id
       from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) as r(id, name, version, release)
       left join staging_sync.owned o on o.kind = 'build' and o.prod_id = r.id
       left join lateral (
         select b.id from build b join package p on p.id = b.pkg_id
          where o.prod_id is null and b.id = r.id and b.create_event <= $5::bigint
            and p.name = r.name and b.version = r.version and b.release = r.release
       ) seeded on true
      where coalesce(o.staging_id, seeded.id) is not null`,
    [
      refs.map((ref) => ref.id),
      refs.map((ref) => ref.name),
      refs.map((ref) => ref.version),
      refs.map((ref) => ref.release),
      owner.seedEvent,
    ],
  )
  return new Map(rows.map((row) => [row.prod_id, row.staging_id]))
}

/** Staging's id of a prod tag that came from prod, with its name in staging; null: staging has no such tag of prod's. */
export async function findTag(
  sql: Sql,
  owner: Owner,
  tagId: number,
): Promise<{ stagingId: number; name: string } | null> {
  const owned = (await findOwned(sql, 'tag', [tagId])).get(tagId)
  if (owned !== undefined) {
    const [row] = await sql.query<{ name: string }>('identify.tag', 'select name from tag where id = $1', [
      owned.stagingId,
    ])
    return row === undefined ? null : { stagingId: owned.stagingId, name: row.name }
  }
  if (owner.seedEvent === null) return null
  const [row] = await sql.query<{ name: string }>(
    'identify.seeded_tag',
    `select t.name from tag t
      where t.id = $1 and exists
        (select 1 from tag_config c where c.tag_id = t.id and c.create_event <= $2)`,
    [tagId, owner.seedEvent],
  )
  return row === undefined ? null : { stagingId: tagId, name: row.name }
}

/** Prod's builds whose own key is held by policy: their place in owned tags stays empty. */
export async function heldBuilds(sql: Sql, buildIds: readonly number[]): Promise<Set<number>> {
  if (buildIds.length === 0) return new Set()
  const rows = await sql.query<{ key: string }>(
    'identify.held_builds',
    `select distinct key from staging_sync.clash where state = 'held' and key = any($1::text[])`,
    [buildIds.map((id) => `build/${id}`)],
  )
  return new Set(rows.map((row) => Number(row.key.slice('build/'.length))))
}

/** Staging's id of a prod package; null: staging has none. Koji never renames nor deletes packages. */
export async function findPackage(sql: Sql, owner: Owner, packageId: number): Promise<number | null> {
  const owned = (await findOwned(sql, 'package', [packageId])).get(packageId)
  if (owned !== undefined) return owned.stagingId
  if (owner.seedEvent === null) return null
  const rows = await sql.query<{ id: number }>(
    'identify.seeded_package',
    'select id from package where id = $1',
    [packageId],
  )
  return rows[0]?.id ?? null
}
