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
  const found = new Map<number, number>()
  if (refs.length === 0) return found
  for (const [prodId, row] of await findOwned(
    sql,
    'build',
    refs.map((ref) => ref.id),
  )) {
    found.set(prodId, row.stagingId)
  }
  const rest = refs.filter((ref) => !found.has(ref.id))
  if (rest.length === 0 || owner.seedEvent === null) return found
  const seeded = await sql.query<{ id: number; name: string; version: string; release: string }>(
    'identify.seeded_builds',
    `select b.id, p.name, b.version, b.release
       from build b join package p on p.id = b.pkg_id
      where b.id = any($1::int[]) and b.create_event <= $2`,
    [rest.map((ref) => ref.id), owner.seedEvent],
  )
  const byId = new Map(seeded.map((row) => [row.id, row]))
  for (const ref of rest) {
    const row = byId.get(ref.id)
    if (
      row !== undefined &&
      row.name === ref.name &&
      row.version === ref.version &&
      row.release === ref.release
    ) {
      found.set(ref.id, row.id)
    }
  }
  return found
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
