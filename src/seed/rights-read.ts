import type { Session } from './session.ts'

/** One right on one thing, as PostgreSQL has it. */
export interface Right {
  readonly kind: 'database' | 'schema' | 'table' | 'sequence' | 'routine'
  /** quoted with its schema, as in a statement; empty: the database itself */
  readonly on: string
  /** null: all of the thing */
  readonly column: string | null
  /** quoted; `public`: everybody */
  readonly to: string
  readonly privilege: string
  readonly grantable: boolean
}

export interface Thing {
  readonly kind: Right['kind'] | 'view' | 'materialized view' | 'foreign table'
  readonly schema: string
  readonly on: string
  readonly owner: string
  /** null: it is none of a table that is owned with its table */
  readonly follows: boolean
}

/** What is born with which rights, by `alter default privileges`. */
export interface DefaultRight {
  readonly role: string
  /** quoted; null: everywhere */
  readonly schema: string | null
  readonly objects: string
  readonly to: string
  readonly privilege: string
  readonly grantable: boolean
  /** true: PostgreSQL's own default, which an entry for everywhere takes the place of */
  readonly isBuiltIn: boolean
  /** we may speak for that role */
  readonly may: boolean
}

/** `alter database ... set`, `alter role ... in database ... set`. */
export interface Setting {
  /** null: of everybody */
  readonly role: string | null
  readonly name: string
  readonly value: string
}

/** Who owns what in a database, who may do what with it, and how it is set. */
export interface Rights {
  readonly database: string
  readonly owner: string
  readonly things: readonly Thing[]
  readonly rights: readonly Right[]
  readonly defaults: readonly DefaultRight[]
  readonly settings: readonly Setting[]
  /** -1: no limit */
  readonly connectionLimit: number
}

/** Of the session's database: Koji's schema and ours. */
export async function readRights(session: Session): Promise<Rights> {
  const [row] = await session.query<{ name: string; owner: string; limit: number }>(
    'seed.database-owner',
    `select datname as name, pg_get_userbyid(datdba) as owner, datconnlimit as "limit"
       from pg_database where datname = current_database()`,
  )
  const { name, owner, limit } = row as { name: string; owner: string; limit: number }
  return {
    database: name,
    owner,
    connectionLimit: limit,
    things: await session.query<Thing>('seed.owners', THINGS),
    rights: await listRights(session),
    defaults: await session.query<DefaultRight>('seed.default-rights', DEFAULTS),
    settings: await session.query<Setting>('seed.database-settings', SETTINGS),
  }
}

/** `born`: those that each thing would have if its owner made it anew. */
export function listRights(session: Session, born = false): Promise<Right[]> {
  return session.query<Right>('seed.rights', rightsSql(born))
}

const SCHEMAS = `('public', 'staging_sync')`
const KINDS = `('r', 'p', 'v', 'm', 'S', 'f')`
const notOfExtension = (table: string, alias: string): string =>
  `not exists (select 1 from pg_depend d where d.classid = '${table}'::regclass and d.objid = ${alias}.oid and d.deptype = 'e')`
const ROUTINE = `format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))`

const THINGS = `
  select case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table'
                        else 'table' end as kind,
         n.nspname as schema, format('%I.%I', n.nspname, c.relname) as "on", pg_get_userbyid(c.relowner) as owner,
         c.relkind = 'S' and exists (select 1 from pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass
                                        and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')) as follows
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.nspname in ${SCHEMAS} and c.relkind in ${KINDS} and ${notOfExtension('pg_class', 'c')}
  union all
  select 'routine', n.nspname, ${ROUTINE}, pg_get_userbyid(p.proowner), false
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in ${SCHEMAS} and ${notOfExtension('pg_proc', 'p')}
  union all
  select 'schema', nspname, quote_ident(nspname), pg_get_userbyid(nspowner), false from pg_namespace where nspname in ${SCHEMAS}
  order by 1, 3`

