import { BUILD_STATE } from '../model/records.ts'
import type { Sql } from './database.ts'

/**
 * Prod's ids of the COMPLETE drafts that staging has from prod, ascending. Koji has no index of drafts, and gets none from us: all
 * of its builds are looked at once, after that those that were applied since, and the drafts that are known.
 */
export async function findDrafts(sql: Sql, seedEvent: number | null): Promise<number[]> {
  const [read] = await sql.query<{ since: string | null; now: string }>(
    'drafts.since',
    `select (select value from staging_sync.setting where key = 'drafts_read') as since, clock_timestamp()::text as now`,
  )
  if (read === undefined) return []
  if (read.since === null) await sql.query('drafts.all', ALL, [seedEvent ?? -1])
  else await sql.query('drafts.fresh', FRESH, [read.since, LATEST_COMMIT])
  await sql.query('drafts.note', NOTE, [read.now])
  await sql.query(
    'drafts.forget',
    `delete from staging_sync.draft d where not exists (select 1 from build b where b.id = d.staging_id and b.draft)`,
  )
  const rows = await sql.query<{ id: number }>(
    'drafts.list',
    `select coalesce(o.prod_id, b.id) as id
       from staging_sync.draft d join build b on b.id = d.staging_id
       left join staging_sync.owned o on o.kind = 'build' and o.staging_id = b.id
      where b.draft and b.state = $2 and (o.prod_id is not null or b.create_event <= $1)
      order by 1`,
    [seedEvent ?? -1, BUILD_STATE.complete],
  )
  return rows.map(({ id }) => id)
}

/** A build's record becomes visible so long after its time, at most: no transaction of ours lasts that long. */
const LATEST_COMMIT = '10 minutes'

const ALL = `
insert into staging_sync.draft (staging_id)
select b.id from build b left join staging_sync.owned o on o.kind = 'build' and o.staging_id = b.id
 where b.draft and (o.prod_id is not null or b.create_event <= $1)
    on conflict do nothing`

const FRESH = `
insert into staging_sync.draft (staging_id)
select b.id from staging_sync.owned o join build b on b.id = o.staging_id
 where o.kind = 'build' and o.applied_at > $1::timestamptz - $2::interval and b.draft
    on conflict do nothing`

const NOTE = `
insert into staging_sync.setting (key, value) values ('drafts_read', $1)
    on conflict (key) do update set value = greatest(setting.value::timestamptz, excluded.value::timestamptz)::text`
