import type { Tx } from '../staging/database.ts'
import { EVENTS, RETENTION_MS } from './overlap.ts'
import type { Run } from './run.ts'

/**
 * For how long before the end of the copy it is noted where prod's ids stood: for the usual overlap, which is much less than a day, and
 * for the long one.
 */
const BACK_MS = [RETENTION_MS, 86_400_000]

/**
 * So many ids lower it begins, since what was imported to a build of long ago tells by no event when: a page or so that is read and known.
 */
const MARGIN = 5_000

/**
 * At the first look after a copy of prod (a seed, or `init` of one): notes where prod's ids stood some time before its end, as if they had
 * been read then. A transaction of prod that was open when the copy was made has taken lower ids than others that the copy has, so its
 * highest ids are not where to begin.
 *
 * A build takes its id and its event together, rpms and archives theirs later. So each id of what a build of later than an event has was
 * taken later, too.
 */
export async function noteCopiedTops(run: Run): Promise<void> {
  const { database, copiedEvent } = run
  if (copiedEvent === null) return
  const [known] = await database.query<{ known: boolean }>(
    'catchup.tops-known',
    'select exists (select 1 from staging_sync.catchup_watermark) as known',
  )
  if (known?.known === true) return
  await database.transaction(
    'catchup.copied-tops',
    async (tx) => {
      for (const backMs of BACK_MS) await noteTops(tx, copiedEvent, backMs)
    },
    { lockTimeoutMs: 5_000, statementTimeoutMs: 600_000, patienceMs: Number.POSITIVE_INFINITY },
  )
}

async function noteTops(tx: Tx, copiedEvent: number, backMs: number): Promise<void> {
  // The one before the first that is later: a clock that stepped can only make it lower. Where nothing is so old, the copy has all of
  // prod's history: all of it is read, and known.
  const [at] = await tx.query<{ event: number | null; isFirst: boolean }>(
    'catchup.copied-event-before',
    `with later as (select min(id) as id from events where id <= $1::bigint and time >
                     (select time - $2::float8 * interval '1 millisecond' from events where id = $1::bigint)),
          before as (select max(e.id) as id from events e, later where e.id < later.id)
     select coalesce(before.id, later.id) as event, before.id is null as "isFirst" from before, later`,
    [copiedEvent, backMs],
  )
  if (at === undefined || at.event === null) return
  await tx.query('catchup.copied-tops', TOPS, [at.event, at.isFirst, copiedEvent, EVENTS, MARGIN])
}

const ID_OF_CONTENT = (table: string): string => `
  greatest(0, least(
    (select min(t.id) from ${table} t join build b on b.id = t.build_id where b.create_event > $1::bigint and b.create_event <= $3::bigint),
    (select t.id from ${table} t join build b on b.id = t.build_id where b.create_event <= $3::bigint order by t.id desc limit 1)) - $5::int)`

const TOPS = `
  insert into staging_sync.catchup_watermark (source, event, time, top)
  select s.source, e.id, e.time, case when $2 and s.source <> $4 then 0 else coalesce(s.top, 0) end
    from (select id, time::timestamp as time from events where id = $1::bigint) e,
         lateral (values ($4::text, e.id::bigint),
           ('build-ids', (select max(id) from build where create_event <= $1::bigint)),
           ('rpm-ids', ${ID_OF_CONTENT('rpminfo')}),
           ('archive-ids', ${ID_OF_CONTENT('archiveinfo')})) s(source, top)
  on conflict do nothing`
