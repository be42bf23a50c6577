import { AgainError, ConfigError } from '../errors.ts'
import type { Database, Sql } from './database.ts'

export interface Daemon {
  /** unique to one start of one process */
  readonly id: string
  readonly host: string
  readonly pid: number
  /** of scope and policy */
  readonly digest: string
}

/** A daemon that was not seen for longer counts as gone, seconds. */
export const DAEMON_GONE_SECONDS = 60

/** One lock for all who join one staging: the bytes of 'kjsd'. */
const JOIN_LOCK = 0x6b6a7364

/** Who says nothing for so long has missed its beat (every 15 s): it may be dead, so it is waited for. Seconds. */
const SILENT_SECONDS = 25

/**
 * Joins the daemons of this staging; 0. `isDead` knows of processes that are no more: their rows are in nobody's way. Others may
 * have died unseen: where the only ones of another policy are silent, nothing is done but to tell after how many seconds they count as gone.
 * Throws ConfigError DAEMON_OTHER_POLICY naming a daemon that works with another scope or policy, AgainError DAEMON_JOINING while
 * another one joins.
 */
export async function joinDaemons(
  database: Database,
  daemon: Daemon,
  isDead: (other: Pick<Daemon, 'host' | 'pid'>) => boolean = () => false,
): Promise<number> {
  return database.transaction('daemon.join', async (tx) => {
    const [lock] = await tx.query<{ locked: boolean }>(
      'daemon.lock',
      'select pg_try_advisory_xact_lock($1) as locked',
      [JOIN_LOCK],
    )
    if (lock?.locked !== true) throw new AgainError('DAEMON_JOINING', 'another daemon is joining just now')
    await tx.query(
      'daemon.forget',
      'delete from staging_sync.daemon where seen < clock_timestamp() - make_interval(secs => $1)',
      [DAEMON_GONE_SECONDS],
    )
    const others = await tx.query<Daemon & { silentSeconds: number }>(
      'daemon.other',
      `select id, host, pid, digest, extract(epoch from clock_timestamp() - seen)::double precision as "silentSeconds"
         from staging_sync.daemon where digest <> $1 and id <> $2 order by seen desc`,
      [daemon.digest, daemon.id],
    )
    const dead = others.filter(isDead)
    const [other] = others.filter((one) => !dead.includes(one))
    if (other !== undefined) {
      if (other.silentSeconds >= SILENT_SECONDS)
        return Math.max(1, Math.ceil(DAEMON_GONE_SECONDS - other.silentSeconds))
      throw new ConfigError(
        'DAEMON_OTHER_POLICY',
        `the daemon on ${other.host} (pid ${other.pid}) works with another scope or policy; stop it first, or use its configuration`,
        { detail: { host: other.host, pid: other.pid } },
      )
    }
    if (dead.length > 0) {
      await tx.query('daemon.forget-dead', 'delete from staging_sync.daemon where id = any($1::text[])', [
        dead.map(({ id }) => id),
      ])
    }
    await tx.query(
      'daemon.join',
      `insert into staging_sync.daemon as d (id, host, pid, digest) values ($1, $2, $3, $4)
       on conflict (id) do update set digest = excluded.digest, seen = clock_timestamp()`,
      [daemon.id, daemon.host, daemon.pid, daemon.digest],
    )
    return 0
  })
}

/** Says that a daemon is alive; every 20 s or so. False: it was taken for gone and has to join again. */
export async function beatDaemon(sql: Sql, id: string): Promise<boolean> {
  const rows = await sql.query(
    'daemon.beat',
    'update staging_sync.daemon set seen = clock_timestamp() where id = $1 returning 1',
    [id],
  )
  return rows.length > 0
}

export async function leaveDaemons(sql: Sql, id: string): Promise<void> {
  await sql.query('daemon.leave', 'delete from staging_sync.daemon where id = $1', [id])
}

/** Those that count as alive, oldest first. */
export function listDaemons(sql: Sql): Promise<(Daemon & { started: string; seenSeconds: number })[]> {
  return sql.query(
    'daemon.list',
    `select id, host, pid, digest, started::text,
            extract(epoch from clock_timestamp() - seen)::double precision as "seenSeconds"
       from staging_sync.daemon
      where seen >= clock_timestamp() - make_interval(secs => $1) order by started`,
    [DAEMON_GONE_SECONDS],
  )
}
