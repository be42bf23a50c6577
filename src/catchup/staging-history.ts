import type { Key } from '../model/key.ts'
import type { Timestamp } from '../model/time.ts'
import { advanceCursor, getCursor } from '../staging/cursor.ts'
import type { Sql, Tx } from '../staging/database.ts'
import { numberSetting, readSettings } from '../staging/settings.ts'
import { TAG_SETTINGS } from '../staging/versioned-tables.ts'
import { remember } from './differences.ts'
import type { Run } from './run.ts'

/** How far staging's own history was read: an event of *staging*, and staging's clock. */
export const STAGING_CURSOR = 'staging-history'

/** A gap among staging's events is a transaction that is open or was rolled back; after so long it was. */
const GAP_DAYS = 8

/** What staging's history was asked for: events after `after` up to `last`, and those in gaps that are there by now. */
interface Fresh {
  readonly after: number
  readonly last: number
  readonly time: Timestamp | null
  readonly late: readonly number[]
}

/**
 * Staging's own history since last time: rows that staging's people made or revoked mark their keys, by prod's ids, so that
 * policy decides about them now and not when prod changes the same thing next. Additions that prod has no counterpart of
 * cost one look.
 *
 * Events become visible late, as prod's do: the gaps between those that were there are remembered, and looked at again.
 */
export async function readStagingHistory(run: Run): Promise<void> {
  const { database } = run
  const settings = await readSettings(database)
  const userId = numberSetting(settings, 'user_id')
  if (userId === null) return
  const cursor = await getCursor(database, STAGING_CURSOR)
  // What is older than `init` is looked at when a daemon starts.
  const after = cursor?.event ?? numberSetting(settings, 'init_event') ?? 0
  const fresh = await readFresh(database, after)
  const gaps = await readGaps(database, fresh)
  // Read after the events: what is committed in between is found now, and once more as a gap.
  const keys = (await hasForeign(database, fresh, userId)) ? await readKeys(run, fresh, userId) : []
  await run.commit(
    'staging',
    keys.length,
    async (tx) => {
      await noteGaps(tx, gaps, fresh.late)
      return keys
    },
    (tx) => advanceCursor(tx, STAGING_CURSOR, { event: fresh.last, time: fresh.time }),
  )
}

async function readFresh(sql: Sql, after: number): Promise<Fresh> {
  const [row] = await sql.query<{ id: number; time: string }>(
    'catchup.staging-last',
    `select id, to_char(time, 'YYYY-MM-DD HH24:MI:SS.US') as time from events order by id desc limit 1`,
  )
  const late = await sql.query<{ id: number }>(
    'catchup.staging-was-gap',
    `select e.id from staging_sync.catchup_gap g join events e on e.id between g.first and g.last
      where not exists (select 1 from staging_sync.catchup_seen s where s.source = 'staging-event' and s.id = e.id)
      order by 1`,
  )
  return {
    after,
    last: Math.max(after, row?.id ?? 0),
    time: row?.time ?? null,
    late: late.map(({ id }) => id),
  }
}

/** Ids between the events that are there. Above the floor alone: below, ids are prod's. */
function readGaps(sql: Sql, { after, last }: Fresh): Promise<{ first: number; last: number }[]> {
  return sql.query(
    'catchup.staging-new-gaps',
    `select before + 1 as first, id - 1 as last
       from (select id, lag(id, 1, $1::bigint) over (order by id) as before from events where id > $1 and id <= $2) e
      where id > before + 1
        and before >= coalesce((select value::bigint from staging_sync.setting where key = 'id_floor'), 0)`,
    [after, last],
  )
}

/** Remembers new gaps, and which of their events were seen; forgets old ones. */
async function noteGaps(
  tx: Tx,
  gaps: readonly { readonly first: number; readonly last: number }[],
  seen: readonly number[],
): Promise<void> {
  await tx.query(
    'catchup.staging-forget-gaps',
    `with gone as (delete from staging_sync.catchup_gap
                    where noted_at < clock_timestamp() - interval '${GAP_DAYS} days' returning first, last)
     delete from staging_sync.catchup_seen s using gone
      where s.source = 'staging-event' and s.id between gone.first and gone.last`,
  )
  if (gaps.length > 0) {
    await tx.query(
      'catchup.staging-note-gaps',
      `insert into staging_sync.catchup_gap (first, last) select * from unnest($1::bigint[], $2::bigint[])
       on conflict do nothing`,
      [gaps.map(({ first }) => first), gaps.map(({ last }) => last)],
    )
  }
  await remember(tx, 'staging-event', seen)
}

