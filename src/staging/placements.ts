import type { Sql } from './database.ts'

export type PlacementState = 'intent' | 'placed' | 'removing'

/** Where a build's files stand. A promoted draft has two of them for a moment. */
export interface PlacementPlace {
  readonly prodBuildId: number
  readonly stagingVolume: string
  readonly name: string
  readonly version: string
  readonly release: string
}

export interface PlacementIntent extends PlacementPlace {
  readonly prodVolume: string
  readonly mode: string
}

export interface PlacementRecord extends PlacementIntent {
  readonly state: PlacementState
  /** seconds since the state changed, by the database's clock */
  readonly ageSeconds: number
}

/** Before the first file is made, durable by itself: after a crash `listPlacements` finds what may stand half. */
export async function intendPlacement(sql: Sql, place: PlacementIntent): Promise<void> {
  await sql.query(
    'placement.intend',
    `insert into staging_sync.placement as p
       (prod_build_id, staging_volume, name, version, release, prod_volume, mode, state)
     values ($1, $2, $3, $4, $5, $6, $7, 'intent')
     on conflict (prod_build_id, staging_volume, name, version, release) do update
        set prod_volume = excluded.prod_volume, mode = excluded.mode, changed_at = clock_timestamp(),
            state = case when p.state = 'placed' and p.mode = excluded.mode then p.state else 'intent' end`,
    [...identity(place), place.prodVolume, place.mode],
  )
}

/** In the transaction that writes the build's rows: files and rows stand. */
export function confirmPlacement(sql: Sql, place: PlacementPlace): Promise<boolean> {
  return setState(sql, place, 'placed')
}

/** In the transaction that removes the rows: the files are to go. */
export function markRemoving(sql: Sql, place: PlacementPlace): Promise<boolean> {
  return setState(sql, place, 'removing')
}

/** After the last file is gone. False: there was no such row. */
export async function forgetPlacement(sql: Sql, place: PlacementPlace): Promise<boolean> {
  const rows = await sql.query(
    'placement.forget',
    `delete from staging_sync.placement
      where prod_build_id = $1 and staging_volume = $2 and name = $3 and version = $4 and release = $5 returning 1`,
    identity(place),
  )
  return rows.length > 0
}

/** By build, or all of some states (those that a restart has to finish), oldest first. */
export function listPlacements(
  sql: Sql,
  options: {
    prodBuildIds?: readonly number[]
    states?: readonly PlacementState[]
    minAgeSeconds?: number
    limit?: number
  },
): Promise<PlacementRecord[]> {
  return sql.query<PlacementRecord>(
    'placement.list',
    `select prod_build_id as "prodBuildId", staging_volume as "stagingVolume", name, version, release,
            prod_volume as "prodVolume", mode, state,
            extract(epoch from clock_timestamp() - changed_at)::double precision as "ageSeconds"
       from staging_sync.placement
      where ($1::bigint[] is null or prod_build_id = any($1)) and ($2::text[] is null or state = any($2))
        and changed_at <= clock_timestamp() - make_interval(secs => $3)
      order by changed_at, prod_build_id limit $4`,
    [
      options.prodBuildIds ?? null,
      options.states ?? null,
      options.minAgeSeconds ?? 0,
      options.limit ?? 10_000,
    ],
  )
}

async function setState(sql: Sql, place: PlacementPlace, state: PlacementState): Promise<boolean> {
  const rows = await sql.query(
    'placement.state',
    `update staging_sync.placement set state = $6, changed_at = clock_timestamp()
      where prod_build_id = $1 and staging_volume = $2 and name = $3 and version = $4 and release = $5
        and state <> $6 returning 1`,
    [...identity(place), state],
  )
  return rows.length > 0
}

function identity(place: PlacementPlace): unknown[] {
  return [place.prodBuildId, place.stagingVolume, place.name, place.version, place.release]
}
