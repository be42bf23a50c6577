import type { Session } from './session.ts'

/** Signatures come soon after a build; of older ones reconcile and scrub find what a bus has told the other database. */
const RECENT_DAYS = 30
/** As a query answers at a time. */
const PAGE = 2_000

interface Signed {
  readonly build: number
  readonly digest: string
}

/**
 * Marks builds of prod's whose signatures the replaced database knew otherwise: they were added after the dump, and no list of prod's
 * hub tells of that again. Looked at are those that were completed within a month before its end, and those in tags that signatures were
 * announced in since. Returns how many.
 */
export async function markChangedSignatures(kept: Session, live: Session): Promise<number> {
  const [ours] = await kept.query<{ there: boolean }>(
    'seed.kept-ours',
    `select to_regclass('staging_sync.owned') is not null as there`,
  )
  const [seed] = await live
    .query<{ event: number | null; time: string | null }>(
      'seed.live-event',
      `select e.id as event, e.time::text as time from staging_sync.setting s join events e on e.id = s.value::bigint where s.key = 'seed_event'`,
    )
    .catch(() => [])
  if (ours?.there !== true || seed?.time == null) return 0
  const ids = await kept.query<{ id: number; prod: number }>('seed.recent', RECENT, [seed.time, seed.event])
  let marked = 0
  for (let at = 0; at < ids.length; at += PAGE) {
    const page = ids.slice(at, at + PAGE)
    const [before, now] = await Promise.all([
      digests(
        kept,
        page.map(({ id }) => id),
      ),
      digests(
        live,
        page.map(({ prod }) => prod),
      ),
    ])
    const changed = page.filter(({ id, prod }) => before.get(id) !== now.get(prod))
    marked += await live.change(
      'seed.mark-signed',
      `insert into staging_sync.queue (key, kind, priority, due_at, marked_at)
       select 'build/' || id, 'build', 1, clock_timestamp(), clock_timestamp() from unnest($1::bigint[]) id order by 1
       on conflict (key) do nothing`,
      [changed.map(({ prod }) => prod)],
    )
  }
  return marked
}

async function digests(session: Session, builds: readonly number[]): Promise<Map<number, string>> {
  const rows = await session.query<Signed>(
    'seed.signatures',
    `select r.build_id as build,
            md5(string_agg(r.name || '.' || r.arch || ' ' || s.sigkey || ' ' || s.sighash, ',' order by r.name, r.arch, s.sigkey)) as digest
       from rpminfo r join rpmsigs s on s.rpm_id = r.id where r.build_id = any($1::int[]) group by 1`,
    [builds],
  )
  return new Map(rows.map(({ build, digest }) => [build, digest]))
}

/** Prod's builds of the old database with their ids in prod: by our record, or as they came with its own dump. */
const RECENT = `
  select b.id, coalesce(o.prod_id, b.id) as prod
    from build b left join staging_sync.owned o on o.kind = 'build' and o.staging_id = b.id
   where b.state = 1 and (o.prod_id is not null or b.create_event <= $2::bigint)
     and (b.completion_time > $1::timestamptz - interval '${RECENT_DAYS} days'
          or b.id in (select l.build_id from tag_listing l join tag_updates u on u.tag_id = l.tag_id
                        join events e on e.id = u.update_event
                       where l.active and e.time > $1::timestamptz - interval '1 day'))
   order by 1`
