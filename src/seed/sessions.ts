import { SafetyError } from '../errors.ts'
import type { Session } from './session.ts'

/**
 * SQL over `pg_stat_activity a`: somebody's connection, not ours nor PostgreSQL's own work. Who may not see what another one does sees no
 * `backend_type` either.
 */
export const IS_CLIENT = `a.usesysid is not null and coalesce(a.backend_type, 'client backend') = 'client backend' and a.pid <> pg_backend_pid()`

/** Ends everybody's connections to a database but our own; returns how many. */
export async function endSessions(admin: Session, name: string): Promise<number> {
  const rows = await admin.query<{ ended: boolean }>(
    'seed.end-sessions',
    `select pg_terminate_backend(a.pid) as ended from pg_stat_activity a where a.datname = $1 and ${IS_CLIENT}`,
    [name],
  )
  return rows.length
}

/**
 * Throws SafetyError SEED_SESSIONS naming those who are connected to one of the databases and whom we may not end: before staging stands still
 * for a swap that cannot come about.
 */
export async function refuseUnendable(session: Session, databases: readonly string[]): Promise<void> {
  const rows = await session.query<Unendable>('seed.unendable', UNENDABLE, [databases])
  if (rows.length === 0) return
  const named = rows.map(({ role, isSuper, count, programs }) => {
    const of = programs === '' ? '' : ` (${programs})`
    return `${count} of ${role}${of}${isSuper ? ', a superuser' : ''}`
  })
  throw new SafetyError(
    'SEED_SESSIONS',
    `the swap ends everybody's connections to ${databases.join(' and ')}, and the role of staging.database may not end ${named.join('; ')}`,
    { detail: { sessions: rows } },
  )
}

interface Unendable {
  readonly role: string
  readonly isSuper: boolean
  readonly count: number
  readonly programs: string
}

/** As `pg_signal_backend` of PostgreSQL's signalfuncs.c judges. */
const UNENDABLE = `
  select r.rolname as role, r.rolsuper as "isSuper", count(*)::int as count,
         coalesce(string_agg(distinct nullif(a.application_name, ''), ', '), '') as programs
    from pg_stat_activity a join pg_roles r on r.oid = a.usesysid
   where a.datname = any($1::text[]) and ${IS_CLIENT}
     and not (select rolsuper from pg_roles where rolname = current_user)
     and (r.rolsuper or not (pg_has_role(a.usesysid, 'usage') or pg_has_role('pg_signal_backend', 'usage')))
   group by 1, 2 order by 1`
