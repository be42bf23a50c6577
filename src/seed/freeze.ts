import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { OutageError } from '../errors.ts'
import type { Session } from './session.ts'
import { IS_CLIENT, refuseUnendable } from './sessions.ts'

/** Somebody's short transaction may end by itself, before anybody's is ended. */
const POLITE_MS = 500
const IMPATIENT_MS = 100
const MAX_TRIES = 40

/**
 * From here on nobody changes the session's database: it holds locks on all of Koji's tables and on our queue, which let reading go on
 * and go with the connection, so that a seed which is killed leaves nothing behind but the pause. A transaction that stays open is
 * ended; returns how many were. Throws OutageError SEED_NOT_STILL, SafetyError SEED_SESSIONS.
 */
export async function freeze(session: Session, helper: Session, database: string): Promise<number> {
  const tables = await session.query<{ name: string }>('seed.tables', TABLES)
  const list = tables.map(({ name }) => name).join(', ')
  const [me] = await session.query<{ pid: number }>('seed.pid', 'select pg_backend_pid() as pid')
  let ended = 0
  for (let tries = 1; list !== ''; tries += 1) {
    await session.query('seed.freeze-begin', 'begin')
    await session.query(
      'seed.freeze-patience',
      `set local lock_timeout = ${tries === 1 ? POLITE_MS : IMPATIENT_MS}`,
    )
    const locked = await session.client.query(`lock table ${list} in exclusive mode`).then(
      () => true,
      (error: { code?: string }) => {
        if (error.code === '55P03' || error.code === '40P01') return false
        throw error
      },
    )
    if (locked) break
    await session.client.query('rollback')
    if (tries >= MAX_TRIES) {
      throw new OutageError(
        'database',
        'SEED_NOT_STILL',
        `the tables of ${database} could not be had alone: new transactions held them for too long`,
      )
    }
    await refuseUnendable(helper, [database])
    const rows = await helper.query('seed.end-holders', HOLDERS, [database, me?.pid])
    ended += rows.length
    await delay(10)
  }
  return ended
}

/** Koji's tables, those of large rows last; sequences go on, see MARGIN in swap.ts. */
const TABLES = `
  select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p')
     and (n.nspname = 'public' or (n.nspname = 'staging_sync' and c.relname in ('queue', 'owned', 'decision', 'sigkey')))
   order by n.nspname, c.relname`

/** Who is within a transaction there and holds a lock on a table that others cannot share with us. */
const HOLDERS = `
  select pg_terminate_backend(a.pid) from pg_stat_activity a
   where a.datname = $1 and a.pid <> $2 and ${IS_CLIENT}
     and exists (select 1 from pg_locks l where l.pid = a.pid and l.locktype = 'relation' and l.granted
                    and l.mode in ('RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
                                   'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))`

/**
 * Renames one database to `away` and another to its name, in one transaction. `still` is the session that froze: it is closed once nobody can come in any more, so that nothing is written between. Returns how many connections were ended.
 */
export async function exchangeNames(
  sessions: { readonly admin: Session; readonly helper: Session; readonly still: Session },
  names: { readonly live: string; readonly from: string; readonly away: string },
  mark: () => Promise<void>,
): Promise<number> {
  const { admin, helper, still } = sessions
  const [oid, pid] = await Promise.all([
    oidOf(helper, names.live),
    admin.query<{ pid: number }>('seed.pid', 'select pg_backend_pid() as pid').then(([row]) => row?.pid),
  ])
  const [keeper] = await still.query<{ pid: number }>('seed.pid', 'select pg_backend_pid() as pid')
  const rename = (one: string, to: string): Promise<unknown> =>
    admin.query(
      'seed.rename',
      `alter database ${pg.escapeIdentifier(one)} rename to ${pg.escapeIdentifier(to)}`,
    )
  let ended = 0
  await admin.transaction('seed.swap', async () => {
    // Takes the lock that whoever connects has to wait for, then waits for those who are connected.
    let renamed = false
    const renaming = rename(names.live, names.away).finally(() => {
      renamed = true
    })
    renaming.catch(() => {})
    while (!renamed) {
      const [alone] = await helper.query<{ locked: boolean; others: number }>('seed.locked', ALONE, [
        pid,
        oid,
        names.live,
        keeper?.pid,
      ])
      if (alone?.locked === true && alone.others === 0) break
      await refuseUnendable(helper, [names.live])
      const rows = await helper.query('seed.end-others', END_OTHERS, [names.live, keeper?.pid])
      ended += rows.length
      await delay(5)
    }
    await still.close()
    await renaming
    await rename(names.from, names.live)
    await mark()
  })
  return ended
}

async function oidOf(session: Session, name: string): Promise<number | undefined> {
  const rows = await session.query<{ oid: number }>(
    'seed.oid',
    'select oid::bigint as oid from pg_database where datname = $1',
    [name],
  )
  return rows[0]?.oid
}

const END_OTHERS = `select pg_terminate_backend(a.pid) from pg_stat_activity a where a.datname = $1 and a.pid <> $2 and ${IS_CLIENT}`

const ALONE = `
  select exists (select 1 from pg_locks where pid = $1 and locktype = 'object' and classid = 'pg_database'::regclass and objid = $2::oid
                    and mode = 'AccessExclusiveLock' and granted) as locked,
         (select count(*)::int from pg_stat_activity a where a.datname = $3 and a.pid <> $4 and ${IS_CLIENT}) as others`
