import type { Row } from '../converge/build/tables.ts'
import type { Owner } from '../converge/deps.ts'
import { type BuildRef, findBuildRows } from '../converge/identify.ts'
import type { Sql } from '../staging/database.ts'

/** Staging's row of a build of prod. */
export interface StagingBuild {
  readonly stagingId: number
  readonly state: number
  readonly packageName: string
  /** columns of build that compare as they are; those that staging's schema lacks are absent */
  readonly cells: Row
  readonly ownerName: string
  /** null: not recorded, the name decides */
  readonly ownerProdId: number | null
  readonly volumeName: string
  /** of what was applied last (`parseBase`) */
  readonly digest: string | null
  /** where its files were placed; null: not by us */
  readonly placed: { readonly prodVolume: string; readonly stagingVolume: string } | null
}

/** A build of prod as `readStagingBuilds` finds it. */
export interface NamedBuild {
  readonly id: number
  readonly packageName: string
  readonly version: string
  readonly release: string
}

/** By prod's id; those that staging does not have from prod are absent. */
export async function readStagingBuilds(
  sql: Sql,
  owner: Owner,
  builds: readonly NamedBuild[],
): Promise<Map<number, StagingBuild>> {
  const refs = builds.map((build): BuildRef => ({ ...build, name: build.packageName }))
  const ids = [...(await findBuildRows(sql, owner, refs))]
  if (ids.length === 0) return new Map()
  const sets = [ids.map(([prodId]) => prodId), ids.map(([, id]) => id)]
  // Planned each time: a plan that is kept would be that of an empty staging, where a snapshot began.
  const rows = await sql.query<Flat>('reconcile.builds', BUILDS, sets, { prepare: false })
  return new Map(rows.map((row) => [row.prodId, unflatten(row)]))
}

interface Flat {
  readonly prodId: number
  readonly id: number
  readonly state: number
  readonly cells: string
  readonly packageName: string
  readonly ownerName: string
  readonly ownerProdId: number | null
  readonly volumeName: string
  readonly digest: string | null
  readonly prodVolume: string | null
  readonly stagingVolume: string | null
}

const TIME = (column: string): string => `to_char(${column}, 'YYYY-MM-DD HH24:MI:SS.US')`

const BUILDS = `
select r.prod_id as "prodId", b.id, b.state, p.name as "packageName", u.name as "ownerName", ou.prod_id as "ownerProdId",
       v.name as "volumeName", o.digest, pl.prod_volume as "prodVolume", pl.staging_volume as "stagingVolume",
       jsonb_build_object('version', b.version, 'release', b.release, 'epoch', b.epoch, 'source', b.source,
         'draft', to_jsonb(b) -> 'draft', 'extra', b.extra, 'start_time', ${TIME('b.start_time')},
         'completion_time', ${TIME('b.completion_time')}, 'creation_time', ${TIME('e.time')},
         'promotion_time', to_char((to_jsonb(b) ->> 'promotion_time')::timestamptz at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'))::text as cells
  from unnest($1::bigint[], $2::int[]) as r(prod_id, id)
  join build b on b.id = r.id join package p on p.id = b.pkg_id join users u on u.id = b.owner
  join volume v on v.id = b.volume_id join events e on e.id = b.create_event
  left join staging_sync.owned o on o.kind = 'build' and o.prod_id = r.prod_id
  left join staging_sync.owned ou on ou.kind = 'user' and ou.staging_id = b.owner
  left join lateral (select l.prod_volume, l.staging_volume from staging_sync.placement l
                      where l.prod_build_id = r.prod_id and l.state = 'placed' order by l.changed_at desc limit 1) pl on true`

function unflatten({ prodVolume, stagingVolume, cells, ...row }: Flat): StagingBuild {
  const parsed = JSON.parse(cells) as Record<string, Row[string]>
  // A schema without drafts: nothing to compare.
  const { draft, promotion_time: _, ...rest } = parsed
  return {
    ...row,
    stagingId: row.id,
    cells: draft === null ? rest : parsed,
    placed: prodVolume === null || stagingVolume === null ? null : { prodVolume, stagingVolume },
  }
}

/** A build of staging's that came from prod. */
export interface OwnedBuild {
  readonly prodId: number
}

/** Prod's ids of builds that staging has from prod, ascending, after an id: by our record, or by the seed's ceiling. */
export async function readOwnedBuilds(
  sql: Sql,
  owner: Owner,
  after: number,
  limit: number,
): Promise<number[]> {
  const rows = await sql.query<OwnedBuild>(
    'reconcile.owned-builds',
    `select "prodId" from (
       (select o.prod_id as "prodId" from staging_sync.owned o join build b on b.id = o.staging_id
         where o.kind = 'build' and o.prod_id > $1 order by o.prod_id limit $3)
       union
       (select b.id from build b where b.create_event <= $2::int and b.id > $1
           and not exists (select 1 from staging_sync.owned s where s.kind = 'build' and s.staging_id = b.id)
         order by b.id limit $3)) x
      order by 1 limit $3`,
    [after, owner.seedEvent ?? -1, limit],
  )
  return rows.map(({ prodId }) => prodId)
}
