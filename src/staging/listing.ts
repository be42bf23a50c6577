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

/** One package's active taggings in one tag, oldest first, in the order that staging's hub shows. */
export async function readListing(
  sql: Sql,
  tagId: number,
  packageId: number,
  owner: RowOwner,
): Promise<ListedEntry[]> {
  const rows = await sql.query<{
    build_id: number
    create_event: number
    creator_id: number
    adopted: boolean
  }>(
    'listing.read',
    `select l.build_id, l.create_event, l.creator_id, ${LISTING_ADOPTED} as adopted
       from tag_listing l join build b on b.id = l.build_id
      where l.tag_id = $1 and b.pkg_id = $2 and l.active
      order by l.create_event, l.build_id`,
    [tagId, packageId],
  )
  return rows.map((row) => ({
    buildId: row.build_id,
    createEvent: row.create_event,
    creatorId: row.creator_id,
    ours: row.adopted || isOurs(owner, row.creator_id, row.create_event),
    row: {
      cells: { tag_id: tagId, build_id: row.build_id },
      createEvent: row.create_event,
      revokeEvent: null,
      creatorId: row.creator_id,
      revokerId: null,
    },
  }))
}

export function isOurs(owner: RowOwner, creatorId: number, createEvent: number): boolean {
  return creatorId === owner.userId || (owner.seedEvent !== null && createEvent <= owner.seedEvent)
}

/** Of builds that are not in the tag: those whose latest tagging was ours and was revoked by somebody else. */
export async function readLocalUntags(
  sql: Sql,
  tagId: number,
  builds: readonly { readonly buildId: number }[],
  owner: RowOwner,
): Promise<Set<number>> {
  const rows = await sql.query<{
    build_id: number
    create_event: number
    creator_id: number
    revoke_event: number
    revoker_id: number
    adopted: boolean
  }>(
    'listing.local_untags',
    `select distinct on (build_id) build_id, create_event, creator_id, revoke_event, revoker_id,
            ${LISTING_ADOPTED} as adopted
       from tag_listing l
      where tag_id = $1 and build_id = any($2::int[]) and active is null
      order by build_id, revoke_event desc`,
    [tagId, builds.map((build) => build.buildId)],
  )
  return new Set(
    rows
      .filter(
        (row) =>
          (row.adopted || isOurs(owner, row.creator_id, row.create_event)) &&
          !isOurs(owner, row.revoker_id, row.revoke_event),
      )
      .map((row) => row.build_id),
  )
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
