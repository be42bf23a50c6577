import type { TagListingRow } from '../model/history-rows.ts'
import type { Sql } from '../staging/database.ts'
import { type KeyState, keyStateOf } from '../staging/key-state.ts'
import { type Listing, type ListingRow, listingOf, listingText } from '../staging/listing.ts'
import type { Owner } from './deps.ts'
import { AS_APPLIED, buildRowsOf, FIND_TAG, type FoundTag, packageOf } from './identify.ts'

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
  /** by prod's id; those that staging does not have are absent */
  readonly builds: ReadonlyMap<number, LookedBuild>
  /** staging's; null: it has no such package, and so no such builds */
  readonly packageId: number | null
  readonly listing: Listing
}

/** One statement: it is on the way of every message, twice. `rows` are those of prod, active and revoked. */
export async function lookAtTagged(
  sql: Sql,
  owner: Owner,
  about: {
    readonly keyText: string
    readonly tagId: number
    readonly packageId: number
    readonly rows: readonly TagListingRow[]
  },
): Promise<TaggedLook> {
  const refs = [...new Map(about.rows.map((row) => [row.buildId, row])).values()]
  const [found] = await sql.query<{ look: string }>(
    'tagged.look',
    LOOK,
    [
      about.tagId,
      owner.seedEvent,
      about.keyText,
      about.packageId,
      refs.map((row) => row.buildId),
      refs.map((row) => row.packageName),
      refs.map((row) => row.version),
      refs.map((row) => row.release),
    ],
    { early: true },
  )
  const look = JSON.parse(found?.look ?? '{}') as {
    readonly state: KeyState
    readonly tag: FoundTag | null
    readonly builds: readonly (readonly [prodId: number, id: number, asApplied: boolean])[]
    readonly packageId: number | null
    readonly rows: readonly ListingRow[]
  }
  return {
    state: look.state,
    tag: look.tag,
    builds: new Map(look.builds.map(([prodId, id, asApplied]) => [prodId, { id, asApplied }])),
    packageId: look.packageId,
    listing: listingOf(look.rows, look.tag?.stagingId ?? 0, owner),
  }
}

/** $1 tag, $2 seed's event, $3 key, $4 package, $5 to $8 prod's builds by id, name, version, release. */
const LOOK = `
with our_tag as materialized (${FIND_TAG}),
found as materialized (
  select r.id as prod_id, b.id, b.pkg_id, ${AS_APPLIED} as as_applied from ${buildRowsOf('$5', '$6', '$7', '$8', '$2')}
),
our_package as materialized (
  select coalesce((select pkg_id from found limit 1), ${packageOf('$4::bigint', '$2::bigint')}) as id
)
select json_build_object(
  'tag', (select row_to_json(t) from our_tag t),
  'state', (select row_to_json(s) from (${keyStateOf('$3')}) s),
  'builds', (select coalesce(json_agg(json_build_array(prod_id, id, as_applied)), '[]') from found),
  'packageId', (select id from our_package),
  'rows', (select coalesce(json_agg(x), '[]') from (${listingText({
    tag: '(select "stagingId" from our_tag)',
    packageId: '(select id from our_package)',
    builds: '(select id from found where as_applied)',
  })}) x)
)::text as look`
