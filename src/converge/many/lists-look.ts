import { formatKey } from '../../model/key.ts'
import type { Claim } from '../../queue/queue.ts'
import { LISTING_ADOPTED } from '../../staging/adopted.ts'
import type { Sql } from '../../staging/database.ts'
import type { KeyState } from '../../staging/key-state.ts'
import { type Listing, type ListingRow, listingOf, type RowOwner } from '../../staging/listing.ts'

/** The state of each key, by `formatKey`'s text. */
export async function readKeyStates(sql: Sql, claims: readonly Claim[]): Promise<Map<string, KeyState>> {
  const rows = await sql.query<KeyState & { key: string }>(
    'lists.states',
    `select k.key, (select max(prod_event) from staging_sync.event_map m where m.key = k.key) as "lastApplied",
            exists (select 1 from staging_sync.clash c where c.key = k.key and c.resolved_at is null) as "clashesOpen"
       from unnest($1::text[]) as k(key)`,
    [claims.map(({ key }) => formatKey(key))],
  )
  return new Map(rows.map(({ key, ...state }) => [key, state]))
}

/**
 * The listings of packages in a tag, by the package's id in staging; those without entries are absent. `buildIds`: whose untagging
 * matters. Each build's row is looked for by index (`offset 0`, as in `listingText`).
 */
export async function readListings(
  sql: Sql,
  of: {
    readonly tagId: number
    readonly packageIds: readonly number[]
    readonly buildIds: readonly number[]
  },
  owner: RowOwner,
): Promise<Map<number, Listing>> {
  const rows = await sql.query<ListingRow & { packageId: number }>('lists.read', LISTINGS, [
    of.tagId,
    of.packageIds,
    of.buildIds,
  ])
  const grouped = new Map<number, ListingRow[]>()
  for (const { packageId, ...row } of rows) {
    const group = grouped.get(packageId)
    if (group === undefined) grouped.set(packageId, [row])
    else group.push(row)
  }
  return new Map([...grouped].map(([id, group]) => [id, listingOf(group, of.tagId, owner)]))
}

const COLUMNS = `b.pkg_id as "packageId", l.build_id, l.create_event, l.creator_id, l.revoke_event, l.revoker_id, ${LISTING_ADOPTED} as adopted`

const LISTINGS = `
  select ${COLUMNS} from build b cross join lateral (
      select t.* from tag_listing t where t.build_id = b.id and t.tag_id = $1 and t.active offset 0) l
   where b.pkg_id = any($2::int[])
  union all
  select ${COLUMNS} from unnest($3::int[]) as r(id) join build b on b.id = r.id cross join lateral (
      select t.* from tag_listing t where t.build_id = r.id and t.tag_id = $1 and t.active is null
       order by t.revoke_event desc limit 1) l
   where (select true from tag_listing a where a.build_id = r.id and a.tag_id = $1 and a.active) is null
   order by 3, 2`
