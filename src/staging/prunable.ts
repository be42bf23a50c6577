import type { Sql } from './database.ts'

/** A copied build that nothing in staging needs any more. */
export interface PrunableBuild {
  /** prod's id */
  readonly buildId: number
  /** staging's */
  readonly stagingId: number
  readonly name: string
  readonly version: string
  readonly release: string
  /** what its rows say of its files */
  readonly bytes: number
}

/**
 * Builds of placement `copy`, by prod's id from `after` on, that no tag of staging's lists, and that no archive of a COMPLETE build
 * contains; that were placed and last untagged at least `idleSeconds` ago; about which nothing is queued.
 */
export function listPrunable(
  sql: Sql,
  options: { readonly after: number; readonly limit: number; readonly idleSeconds: number },
): Promise<PrunableBuild[]> {
  return sql.query<PrunableBuild>('prune.list', LIST, [options.after, options.limit, options.idleSeconds])
}

/** The same of one build, by staging's id, whatever its age: for a transaction that holds its row. */
export async function isNeeded(sql: Sql, stagingId: number): Promise<boolean> {
  const [row] = await sql.query<{ needed: boolean }>(
    'prune.needed',
    `select ${needed('$1::int')} as needed`,
    [stagingId],
  )
  return row?.needed ?? true
}

/** What an archive of a COMPLETE build contains must stay as long as that does. */
function needed(id: string): string {
  return `(
    exists (select 1 from tag_listing l where l.build_id = ${id} and l.active)
    or exists (select 1 from rpminfo r join archive_rpm_components c on c.rpm_id = r.id
                 join archiveinfo a on a.id = c.archive_id join build h on h.id = a.build_id
                where r.build_id = ${id} and h.id <> ${id} and h.state = 1)
    or exists (select 1 from archiveinfo x join archive_components c on c.component_id = x.id
                 join archiveinfo a on a.id = c.archive_id join build h on h.id = a.build_id
                where x.build_id = ${id} and h.id <> ${id} and h.state = 1))`
}

const LIST = `
select p.prod_build_id as "buildId", b.id as "stagingId", p.name, p.version, p.release,
       (coalesce((select sum(size) from rpminfo r where r.build_id = b.id), 0)
        + coalesce((select sum(size) from archiveinfo a where a.build_id = b.id), 0))::float8 as bytes
  from staging_sync.placement p
  join staging_sync.owned o on o.kind = 'build' and o.prod_id = p.prod_build_id
  join build b on b.id = o.staging_id and b.state = 1
 where p.prod_build_id > $1::bigint and p.mode = 'copy' and p.state = 'placed'
   and p.changed_at <= clock_timestamp() - make_interval(secs => $3)
   and not exists (select 1 from staging_sync.queue q where q.key = 'build/' || p.prod_build_id)
   and not exists (select 1 from staging_sync.placement q where q.prod_build_id = p.prod_build_id
                      and (q.mode <> 'copy' or q.state <> 'placed'))
   and not exists (select 1 from tag_listing l join events e on e.id = l.revoke_event
                    where l.build_id = b.id and e.time > clock_timestamp() - make_interval(secs => $3))
   and not ${needed('b.id')}
 order by p.prod_build_id limit $2`
