import type { Deps } from '../converge/deps.ts'
import { findBuilds, heldBuilds } from '../converge/identify.ts'
import { diffListing, type PresentEntry, type WantedEntry } from '../converge/listing-diff.ts'
import { listingDifference } from '../converge/listing-difference.ts'
import { byOrder } from '../converge/tagged.ts'
import type { TagListingRow } from '../model/history-rows.ts'
import { formatKey } from '../model/key.ts'
import { BUILD_STATE } from '../model/records.ts'
import { LISTING_ADOPTED } from '../staging/adopted.ts'
import type { Sql } from '../staging/database.ts'
import { lastMapped } from '../staging/events.ts'
import { isOurs } from '../staging/listing.ts'
import { type Found, kindOfKey } from './found.ts'
import { readPackageNames } from './names.ts'
import { type BothTags, keyIn } from './packages.ts'

interface Entry extends PresentEntry {
  readonly packageId: number
  readonly nvr: string
}

/**
 * The ordered listings of a tag: the pure diff of the tagged converger (`diffListing`) for each package of both sides, and its
 * whole difference (`listingDifference`: local untags, policy) for those that differ. `packageIds`: prod's, by name.
 */
export async function compareListings(
  deps: Deps,
  tag: BothTags,
  prod: { readonly rows: readonly TagListingRow[]; readonly packageIds: ReadonlyMap<string, number> },
): Promise<Found[]> {
  const { database, owner } = deps
  const shown = completeOf(prod.rows)
  const refs = shown.map((row) => ({ ...row, id: row.buildId, name: row.packageName }))
  const builds = await findBuilds(database, owner, refs)
  const entries = await readTag(database, deps, tag.stagingId)
  const packages = await readPackageNames(
    database,
    [...new Set(entries.map(({ packageId }) => packageId))],
    owner.seedEvent,
  )
  const present = groupBy(entries, (entry) => packages.get(entry.packageId)?.name ?? '')
  const wanted = groupBy(shown, (row) => row.packageName)
  const absent = shown.filter((row) => !builds.has(row.buildId)).map((row) => row.buildId)
  const held = await heldBuilds(database, absent)

  const found: Found[] = []
  for (const name of [...new Set([...wanted.keys(), ...present.keys()])].sort()) {
    const rows = wanted.get(name) ?? []
    const here = present.get(name) ?? []
    const list = rows.flatMap((row): WantedEntry[] => {
      const buildId = builds.get(row.buildId)
      return buildId === undefined ? [] : [{ buildId, prodEvent: row.createEvent }]
    })
    const lacking = rows.some((row) => !builds.has(row.buildId) && !held.has(row.buildId))
    const change = diffListing(list, here)
    if (!lacking && change.creates.length === 0 && change.revokes.length === 0) continue
    const packageId = here[0]?.packageId ?? (await readPackageId(database, name))
    const prodId = prod.packageIds.get(name) ?? (packageId === null ? null : packages.get(packageId)?.prodId)
    const key = keyIn('tagged', tag, { name, prodId: prodId ?? null })
    const state = lacking
      ? 'drift'
      : packageId === null
        ? 'drift'
        : await stateOf(deps, tag, { packageId, list, key: formatKey(key) })
    found.push({
      key,
      kind: kindOfKey({ kind: 'tagged', tagId: tag.prodId, packageId: 0 }),
      subject: `${tag.name}: ${name}`,
      tag: tag.name,
      prod: rows.length === 0 ? null : rows.map(nvrOf),
      staging: here.length === 0 ? null : here.map(({ nvr }) => nvr),
      state,
    })
  }
  return found
}

/** Taggings that are replicated, as prod's hub shows them: oldest first. */
export function completeOf(rows: readonly TagListingRow[]): TagListingRow[] {
  return rows.filter((row) => row.buildState === BUILD_STATE.complete).sort(byOrder)
}

export function nvrOf(row: TagListingRow): string {
  return `${row.packageName}-${row.version}-${row.release}`
}

async function stateOf(
  deps: Deps,
  tag: BothTags,
  about: { readonly packageId: number; readonly list: readonly WantedEntry[]; readonly key: string },
): Promise<Found['state']> {
  const { database } = deps
  const list = { tagId: tag.stagingId, packageId: about.packageId, wanted: about.list }
  const exact = await listingDifference(database, deps, list, await lastMapped(database, about.key))
  if (exact.ops.length > 0) return 'drift'
  return exact.clashes.some(({ decision }) => decision === 'held') ? 'held' : 'local'
}

async function readTag(sql: Sql, { owner }: Deps, tagId: number): Promise<Entry[]> {
  const rows = await sql.query<Omit<Entry, 'ours'> & { adopted: boolean }>(
    'reconcile.listing',
    `select l.build_id as "buildId", l.create_event as "createEvent", l.creator_id as "creatorId", b.pkg_id as "packageId",
            p.name || '-' || b.version || '-' || b.release as nvr, ${LISTING_ADOPTED} as adopted
       from tag_listing l join build b on b.id = l.build_id join package p on p.id = b.pkg_id
      where l.tag_id = $1 and l.active order by l.create_event, l.build_id`,
    [tagId],
  )
  return rows.map(({ adopted, ...row }) => ({
    ...row,
    ours: adopted || isOurs(owner, row.creatorId, row.createEvent),
  }))
}

async function readPackageId(sql: Sql, name: string): Promise<number | null> {
  const [row] = await sql.query<{ id: number }>(
    'reconcile.package-id',
    'select id from package where name = $1',
    [name],
  )
  return row?.id ?? null
}

function groupBy<T>(rows: readonly T[], by: (row: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const row of rows) {
    const group = groups.get(by(row))
    if (group === undefined) groups.set(by(row), [row])
    else group.push(row)
  }
  return groups
}
