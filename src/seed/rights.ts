import pg from 'pg'
import { SafetyError } from '../errors.ts'
import type { Session } from './session.ts'

/** Who owns the tables, views, sequences and functions of a database, and who may do what with them. */
export interface Rights {
  /** role by name of a table, view or sequence */
  readonly owners: ReadonlyMap<string, string>
  /** of what the other database did not have */
  readonly owner: string | null
  /** `GRANT` statements, ready to be run in the other database */
  readonly grants: readonly { readonly name: string; readonly statement: string }[]
}

/** Of the running database, for the new one: a dump's own owners and rights are prod's. */
export async function readRights(session: Session): Promise<Rights> {
  const rows = await session.query<{ name: string; owner: string }>(
    'seed.owners',
    `select relname as name, pg_get_userbyid(relowner) as owner from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')`,
  )
  const grants = await session.query<{ name: string; statement: string }>(
    'seed.grants',
    `select relname as name,
            format('grant %s on %s %I.%I to %s%s', a.privilege_type, case relkind when 'S' then 'sequence' else 'table' end,
                   'public', relname, case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
                   case when a.is_grantable then ' with grant option' else '' end) as statement
       from pg_class, aclexplode(relacl) a
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S') and a.grantee <> relowner
     union all
     select '', format('grant %s on schema public to %s', a.privilege_type,
                       case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end)
       from pg_namespace, aclexplode(nspacl) a where nspname = 'public' and a.grantee <> nspowner
     union all
     select '', format('grant %s on database %s to %s', a.privilege_type, '%DATABASE%',
                       case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end)
       from pg_database, aclexplode(datacl) a where datname = current_database() and a.grantee <> datdba`,
  )
  const owners = new Map(rows.map(({ name, owner }) => [name, owner]))
  return { owners, owner: owners.get('events') ?? null, grants }
}

/** Whether we may give things to those owners. Throws SafetyError SEED_RIGHTS naming the roles. */
export async function checkRights(session: Session, rights: Rights): Promise<void> {
  const roles = [...new Set([...rights.owners.values(), ...(rights.owner === null ? [] : [rights.owner])])]
  const missing = await session.query<{ role: string }>(
    'seed.may-own',
    `select r.role from unnest($1::text[]) r(role) where not pg_has_role(r.role, 'member')`,
    [roles],
  )
  const [may] = await session.query<{ create: boolean }>(
    'seed.may-create',
    'select rolcreatedb or rolsuper as create from pg_roles where rolname = current_user',
  )
  const problems = [
    ...(may?.create === true ? [] : ['it may not create databases (alter role ... createdb)']),
    ...missing.map(({ role }) => `it is no member of ${role}, who owns Koji's tables (grant ${role} to it)`),
  ]
  if (problems.length === 0) return
  throw new SafetyError('SEED_RIGHTS', `the role of staging.database cannot seed: ${problems.join('; ')}`)
}

/** Gives the tables of the new database (ours as they were loaded) the same owners and rights, in the caller's transaction. */
export async function giveRights(session: Session, rights: Rights, database: string): Promise<number> {
  if (rights.owner === null) return 0
  const things = await session.query<{ name: string; kind: string; owner: string }>(
    'seed.new-owners',
    `select relname as name, pg_get_userbyid(relowner) as owner,
            case relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view' else 'table' end as kind
       from pg_class c
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')
        -- a sequence of a column follows its table
        and not exists (select 1 from pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass
                           and d.deptype in ('a', 'i') and c.relkind = 'S')`,
  )
  let changed = 0
  for (const { name, kind, owner } of things) {
    const wanted = rights.owners.get(name) ?? rights.owner
    if (wanted === owner) continue
    await session.query(
      'seed.give',
      `alter ${kind} public.${pg.escapeIdentifier(name)} owner to ${pg.escapeIdentifier(wanted)}`,
    )
    changed += 1
  }
  const functions = await session.query<{ signature: string }>(
    'seed.functions',
    `select p.oid::regprocedure::text as signature from pg_proc p
      where pronamespace = 'public'::regnamespace and prokind = 'f' and pg_get_userbyid(proowner) <> $1
        and not exists (select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e')`,
    [rights.owner],
  )
  for (const { signature } of functions) {
    await session.query(
      'seed.give',
      `alter function ${signature} owner to ${pg.escapeIdentifier(rights.owner)}`,
    )
    changed += 1
  }
  const all = await session.query<{ name: string }>(
    'seed.names',
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace`,
  )
  const names = new Set(all.map(({ name }) => name))
  for (const { name, statement } of rights.grants) {
    if (name !== '' && !names.has(name)) continue
    await session.query(
      'seed.grant',
      statement.replace('%DATABASE%', () => pg.escapeIdentifier(database)),
    )
    changed += 1
  }
  return changed
}
