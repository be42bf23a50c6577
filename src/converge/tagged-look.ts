import type { TagListingRow } from '../model/history-rows.ts'
import type { Sql } from '../staging/database.ts'
import { type KeyState, keyStateOf } from '../staging/key-state.ts'
import { type Listing, type ListingRow, listingOf, listingText } from '../staging/listing.ts'
import type { Owner } from './deps.ts'
import { AS_APPLIED, FIND_TAG, type FoundTag, packageOf } from './identify.ts'

/** A build of prod's, as staging has it. */
export interface LookedBuild {
  /** staging's id */
  readonly id: number
  /** its content is what was applied (`findBuilds`); false: staging's people changed that */
  readonly asApplied: boolean
}

/** All that staging has of one package's builds in one tag. */
export interface TaggedLook {
  readonly state: KeyState
  /** null: staging has no such tag of prod's */
  readonly tag: FoundTag | null
  /** staging's; null: it has no such package, and so no such builds */
  readonly packageId: number | null
  readonly listing: Listing
  /** Whether the look tells of this build of prod's: it was asked about, or is in the listing. */
  covers(prodId: number): boolean
  /** A build of prod's; undefined: staging does not have it. Only of what is covered. */
  build(row: TagListingRow): LookedBuild | undefined
}

/** One build that was found: by our record, or (`seeded`) with the seed, where its NVR must be prod's too. */
type FoundBuild = readonly [prodId: number, id: number, asApplied: boolean, seeded: readonly string[] | null]

/** One statement: it is on the way of every message. `buildIds` are prod's. */
export async function lookAtTagged(
  sql: Sql,
  owner: Owner,
  about: {
    readonly keyText: string
    readonly tagId: number
    readonly packageId: number
    readonly buildIds: readonly number[]
  },
): Promise<TaggedLook> {
  const asked = new Set(about.buildIds)
  const [found] = await sql.query<{ look: string }>(
    'tagged.look',
    LOOK,
    [about.tagId, owner.seedEvent, about.keyText, about.packageId, [...asked]],
    { early: true },
  )
  const look = JSON.parse(found?.look ?? '{}') as {
    readonly state: KeyState
    readonly tag: FoundTag | null
    readonly builds: readonly FoundBuild[]
    readonly packageId: number | null
    readonly rows: readonly ListingRow[]
  }
  const builds = new Map(look.builds.map((build) => [build[0], build]))
  return {
    state: look.state,
    tag: look.tag,
    packageId: look.packageId,
    listing: listingOf(look.rows, look.tag?.stagingId ?? 0, owner),
    covers: (prodId) => asked.has(prodId) || builds.has(prodId),
    build: (row) => {
      const build = builds.get(row.buildId)
      return build === undefined || !isOf(build, row) ? undefined : { id: build[1], asApplied: build[2] }
    },
  }
}

function isOf([, , , seeded]: FoundBuild, row: TagListingRow): boolean {
  if (seeded === null) return true
  const [name, version, release] = seeded
  return name === row.packageName && version === row.version && release === row.release
}

const found = (prodId: string): string => `json_build_array(${prodId}, b.id, ${AS_APPLIED},
    case when o.prod_id is null then
      json_build_array((select p.name from package p where p.id = b.pkg_id), b.version, b.release) end)`

/**
 * $1 tag, $2 seed's event, $3 key, $4 package, $5 prod's builds. `offset 0` keeps the planner to one look by index for each
 * build (`listingText`). A build without a record came with the seed if it is as old; its NVR is compared by `isOf`.
 */
const LOOK = `
with our_tag as materialized (${FIND_TAG}),
asked as materialized (
  select b.id, b.pkg_id, ${AS_APPLIED} as as_applied, o.prod_id, ${found('r.id')} as found
    from unnest($5::bigint[]) as r(id)
    left join staging_sync.owned o on o.kind = 'build' and o.prod_id = r.id
    join build b on b.id = coalesce(o.staging_id, r.id)
     and (o.prod_id is not null
          or (b.create_event <= $2::bigint
              and not exists (select 1 from staging_sync.owned x where x.kind = 'build' and x.staging_id = b.id)))
),
our_package as materialized (
  select coalesce((select pkg_id from asked where prod_id is not null limit 1), ${packageOf('$4::bigint', '$2::bigint')}) as id
),
listed as materialized (${listingText({
  tag: '(select "stagingId" from our_tag)',
  packageId: '(select id from our_package)',
  builds: '(select id from asked where as_applied)',
})}),
others as (
  select ${found('coalesce(o.prod_id, b.id)')} as found
    from listed l
    cross join lateral (select * from build x where x.id = l.build_id offset 0) b
    left join lateral (select * from staging_sync.owned x where x.kind = 'build' and x.staging_id = b.id offset 0) o on true
   where l.revoke_event is null and (o.prod_id is not null or b.create_event <= $2::bigint)
     and b.id not in (select id from asked)
)
select json_build_object(
  'tag', (select row_to_json(t) from our_tag t),
  'state', (select row_to_json(s) from (${keyStateOf('$3')}) s),
  'builds', (select coalesce(json_agg(found), '[]') from (select found from asked union all select found from others) f),
  'packageId', (select id from our_package),
  'rows', (select coalesce(json_agg(x), '[]') from listed x)
)::text as look`
