import type { BuildPlace } from '../../model/paths.ts'
import { BUILD_STATE, type BuildState } from '../../model/records.ts'
import type { Sql } from '../../staging/database.ts'
import type { PlacementRecord } from '../../staging/placements.ts'
import type { Owner } from '../deps.ts'
import type { BuildRef } from '../identify.ts'
import { type Base, parseBase } from './base.ts'

/** A build row of staging; where it says that its files are. */
export interface StandingRow extends BuildPlace {
  readonly id: number
  readonly state: BuildState
  readonly createEvent: number
}

/** Our row of a build of prod: by record, or copied with the seed. */
export interface OwnRow extends StandingRow {
  /** what was applied last; null: never by us (seeded) */
  readonly base: Base | null
}

/** The row that has a build's NVR, if that is another one. */
export interface NamedRow extends StandingRow {
  /** prod's build that it came from; null: it is staging's own */
  readonly prodId: number | null
  /** no rpms, no archives, never tagged: what Koji's recycle_build demands */
  readonly empty: boolean
}

/** All that decides which row of staging stands for a build of prod, and what was done about it before. */
export interface Standing {
  readonly own: OwnRow | null
  readonly named: NamedRow | null
  /** some row has prod's id */
  readonly idTaken: boolean
  /** in scope as a part of something */
  readonly included: boolean
  /** there are open clashes of its key */
  readonly clashes: boolean
  /** one of them keeps, or kept up to now, the build out of staging, and thereby out of its listings */
  readonly leftOut: boolean
  /** signing keys ever seen from prod */
  readonly sigkeys: readonly string[]
  readonly placements: readonly PlacementRecord[]
}

/** One statement, since it is on the way of every message. A promoted draft that was seeded as a draft is recognised. */
export async function readStanding(sql: Sql, owner: Owner, ref: BuildRef): Promise<Standing> {
  const [row] = await sql.query<{ standing: string }>(
    'build.standing',
    STANDING,
    [ref.id, ref.name, ref.version, ref.release, owner.seedEvent ?? -1],
    { early: true },
  )
  const read = JSON.parse(row?.standing ?? '{}') as Omit<Standing, 'own'> & {
    own: (StandingRow & { digest: string | null }) | null
  }
  const { own } = read
  return { ...read, own: own === null ? null : { ...own, base: parseBase(own.digest) } }
}

const STANDING = `
with record as (select staging_id, digest from staging_sync.owned where kind = 'build' and prod_id = $1::bigint),
     own as (select b.id, b.state, b.create_event as "createEvent", b.pkg_id, b.version, b.release, b.volume_id, r.digest
               from record r join build b on b.id = r.staging_id
             union all
             select b.id, b.state, b.create_event, b.pkg_id, b.version, b.release, b.volume_id, null
               from build b join package p on p.id = b.pkg_id
              where b.id = $1 and b.create_event <= $5 and p.name = $2 and b.version = $3
                and b.release in ($4, $4 || ',draft_' || $1)
                and not exists (select 1 from record r join build o on o.id = r.staging_id)),
     named as (select b.id, b.state, b.create_event as "createEvent", b.pkg_id, b.version, b.release, b.volume_id,
                      coalesce((select o.prod_id from staging_sync.owned o where o.kind = 'build' and o.staging_id = b.id),
                               case when b.create_event <= $5 then b.id end) as "prodId",
                      not exists (select 1 from rpminfo x where x.build_id = b.id)
                      and not exists (select 1 from archiveinfo x where x.build_id = b.id)
                      and not exists (select 1 from tag_listing x where x.build_id = b.id) as empty
                 from build b
                where b.pkg_id = (select id from package where name = $2) and b.version = $3 and b.release = $4
                  and not exists (select 1 from own where own.id = b.id))
select json_build_object(
  'own', (select row_to_json(x) from (select own.*, p.name, v.name as volume from own
                                        join package p on p.id = pkg_id join volume v on v.id = volume_id) x),
  'named', (select row_to_json(x) from (select named.*, p.name, v.name as volume from named
                                          join package p on p.id = pkg_id join volume v on v.id = volume_id) x),
  'idTaken', exists (select 1 from build where id = $1),
  'included', exists (select 1 from staging_sync.scope_build where build_id = $1),
  'clashes', exists (select 1 from staging_sync.clash where key = 'build/' || $1::bigint and resolved_at is null),
  'leftOut', exists (select 1 from staging_sync.clash where key = 'build/' || $1::bigint and resolved_at is null
                        and kind in ('nvr', 'nvra', 'removed')),
  'sigkeys', (select coalesce(json_agg(sigkey), '[]') from staging_sync.sigkey),
  'placements', (select coalesce(json_agg(json_build_object(
      'prodBuildId', prod_build_id, 'stagingVolume', staging_volume, 'name', name, 'version', version, 'release', release,
      'prodVolume', prod_volume, 'mode', mode, 'state', state, 'ageSeconds', 0) order by changed_at), '[]')
    from staging_sync.placement where prod_build_id = $1)) as standing`

/** True when staging's people made the row anew (a reset, then recycle_build): it has nothing of prod any more. */
export function isTakenOver({ own }: Standing): boolean {
  return own?.base != null && own.base.event !== own.createEvent
}

/** True when we took it out ourselves while prod kept it (`prune`): nothing of it was applied since, and it is in scope by its tags only. */
export function isPruned({ own }: Standing): boolean {
  return (
    own !== null &&
    own.state === BUILD_STATE.deleted &&
    own.base !== null &&
    Object.keys(own.base.cells).length === 0
  )
}

/** Gives up a row that staging's people took over; what they made of it is theirs. */
export async function disown(sql: Sql, prodId: number): Promise<void> {
  await sql.query('build.disown', "delete from staging_sync.owned where kind = 'build' and prod_id = $1", [
    prodId,
  ])
}
