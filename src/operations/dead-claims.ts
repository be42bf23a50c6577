import type { Daemon } from '../staging/daemons.ts'
import type { Sql } from '../staging/database.ts'

/**
 * Claims of daemons of this host that are no more (killed, or of our own process id, since we hold none yet) need not wait for the
 * end of their lease. Should one live on after all, its fence fails.
 */
export async function endDeadClaims(sql: Sql, daemon: Pick<Daemon, 'host' | 'pid'>): Promise<void> {
  const rows = await sql.query<{ holder: string }>(
    'run.holders',
    'select distinct claimed_by as holder from staging_sync.queue where lease_until > clock_timestamp()',
  )
  const prefix = `${daemon.host}:`
  const dead = rows
    .map(({ holder }) => holder)
    .filter((holder) => {
      const pid = Number(holder.slice(prefix.length))
      return holder.startsWith(prefix) && Number.isSafeInteger(pid) && (pid === daemon.pid || !isAlive(pid))
    })
  await sql.query(
    'run.end-claims',
    `update staging_sync.queue set lease_until = clock_timestamp()
      where claimed_by = any($1::text[]) and lease_until > clock_timestamp()`,
    [dead],
  )
}

/**
 * Takes the claims of holders that do not belong to us any more (they count as gone, whatever host they are on): their fences
 * fail, so nothing that was begun before can be written after this. Throws AgainError while somebody locks such a row.
 */
export async function endOrphanClaims(sql: Sql): Promise<void> {
  await sql.query(
    'run.end-orphans',
    `with orphan as materialized (
       select q.key from staging_sync.queue q
        where q.token is not null
          and not exists (select 1 from staging_sync.daemon d where d.host || ':' || d.pid = q.claimed_by)
        order by q.key collate "C" for update of q)
     update staging_sync.queue q set token = null, lease_until = null, claimed_by = null
       from orphan where q.key = orphan.key`,
  )
}

/** Whether that daemon ran on our host and is no more. */
export function isDead(we: Pick<Daemon, 'host'>, { host, pid }: Pick<Daemon, 'host' | 'pid'>): boolean {
  return host === we.host && !isAlive(pid)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, as somebody else.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
