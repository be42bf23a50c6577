import { SyncError } from '../errors.ts'
import type { Daemon } from '../staging/daemons.ts'
import type { Sql } from '../staging/database.ts'

/** One that was not seen for longer was cut off, seconds. */
const GONE_SECONDS = 60

/** The turn of one reconcile: a second one would read everything again to mark the same keys. Throws SyncError RECONCILE_RUNS. */
export async function takeTurn(sql: Sql, { id, host, pid }: Daemon): Promise<void> {
  const taken = await sql.query(
    'reconcile.take-turn',
    `insert into staging_sync.reconcile_run as r (id, host, pid) values ($1, $2, $3)
     on conflict (only_one) do update set id = excluded.id, host = excluded.host, pid = excluded.pid,
       started = clock_timestamp(), seen = clock_timestamp()
      where r.seen < clock_timestamp() - make_interval(secs => ${GONE_SECONDS}) or r.id = excluded.id
     returning 1`,
    [id, host, pid],
  )
  if (taken.length > 0) return
  const [other] = await sql.query<{ host: string; pid: number; started: string }>(
    'reconcile.whose-turn',
    `select host, pid, to_char(started, 'YYYY-MM-DD HH24:MI:SS') as started from staging_sync.reconcile_run`,
  )
  const who =
    other === undefined ? 'somebody' : `process ${other.pid} on ${other.host}, since ${other.started} UTC`
  throw new SyncError('RECONCILE_RUNS', `another reconcile runs already: ${who}`, { detail: { ...other } })
}

/** Says that it still runs; every 15 s or so. */
export async function keepTurn(sql: Sql, id: string): Promise<void> {
  await sql.query(
    'reconcile.keep-turn',
    'update staging_sync.reconcile_run set seen = clock_timestamp() where id = $1',
    [id],
  )
}

export async function giveTurn(sql: Sql, id: string): Promise<void> {
  await sql.query('reconcile.give-turn', 'delete from staging_sync.reconcile_run where id = $1', [id])
}