/** What `alter default privileges` of the owner gives to a new thing. */
const bornAs = (objects: string, type: string, owner: string, schema: string): string =>
  `coalesce((select g.defaclacl from pg_default_acl g where g.defaclrole = ${owner} and g.defaclnamespace = 0
                and g.defaclobjtype = ${objects}), acldefault(${type}, ${owner}))
   || coalesce((select g.defaclacl from pg_default_acl g where g.defaclrole = ${owner} and g.defaclnamespace = ${schema}
                   and g.defaclobjtype = ${objects}), '{}')`

function rightsSql(born: boolean): string {
  const acl = (own: string, objects: string, type: string, owner: string, schema: string): string =>
    born ? bornAs(objects, type, owner, schema) : `coalesce(${own}, acldefault(${type}, ${owner}))`
  const sequence = `case c.relkind when 'S' then 'S'::"char" else 'r'::"char" end`
  const sequenceType = `case c.relkind when 'S' then 's'::"char" else 'r'::"char" end`
  return `
  with things as (
    select case c.relkind when 'S' then 'sequence' else 'table' end as kind, format('%I.%I', n.nspname, c.relname) as "on",
           null::text as "column", ${acl('c.relacl', sequence, sequenceType, 'c.relowner', 'n.oid')} as acl
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ${SCHEMAS} and c.relkind in ${KINDS} and ${notOfExtension('pg_class', 'c')}
    union all
    select 'table', format('%I.%I', n.nspname, c.relname), a.attname, a.attacl
      from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ${SCHEMAS} and not a.attisdropped and a.attacl is not null and ${born ? 'false' : 'true'}
    union all
    select 'routine', ${ROUTINE}, null, ${acl('p.proacl', `'f'::"char"`, `'f'::"char"`, 'p.proowner', 'n.oid')}
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in ${SCHEMAS} and ${notOfExtension('pg_proc', 'p')}
    union all
    select 'schema', quote_ident(nspname), null, ${acl('nspacl', `'n'::"char"`, `'n'::"char"`, 'nspowner', '0')}
      from pg_namespace where nspname in ${SCHEMAS}
    union all
    select 'database', '', null, coalesce(datacl, acldefault('d', datdba)) from pg_database where datname = current_database())
  select kind, "on", "column", case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end as "to",
         x.privilege_type as privilege, bool_or(x.is_grantable) as grantable
    from things, aclexplode(acl) x group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5`
}

const DEFAULTS = `
  select pg_get_userbyid(g.defaclrole) as role, case when g.defaclnamespace <> 0 then quote_ident(n.nspname) end as schema,
         case g.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'routines' when 'T' then 'types'
                              when 'n' then 'schemas' end as objects,
         case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end as "to", x.privilege_type as privilege,
         bool_or(x.is_grantable) as grantable, b.is_built_in as "isBuiltIn", bool_and(pg_has_role(g.defaclrole, 'usage')) as may
    from pg_default_acl g left join pg_namespace n on n.oid = g.defaclnamespace
    cross join lateral (values (false, g.defaclacl),
      (true, case g.defaclnamespace when 0
               then acldefault(case g.defaclobjtype when 'S' then 's'::"char" else g.defaclobjtype end, g.defaclrole) end)) b(is_built_in, acl)
    cross join lateral aclexplode(b.acl) x
   where (g.defaclnamespace = 0 or n.nspname in ${SCHEMAS}) and g.defaclobjtype in ('r', 'S', 'f', 'T', 'n')
   group by 1, 2, 3, 4, 5, 7 order by 1, 2, 3, 7, 4, 5`

const SETTINGS = `
  select case when s.setrole <> 0 then pg_get_userbyid(s.setrole) end as role, split_part(c, '=', 1) as name,
         substr(c, strpos(c, '=') + 1) as value
    from pg_db_role_setting s, unnest(s.setconfig) c
   where s.setdatabase = (select oid from pg_database where datname = current_database()) order by 1, 2`
