import type { Sql } from '../../staging/database.ts'
import type { Owner } from '../deps.ts'

/** Where staging's own things use a build that prod removed. */
export interface LocalUse {
  /** taggings that staging's people made */
  readonly tags: readonly string[]
  readonly buildroots: number
  /** archives of other builds that contain its rpms or archives */
  readonly archives: number
}

/**
 * What of staging's own uses a build, or only these rpms and archives of it. Taggings count as local when their creator is
 * not us; buildroots are always local, prod's are not replicated.
 */
export async function findLocalUse(
  sql: Sql,
  owner: Owner,
  buildId: number,
  parts?: { readonly rpmIds: readonly number[]; readonly archiveIds: readonly number[] },
): Promise<LocalUse> {
  const seed = owner.seedEvent ?? -1
  const tags =
    parts !== undefined
      ? []
      : await sql.query<{ name: string }>(
          'build.local-tags',
          `select t.name from tag_listing l join tag t on t.id = l.tag_id
            where l.build_id = $1 and l.active and l.creator_id <> $2 and l.create_event > $3 order by t.name`,
          [buildId, owner.userId, seed],
        )
  const [used] = await sql.query<{ buildroots: number; archives: number }>(
    'build.local-use',
    `with rpms as (select id from rpminfo where build_id = $1 and ($2::int[] is null or id = any($2))),
          archives as (select id from archiveinfo where build_id = $1 and ($3::int[] is null or id = any($3))),
          seeded as (select b.id from build b where b.id = $1 and b.create_event <= $4)
     select (select count(*) from
              (select buildroot_id from buildroot_listing where rpm_id in (select id from rpms)
               union select buildroot_id from buildroot_archives where archive_id in (select id from archives)) x
             where not exists (select 1 from seeded)) as buildroots,
            (select count(*) from archiveinfo a where a.build_id <> $1 and a.id in
              (select archive_id from archive_rpm_components where rpm_id in (select id from rpms)
               union select archive_id from archive_components where component_id in (select id from archives))
             and not exists (select 1 from staging_sync.owned o where o.kind = 'archive' and o.staging_id = a.id)
             and not exists (select 1 from build s where s.id = a.build_id and s.create_event <= $4)) as archives`,
    [buildId, parts?.rpmIds ?? null, parts?.archiveIds ?? null, seed],
  )
  return {
    tags: tags.map((row) => row.name),
    buildroots: used?.buildroots ?? 0,
    archives: used?.archives ?? 0,
  }
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
