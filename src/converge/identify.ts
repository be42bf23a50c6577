import { BUILD_STATE } from '../model/records.ts'
import type { Sql } from '../staging/database.ts'
import type { Owner } from './deps.ts'

/** A build as prod names it. */
export interface BuildRef {
  readonly id: number
  readonly name: string
  readonly version: string
  readonly release: string
}

/**
 * Staging's ids of prod's builds whose content in staging is prod's: those of `findBuildRows` that are COMPLETE and still are
 * the row that was applied. One that staging's people deleted, cancelled, or made anew (the same id, a new `create_event`) is
 * absent, as one that staging never had: its own key settles that.
 */
export function findBuilds(sql: Sql, owner: Owner, refs: readonly BuildRef[]): Promise<Map<number, number>> {
  return find(sql, 'identify.builds', `${BUILD_ROWS} where ${AS_APPLIED}`, owner, refs)
}

/**
 * Staging's rows of prod's builds, whatever stands in them by now: by our record, or by the seed's ceiling (same id, same NVR,
 * created at or before the event up to which staging was copied). Those that staging does not have are absent.
 */
export function findBuildRows(
  sql: Sql,
  owner: Owner,
  refs: readonly BuildRef[],
): Promise<Map<number, number>> {
  return find(sql, 'identify.build-rows', BUILD_ROWS, owner, refs)
}

/** SQL of prod's builds, whose names are the arrays of these parameters, as staging has them: `prod_id`, and row `b`. */
function buildRowsOf(ids: string, names: string, versions: string, releases: string, seed: string): string {
  return `unnest(${ids}::bigint[], ${names}::text[], ${versions}::text[], ${releases}::text[]) as r(id, name, version, release)
    left join staging_sync.owned o on o.kind = 'build' and o.prod_id = r.id
    join build b on b.id = coalesce(o.staging_id, r.id)
     and (o.prod_id is not null
          or (b.create_event <= ${seed}::bigint and b.version = r.version and b.release = r.release
              and b.pkg_id = (select p.id from package p where p.name = r.name)
              and not exists (select 1 from staging_sync.owned x where x.kind = 'build' and x.staging_id = b.id)))`
}

/** The event is the one of the record (base.ts `Base`); a record without one says nothing of it. */
export const AS_APPLIED = `(b.state = ${BUILD_STATE.complete}
   and coalesce(substring(o.digest from '"event":([0-9]+)')::bigint, b.create_event) = b.create_event)`

const BUILD_ROWS = `select r.id as prod_id, b.id as staging_id from ${buildRowsOf('$1', '$2', '$3', '$4', '$5')}`

async function find(
  sql: Sql,
  name: string,
  text: string,
  owner: Owner,
  refs: readonly BuildRef[],
): Promise<Map<number, number>> {
  if (refs.length === 0) return new Map()
  const rows = await sql.query<{ prod_id: number; staging_id: number }>(name, text, [
    refs.map((ref) => ref.id),
    refs.map((ref) => ref.name),
    refs.map((ref) => ref.version),
    refs.map((ref) => ref.release),
    owner.seedEvent,
  ])
  return new Map(rows.map((row) => [row.prod_id, row.staging_id]))
}

/** Staging's row of a prod tag. */
export interface FoundTag {
  readonly stagingId: number
  /** its name in staging */
  readonly name: string
  /** as staging's extra says (the sidetag hub plugin, plugins/hub/sidetag_hub.py createSideTag) */
  readonly sideTag: boolean
}

/** SQL of a `FoundTag`: $1 the tag's id in prod, $2 the seed's event. */
export const FIND_TAG = `
  select t.id as "stagingId", t.name,
         exists (select 1 from tag_extra e
                  where e.tag_id = t.id and e.active and e.key = 'sidetag' and e.value = 'true') as "sideTag"
    from (select max(staging_id) as id from staging_sync.owned where kind = 'tag' and prod_id = $1::bigint) o
    join tag t on t.id = coalesce(o.id, $1::bigint)
   where o.id is not null
      or (exists (select 1 from tag_config c where c.tag_id = t.id and c.create_event <= $2::bigint)
          and not exists (select 1 from staging_sync.owned x where x.kind = 'tag' and x.staging_id = t.id))`

/** Staging's row of a prod tag that came from prod, by record or with the seed; null: staging has no such tag of prod's. */
export async function findTag(sql: Sql, owner: Owner, tagId: number): Promise<FoundTag | null> {
  const [row] = await sql.query<FoundTag>('identify.tag', FIND_TAG, [tagId, owner.seedEvent])
  return row ?? null
}

/** Prod's builds that policy keeps out of staging, by the clashes of their own keys: their place in owned tags stays empty. */
export async function heldBuilds(sql: Sql, buildIds: readonly number[]): Promise<Set<number>> {
  if (buildIds.length === 0) return new Set()
  const rows = await sql.query<{ key: string }>(
    'identify.held_builds',
    `select distinct key from staging_sync.clash where state in ('held', 'local-won') and key = any($1::text[])`,
    [buildIds.map((id) => `build/${id}`)],
  )
  return new Set(rows.map((row) => Number(row.key.slice('build/'.length))))
}

/**
 * SQL of staging's id of a prod package, null where staging has none; both parameters are bigints. Koji never renames nor
 * deletes packages. Without a record it must have come with the seed: a build or a list entry that is as old shows that (a
 * package has no event), and no other package of prod's has it.
 */
export function packageOf(packageId: string, seed: string): string {
  return `coalesce(
    (select o.staging_id from staging_sync.owned o where o.kind = 'package' and o.prod_id = ${packageId}),
    (select p.id from package p
      where p.id = ${packageId}
        and not exists (select 1 from staging_sync.owned o where o.kind = 'package' and o.staging_id = p.id)
        and (exists (select 1 from build b where b.pkg_id = p.id and b.create_event <= ${seed})
             or exists (select 1 from tag_packages l where l.package_id = p.id and l.create_event <= ${seed}))))`
}

/** Staging's id of a prod package; null: staging has none. */
export async function findPackage(sql: Sql, owner: Owner, packageId: number): Promise<number | null> {
  const [row] = await sql.query<{ id: number | null }>(
    'identify.package',
    `select ${packageOf('$1::bigint', '$2::bigint')} as id`,
    [packageId, owner.seedEvent],
  )
  return row?.id ?? null
}
