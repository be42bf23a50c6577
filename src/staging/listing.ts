import { LISTING_ADOPTED } from './adopted.ts'
import type { Sql } from './database.ts'
import type { VersionedRow } from './versioned.ts'

/** Whose rows count as ours: created by our Koji user, or copied from prod with the seed. (And those adopted, `adopted.ts`.) */
export interface RowOwner {
  readonly userId: number
  readonly seedEvent: number | null
}

/** An active tagging, with the row as it was read. */
export interface ListedEntry {
  readonly buildId: number
  readonly createEvent: number
  readonly creatorId: number
  readonly ours: boolean
  readonly row: VersionedRow
}

/** One package in one tag. */
export interface Listing {
  /** active taggings, oldest first, in the order that staging's hub shows */
  readonly entries: readonly ListedEntry[]
  /** Of the builds asked about that are not in the tag: those whose latest tagging was ours and was revoked by somebody else. */
  readonly untagged: ReadonlySet<number>
  /** Of all rows that were read, also the revoked ones; 0 when there are none. */
  readonly newestEvent: number
}

export interface ListingRow {
  readonly build_id: number
  readonly create_event: number
  readonly creator_id: number
  readonly revoke_event: number | null
  readonly revoker_id: number | null
  readonly adopted: boolean
}

const LISTING_COLUMNS = `l.build_id, l.create_event, l.creator_id, l.revoke_event, l.revoker_id, ${LISTING_ADOPTED} as adopted`

/**
 * SQL of `ListingRow`s: `tag` and `packageId` are expressions, `builds` a source of staging's ids. `offset 0` keeps the planner to one look by index for each build, whatever its statistics say: a tag may hold a hundred
 * thousand builds, or have just got them.
 */
export function listingText({
  tag,
  packageId,
  builds,
}: {
  tag: string
  packageId: string
  builds: string
}): string {
  return `
  select ${LISTING_COLUMNS}
    from build b cross join lateral (
      select t.* from tag_listing t where t.build_id = b.id and t.tag_id = ${tag} and t.active offset 0) l
   where b.pkg_id = ${packageId}
  union all
  select ${LISTING_COLUMNS}
    from ${builds} as r(id) cross join lateral (
      select t.* from tag_listing t where t.build_id = r.id and t.tag_id = ${tag} and t.active is null
       order by t.revoke_event desc limit 1) l
   where (select true from tag_listing a where a.build_id = r.id and a.tag_id = ${tag} and a.active) is null
   order by 2, 1`
}

const READ_LISTING = listingText({ tag: '$1', packageId: '$2', builds: 'unnest($3::int[])' })

/** Reads a package's listing in a tag; `buildIds` are those whose untagging matters. One statement. */
export async function readListing(
  sql: Sql,
  { tagId, packageId, buildIds }: { tagId: number; packageId: number; buildIds: readonly number[] },
  owner: RowOwner,
): Promise<Listing> {
  const rows = await sql.query<ListingRow>('listing.read', READ_LISTING, [tagId, packageId, buildIds], {
    early: true,
  })
  return listingOf(rows, tagId, owner)
}

/** What the rows of `listingText` say. */
export function listingOf(rows: readonly ListingRow[], tagId: number, owner: RowOwner): Listing {
  const isOwn = (row: ListingRow): boolean => row.adopted || isOurs(owner, row.creator_id, row.create_event)
  const active = rows.filter((row) => row.revoke_event === null)
  const untagged = rows.filter(
    (row) =>
      row.revoke_event !== null && isOwn(row) && !isOurs(owner, row.revoker_id as number, row.revoke_event),
  )
  return {
    entries: active.map((row) => ({
      buildId: row.build_id,
      createEvent: row.create_event,
      creatorId: row.creator_id,
      ours: isOwn(row),
      row: {
        cells: { tag_id: tagId, build_id: row.build_id },
        createEvent: row.create_event,
        revokeEvent: null,
        creatorId: row.creator_id,
        revokerId: null,
      },
    })),
    untagged: new Set(untagged.map((row) => row.build_id)),
    newestEvent: rows.reduce((newest, row) => Math.max(newest, row.create_event, row.revoke_event ?? 0), 0),
  }
}

export function isOurs(owner: RowOwner, creatorId: number, createEvent: number): boolean {
  return creatorId === owner.userId || (owner.seedEvent !== null && createEvent <= owner.seedEvent)
}

/** A build's active taggings in all tags, whoever made them. */
export async function readListingOfBuild(
  sql: Sql,
  buildId: number,
): Promise<{ readonly tagId: number; readonly row: VersionedRow }[]> {
  const rows = await sql.query<{ tag_id: number; create_event: number; creator_id: number }>(
    'listing.of-build',
    'select tag_id, create_event, creator_id from tag_listing where build_id = $1 and active order by tag_id',
    [buildId],
  )
  return rows.map((row) => ({
    tagId: row.tag_id,
    row: {
      cells: { tag_id: row.tag_id, build_id: buildId },
      createEvent: row.create_event,
      revokeEvent: null,
      creatorId: row.creator_id,
      revokerId: null,
    },
  }))
}
