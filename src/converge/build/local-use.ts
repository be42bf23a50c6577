import type { Sql } from '../../staging/database.ts'
import type { Owner } from '../deps.ts'

/** Rpms and archives, by staging's ids, that something of staging's own uses. */
export interface UsedParts {
  readonly rpms: ReadonlySet<number>
  readonly archives: ReadonlySet<number>
  readonly buildroots: number
  readonly otherArchives: number
}

export const NOTHING_USED: UsedParts = {
  rpms: new Set(),
  archives: new Set(),
  buildroots: 0,
  otherArchives: 0,
}

/** Where staging's own things use a build that prod removed. */
export interface LocalUse {
  /** taggings that staging's people made */
  readonly tags: readonly string[]
  readonly buildroots: number
  /** archives of other builds that contain its rpms or archives */
  readonly archives: number
}

/*
 * Local are: buildroots that were not copied with the seed (prod's are never replicated), and archives that are neither
 * recorded as prod's nor of a seeded build. $3 is the seed event; buildroots of content generators have no event, but ids.
 */
const USES = `
  with used as (
    select l.rpm_id, null::int as archive_id, l.buildroot_id, null::int as holder
      from buildroot_listing l where l.rpm_id = any($1::int[])
    union all
    select null, l.archive_id, l.buildroot_id, null
      from buildroot_archives l where l.archive_id = any($2::int[])
    union all
    select c.rpm_id, null, null, c.archive_id
      from archive_rpm_components c where c.rpm_id = any($1::int[]) and c.archive_id <> all($2::int[])
    union all
    select null, c.component_id, null, c.archive_id
      from archive_components c where c.component_id = any($2::int[]) and c.archive_id <> all($2::int[]))
  select distinct u.rpm_id, u.archive_id, u.buildroot_id, u.holder from used u
   where case when u.holder is null
              then $3::int < 0
                or u.buildroot_id >= (select value::bigint from staging_sync.setting where key = 'id_floor')
                or exists (select 1 from standard_buildroot s where s.buildroot_id = u.buildroot_id and s.create_event > $3)
              else not exists (select 1 from staging_sync.owned o where o.kind = 'archive' and o.staging_id = u.holder)
               and not exists (select 1 from archiveinfo a join build b on b.id = a.build_id
                                where a.id = u.holder and b.create_event <= $3) end`

/** Which of a build's rpms and archives staging's own buildroots and archives use. */
export async function findUsedParts(
  sql: Sql,
  owner: Owner,
  parts: { readonly rpmIds: readonly number[]; readonly archiveIds: readonly number[] },
): Promise<UsedParts> {
  const rows = await sql.query<{
    rpm_id: number | null
    archive_id: number | null
    buildroot_id: number | null
    holder: number | null
  }>('build.used-parts', USES, [parts.rpmIds, parts.archiveIds, owner.seedEvent ?? -1])
  const distinct = (ids: (number | null)[]): Set<number> => new Set(ids.filter((id) => id !== null))
  return {
    rpms: distinct(rows.map((row) => row.rpm_id)),
    archives: distinct(rows.map((row) => row.archive_id)),
    buildroots: distinct(rows.map((row) => row.buildroot_id)).size,
    otherArchives: distinct(rows.map((row) => row.holder)).size,
  }
}

/** What of staging's own uses a build. Taggings count as local when their creator is not us. */
export async function findLocalUse(sql: Sql, owner: Owner, buildId: number): Promise<LocalUse> {
  const seed = owner.seedEvent ?? -1
  const [build] = await sql.query<{ tags: string[]; rpms: number[]; archives: number[] }>(
    'build.local-tags',
    `select array(select t.name::text from tag_listing l join tag t on t.id = l.tag_id
                   where l.build_id = $1 and l.active and l.creator_id <> $2 and l.create_event > $3
                   order by t.name) as tags,
            array(select id from rpminfo where build_id = $1) as rpms,
            array(select id from archiveinfo where build_id = $1) as archives`,
    [buildId, owner.userId, seed],
  )
  if (build === undefined) return { tags: [], buildroots: 0, archives: 0 }
  const parts = { rpmIds: build.rpms, archiveIds: build.archives }
  const used = await findUsedParts(sql, owner, parts)
  return { tags: build.tags, buildroots: used.buildroots, archives: used.otherArchives }
}

export function isUsed(use: LocalUse): boolean {
  return use.tags.length > 0 || use.buildroots > 0 || use.archives > 0
}

export function describeUse(use: LocalUse): string {
  const parts: string[] = []
  if (use.tags.length > 0) parts.push(`tags ${use.tags.join(', ')}`)
  if (use.buildroots > 0) parts.push(`${use.buildroots} buildroots`)
  if (use.archives > 0) parts.push(`${use.archives} archives`)
  return parts.join(', ')
}
