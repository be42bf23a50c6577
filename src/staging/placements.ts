import type { Database, Sql } from './database.ts'

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

/**
 * Before the first file is made, durable by itself: after a crash `listPlacements` finds what may stand half. Waits for a removal of
 * the same place (`takeAway`) to end.
 */
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

/** `intendPlacement` for many, in one statement. */
export async function intendPlacements(sql: Sql, places: readonly PlacementIntent[]): Promise<void> {
  await sql.query(
    'placement.intend-all',
    `insert into staging_sync.placement as p
       (prod_build_id, staging_volume, name, version, release, prod_volume, mode, state)
     select r.*, 'intent' from ${PLACES}, $6::text[], $7::text[])
            as r(prod_build_id, staging_volume, name, version, release, prod_volume, mode)
      order by r.prod_build_id
     on conflict (prod_build_id, staging_volume, name, version, release) do update
        set prod_volume = excluded.prod_volume, mode = excluded.mode, changed_at = clock_timestamp(),
            state = case when p.state = 'placed' and p.mode = excluded.mode then p.state else 'intent' end`,
    [...columns(places), places.map((place) => place.prodVolume), places.map((place) => place.mode)],
  )
}

/** `confirmPlacement` for many, in one statement. Returns how many stand. */
export async function confirmPlacements(sql: Sql, places: readonly PlacementPlace[]): Promise<number> {
  const rows = await sql.query(
    'placement.confirm-all',
    `update staging_sync.placement p
        set state = 'placed', changed_at = case p.state when 'placed' then p.changed_at else clock_timestamp() end
       from ${PLACES}) as r(prod_build_id, staging_volume, name, version, release)
      where p.prod_build_id = r.prod_build_id and p.staging_volume = r.staging_volume and p.name = r.name
        and p.version = r.version and p.release = r.release and p.state <> 'removing' returning 1`,
    columns(places),
  )
  return rows.length
}

/**
 * In the transaction that writes the build's rows: files and rows stand. False: somebody is taking the files away, or has done
 * so; then the rows must not be written.
 */
export async function confirmPlacement(sql: Sql, place: PlacementPlace): Promise<boolean> {
  const rows = await sql.query(
    'placement.confirm',
    `update staging_sync.placement
        set state = 'placed', changed_at = case state when 'placed' then changed_at else clock_timestamp() end
      where ${PLACE} and state <> 'removing' returning 1`,
    identity(place),
  )
  return rows.length > 0
}

/** In the transaction that removes the rows, or that ends a claim: the files are to go. */
export async function markRemoving(sql: Sql, place: PlacementPlace): Promise<boolean> {
  const rows = await sql.query(
    'placement.removing',
    `update staging_sync.placement set state = 'removing', changed_at = clock_timestamp()
      where ${PLACE} and state <> 'removing' returning 1`,
    identity(place),
  )
  return rows.length > 0
}

/** A sick mount may take its time; while it does, nobody may place what is being removed. */
const REMOVAL_TIMEOUT_MS = 600_000

/**
 * Runs `work`, which takes the files of a place away, and forgets the place: only while its record says `removing` and no
 * COMPLETE build of staging needs the files. False: nothing was done; the record belongs to somebody who places there again.
 *
 * `work` runs inside the transaction, with the record locked. No claim is held any more when files go, so nothing else tells
 * a remover that was asleep that the build came back: `intendPlacement` for the same place waits for this lock, and one that was
 * faster has taken `removing` back. The transaction touches one row of our own table; nobody of Koji's waits for it.
 *
 * After an error it is not known what of the files is left, nor, where the session was lost, who works there now: the build
 * must be looked at again.
 */
export function takeAway(
  database: Database,
  place: PlacementPlace,
  work: () => Promise<unknown>,
): Promise<boolean> {
  return database.transaction(
    'placement.take-away',
    async (tx) => {
      const locked = await tx.query(
        'placement.lock',
        `select 1 from staging_sync.placement where ${PLACE} and state = 'removing' for update`,
        identity(place),
      )
      if (locked.length === 0) return false
      const needed = await tx.query(
        'placement.needed',
        `select 1 from build b join package p on p.id = b.pkg_id join volume v on v.id = b.volume_id
          where v.name = $1 and p.name = $2 and b.version = $3 and b.release = $4 and b.state = 1`,
        identity(place).slice(1),
      )
      if (needed.length > 0) {
        await tx.query(
          'placement.keep',
          `update staging_sync.placement set state = 'placed', changed_at = clock_timestamp() where ${PLACE}`,
          identity(place),
        )
        return false
      }
      await work()
      await tx.query(
        'placement.forget',
        `delete from staging_sync.placement where ${PLACE} and state = 'removing'`,
        identity(place),
      )
      return true
    },
    { idleTimeoutMs: REMOVAL_TIMEOUT_MS, patienceMs: Number.POSITIVE_INFINITY },
  )
}

/** By build, or all of some states (those that a restart has to finish), those that waited longest first, of the same time (a seed's) the newest builds. */
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
      order by changed_at, prod_build_id desc limit $4`,
    [
      options.prodBuildIds ?? null,
      options.states ?? null,
      options.minAgeSeconds ?? 0,
      options.limit ?? 10_000,
    ],
  )
}

const PLACE = 'prod_build_id = $1 and staging_volume = $2 and name = $3 and version = $4 and release = $5'

function identity(place: PlacementPlace): unknown[] {
  return [place.prodBuildId, place.stagingVolume, place.name, place.version, place.release]
}

const PLACES = 'unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[]'

/** The parameters of `PLACES`. */
function columns(places: readonly PlacementPlace[]): unknown[] {
  return [
    places.map((place) => place.prodBuildId),
    places.map((place) => place.stagingVolume),
    places.map((place) => place.name),
    places.map((place) => place.version),
    places.map((place) => place.release),
  ]
}