/** Whether any of the events may be somebody else's. Ours are in the event map, but for a few inside of one transaction. */
async function hasForeign(sql: Sql, { after, last, late }: Fresh, userId: number): Promise<boolean> {
  const [row] = await sql.query<{ foreign: boolean }>(
    'catchup.staging-foreign',
    `select exists (
       select 1 from events e
        where (e.id > $1 and e.id <= $2 or e.id = any($3::bigint[]))
          and not exists (select 1 from staging_sync.event_map m where m.staging_event = e.id)
          and not exists (select 1 from tag_updates u where u.update_event = e.id and u.updater_id = $4::int)) as foreign`,
    [after, last, late, userId],
  )
  return row?.foreign === true
}

async function readKeys(run: Run, { after, last, late }: Fresh, userId: number): Promise<Key[]> {
  const rows = await run.database.query<{ kind: string; id: number; packageId: number | null }>(
    'catchup.staging-rows',
    KEYS,
    [after, last, late, userId, run.seedEvent],
  )
  return rows.flatMap(({ kind, id, packageId }): Key[] => {
    if (kind === 'tag') return [{ kind, tagId: id }]
    if (kind === 'target') return [{ kind, targetId: id }]
    if (kind === 'external-repo') return [{ kind, repoId: id }]
    if (packageId === null) return []
    return [{ kind: kind === 'tagged' ? kind : 'package', tagId: id, packageId }]
  })
}

/** Rows of a table that others made or revoked at those events. Two reads: made ones by the primary key, which begins so. */
function changed(table: string, columns: string): string {
  return `(select ${columns} from ${table} where creator_id <> $4::int
             and (create_event > $1::bigint and create_event <= $2::bigint or create_event = any($3::bigint[]))
           union all
           select ${columns} from ${table} where active is null and revoker_id <> $4::int
             and (revoke_event > $1::bigint and revoke_event <= $2::bigint or revoke_event = any($3::bigint[])))`
}

/** Staging's ids of what came from prod, with prod's: by record, or copied with the seed. */
function fromProd(kind: string, config: string, column: string): string {
  return `select t.id, coalesce(o.prod_id, t.id) as prod_id
       from ${kind} t left join staging_sync.owned o on o.kind = '${kind}' and o.staging_id = t.id
      where o.prod_id is not null
         or exists (select 1 from ${config} c where c.${column} = t.id and c.create_event <= $5::bigint)`
}

const ENTRY = `join tags t on t.id = r.tag_id join staging_sync.owned p on p.kind = 'package' and p.staging_id = r.package_id`

const KEYS = `
with tags as (${fromProd('tag', 'tag_config', 'tag_id')}),
     targets as (${fromProd('build_target', 'build_target_config', 'build_target_id')}),
     repos as (${fromProd('external_repo', 'external_repo_config', 'external_repo_id')})
select distinct kind, id, package_id as "packageId" from (
  select 'tagged' as kind, t.prod_id as id, r.package_id
    from (select l.tag_id, p.prod_id as package_id from ${changed('tag_listing', 'tag_id, build_id')} l
            join build b on b.id = l.build_id
            join staging_sync.owned p on p.kind = 'package' and p.staging_id = b.pkg_id) r
    join tags t on t.id = r.tag_id
  union all select 'package', t.prod_id, p.prod_id from ${changed('tag_packages', 'tag_id, package_id')} r ${ENTRY}
  union all select 'package', t.prod_id, p.prod_id from ${changed('tag_package_owners', 'tag_id, package_id')} r ${ENTRY}
  union all select 'target', t.prod_id, null from ${changed('build_target_config', 'build_target_id')} r
    join targets t on t.id = r.build_target_id
  union all select 'external-repo', t.prod_id, null from ${changed('external_repo_config', 'external_repo_id')} r
    join repos t on t.id = r.external_repo_id
  ${TAG_SETTINGS.map(
    (table) => `union all select 'tag', t.prod_id, null from ${changed(table, 'tag_id')} r
    join tags t on t.id = r.tag_id`,
  ).join('\n  ')}
) rows order by 1, 2, 3`
