import { SyncError } from '../errors.ts'
import type { ScrubStatus } from '../model/scrub.ts'
import type { Daemon } from '../staging/daemons.ts'
import type { Sql } from '../staging/database.ts'
import type { Pass } from './scrub-pace.ts'

/** One that was not seen for longer was cut off, seconds. */
const GONE_SECONDS = 60

/** Who goes on with the pass: a daemon, which gives way to a person's command. */
export type ScrubberKind = 'daemon' | 'command'

/** How far the pass is. */
export interface Position extends Pass {
  readonly pass: number
  /** prod's id; 0: none yet */
  readonly afterBuild: number
}

/**
 * Takes or keeps the turn: of several daemons one scrubs. A command takes it from a daemon. False: somebody else has it. `builds`: how
 * many there are, for a first pass. Throws SyncError SCRUB_RUNS when a command asks while another one runs.
 */
export async function holdTurn(
  sql: Sql,
  who: Daemon,
  what: ScrubberKind,
  builds: () => Promise<number>,
): Promise<boolean> {
  const values = [who.id, what, who.host, who.pid]
  const [held] = await sql.query<{ mine: boolean; host: string; pid: number }>('scrub.hold', HOLD, values)
  if (held === undefined) {
    await sql.query(
      'scrub.begin',
      'insert into staging_sync.scrub (builds) values ($1) on conflict do nothing',
      [await builds()],
    )
    return holdTurn(sql, who, what, builds)
  }
  if (held.mine || what === 'daemon') return held.mine
  const text = `another scrub runs already: process ${held.pid} on ${held.host}`
  throw new SyncError('SCRUB_RUNS', text, { detail: { host: held.host, pid: held.pid } })
}

const HOLD = `
with now as (select clock_timestamp() as t), held as (
  update staging_sync.scrub s
     set holder = $1::text, holder_what = $2::text, holder_host = $3::text, holder_pid = $4::int, seen = now.t from now
   where s.holder is null or s.holder = $1::text or s.seen < now.t - make_interval(secs => ${GONE_SECONDS})
      or ($2::text = 'command' and s.holder_what = 'daemon')
  returning true as mine)
select coalesce((select mine from held), false) as mine, holder_host as host, holder_pid as pid from staging_sync.scrub`

/** Lets others go on. */
export async function giveTurn(sql: Sql, id: string): Promise<void> {
  await sql.query('scrub.give', 'update staging_sync.scrub set holder = null where holder = $1', [id])
}

export async function readPosition(sql: Sql): Promise<Position> {
  const [row] = await sql.query<Position>(
    'scrub.position',
    `select after_build as "afterBuild", pass, builds, done,
            extract(epoch from clock_timestamp() - started)::double precision as "elapsedSeconds"
       from staging_sync.scrub`,
  )
  if (row === undefined) throw new SyncError('SCRUB_NOT_BEGUN', 'nobody has begun to scrub')
  return row
}

/** After builds were looked at, and what differs was marked. False: the turn is not ours any more. */
export async function advance(
  sql: Sql,
  id: string,
  moved: { readonly to: number; readonly builds: number; readonly missed: Readonly<Record<string, number>> },
): Promise<boolean> {
  const rows = await sql.query(
    'scrub.advance',
    `update staging_sync.scrub s set after_build = $2, done = done + $3, seen = clock_timestamp(),
            missed = (select coalesce(jsonb_object_agg(kind, n), '{}')
                        from (select kind, sum(n::bigint) as n from (select * from jsonb_each_text(s.missed)
                                                       union all select * from jsonb_each_text($4::jsonb)) a(kind, n) group by kind) b)
      where holder = $1 returning 1`,
    [id, moved.to, moved.builds, JSON.stringify(moved.missed)],
  )
  return rows.length > 0
}

/** Builds came and went since the pass began. */
export async function recount(sql: Sql, id: string, builds: number): Promise<void> {
  await sql.query('scrub.recount', 'update staging_sync.scrub set builds = $2 where holder = $1', [
    id,
    builds,
  ])
}

/** The end of the ids was reached: the next pass begins. `builds`: how many it will meet. */
export async function beginPass(sql: Sql, id: string, builds: number): Promise<void> {
  await sql.query(
    'scrub.next-pass',
    `update staging_sync.scrub set last_started = started, last_ended = clock_timestamp(), last_builds = done, last_missed = missed,
            after_build = 0, pass = pass + 1, started = clock_timestamp(), builds = $2, done = 0, missed = '{}'
      where holder = $1`,
    [id, builds],
  )
}

/** Builds that staging has from prod. Scans an index of them all. */
export async function countOwnedBuilds(sql: Sql, seedEvent: number | null): Promise<number> {
  const [row] = await sql.query<{ count: number }>(
    'scrub.count',
    `select (select count(*) from staging_sync.owned where kind = 'build')
          + (select count(*) from build b where $1::int is not null and b.create_event <= $1::int
              and not exists (select 1 from staging_sync.owned s where s.kind = 'build' and s.staging_id = b.id)) as count`,
    [seedEvent],
  )
  return Number(row?.count ?? 0)
}

/** For `status`; null: nobody has scrubbed yet. */
export async function readScrubStatus(
  sql: Sql,
): Promise<(Omit<ScrubStatus, 'perSecond' | 'inTime'> & Pass) | null> {
  const [row] = await sql.query<
    Omit<ScrubStatus, 'perSecond' | 'inTime' | 'missed' | 'lastMissed'> &
      Pass & { readonly missed: string; readonly lastMissed: string | null }
  >(
    'scrub.status',
    `select pass, greatest(builds, done) as builds, done, missed, ${ISO('started')} as started, ${ISO('last_started')} as "lastStarted",
            ${ISO('last_ended')} as "lastEnded", last_builds as "lastBuilds", last_missed as "lastMissed",
            coalesce(holder is not null and seen > clock_timestamp() - make_interval(secs => ${GONE_SECONDS}), false) as running,
            extract(epoch from clock_timestamp() - started)::double precision as "elapsedSeconds"
       from staging_sync.scrub`,
  )
  if (row === undefined) return null
  // JSON comes as text here (connection.ts).
  const { missed, lastMissed, ...rest } = row
  return {
    ...rest,
    missed: JSON.parse(missed) as ScrubStatus['missed'],
    lastMissed: lastMissed === null ? null : (JSON.parse(lastMissed) as ScrubStatus['missed']),
  }
}

function ISO(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`
}
