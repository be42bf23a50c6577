import { SafetyError } from '../errors.ts'
import type { Rights } from './rights-read.ts'
import type { Session } from './session.ts'

/**
 * Whether we may make a database like that one and give its things to their owners, before hours of loading. Throws SafetyError
 * SEED_RIGHTS naming the roles.
 */
export async function checkRights(session: Session, rights: Rights): Promise<void> {
  const roles = [...new Set([rights.owner, ...rights.things.map(({ owner }) => owner)])].filter(
    // Whoever owns the database is a member of this one in it.
    (role) => role !== 'pg_database_owner',
  )
  const missing = await session.query<{ role: string }>(
    'seed.may-own',
    `select r.role from unnest($1::text[]) r(role)
      where not pg_has_role(r.role, 'member') or not pg_has_role(r.role, 'usage') order by 1`,
    [roles],
  )
  const [may] = await session.query<{ create: boolean; tablespace: string | null }>(
    'seed.may-create',
    `select rolcreatedb or rolsuper as create,
            (select t.spcname from pg_database d join pg_tablespace t on t.oid = d.dattablespace
              where d.datname = current_database() and t.spcname <> 'pg_default'
                and not has_tablespace_privilege(t.oid, 'create')) as tablespace
       from pg_roles where rolname = current_user`,
  )
  const tablespace = may?.tablespace ?? null
  const problems = [
    ...(may?.create === true ? [] : ['it may not create databases (alter role ... createdb)']),
    ...missing.map(
      ({ role }) => `it is no member of ${role}, who owns ${ownedBy(rights, role)} (grant ${role} to it)`,
    ),
    ...(tablespace === null
      ? []
      : [
          `it may not create in the tablespace ${tablespace}, where the database is (grant create on tablespace)`,
        ]),
  ]
  if (problems.length === 0) return
  throw new SafetyError('SEED_RIGHTS', `the role of staging.database cannot seed: ${problems.join('; ')}`)
}

function ownedBy({ things, database, owner }: Rights, role: string): string {
  const thing = things.find((one) => one.owner === role)
  if (thing === undefined || role === owner) return `the database ${database}`
  return thing.schema === 'public' ? "Koji's tables" : `${thing.kind} ${thing.on}`
}
