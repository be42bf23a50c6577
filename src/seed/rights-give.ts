import pg from 'pg'
import { defaultKey, defaultStatements, diffRights, rightKey, rightStatements } from './rights-diff.ts'
import { listRights, type Right, type Rights, readRights, type Setting, type Thing } from './rights-read.ts'
import type { Session } from './session.ts'

/** SQLSTATE: we may not */
const DENIED = '42501'

/** Settings that hold a list of names, which are quoted one by one (GUC_LIST_QUOTE of PostgreSQL's guc_tables.c). */
const LISTS = [
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
]

/**
 * What holds for a database as a whole: who may connect, its settings. To be done when the database was just made: prod's rows are not for
 * everybody's eyes. Returns statements that we may not run ourselves; a person has to, after the swap.
 */
export async function giveDatabaseRights(session: Session, rights: Rights): Promise<string[]> {
  const now = await readRights(session)
  const ofDatabase = ({ kind }: Right): boolean => kind === 'database'
  const diff = diffRights(rights.rights.filter(ofDatabase), now.rights.filter(ofDatabase), rightKey)
  for (const statement of rightStatements(diff, pg.escapeIdentifier(now.database))) {
    await session.query('seed.grant', statement)
  }
  const left: string[] = []
  for (const setting of rights.settings) {
    const done = await tryTo(session, settingStatement(setting, now.database))
    if (!done) left.push(settingStatement(setting, rights.database))
  }
  return left
}

/** No more connections than the other database allows: once the loading is done, which needs some itself. */
export async function limitConnections(session: Session, { connectionLimit }: Rights): Promise<void> {
  const [row] = await session.query<{ name: string }>('seed.database', 'select current_database() as name')
  const name = pg.escapeIdentifier(row?.name ?? '')
  await session.query('seed.limit', `alter database ${name} connection limit ${connectionLimit}`)
}

function settingStatement({ role, name, value }: Setting, database: string): string {
  const of =
    role === null
      ? `database ${pg.escapeIdentifier(database)}`
      : `role ${pg.escapeIdentifier(role)} in database ${pg.escapeIdentifier(database)}`
  const quoted = name.split('.').map(pg.escapeIdentifier).join('.')
  return `alter ${of} set ${quoted} to ${LISTS.includes(name) ? listOf(value) : pg.escapeLiteral(value)}`
}

/** `"$user", public` as `'$user', 'public'`. */
function listOf(value: string): string {
  const names = [...value.matchAll(/"((?:[^"]|"")*)"|([^,\s"]+)/g)].map(([, quoted, plain]) =>
    pg.escapeLiteral(quoted?.replaceAll('""', '"') ?? plain ?? ''),
  )
  return names.length === 0 ? `''` : names.join(', ')
}

async function tryTo(session: Session, statement: string): Promise<boolean> {
  await session.step('sql.seed.setting')
  try {
    await session.client.query(statement)
    return true
  } catch (error) {
    if ((error as { code?: string }).code === DENIED) return false
    throw error
  }
}

/**
 * Gives all things of the loaded database the owners and rights that they have in the other one; what is new there, those that its owner's
 * new things have. In the caller's transaction. Returns what a person should know.
 */
export async function giveRights(session: Session, rights: Rights): Promise<string[]> {
  const notes = await giveDefaults(session, rights)
  const before = await readRights(session)
  const database = pg.escapeIdentifier(before.database)
  await giveOwners(session, rights, before.things, database)

  const old = new Set(rights.things.map(({ on }) => on))
  const there = new Set(before.things.map(({ on }) => on))
  const columns = await readColumns(session)
  const isThere = ({ on, column, kind }: Right): boolean =>
    kind === 'database' || (there.has(on) && (column === null || columns.has(`${on}.${column}`)))
  const born = await listRights(session, true)
  const wanted = [
    ...rights.rights.filter(isThere),
    ...born.filter(({ kind, on }) => kind !== 'database' && !old.has(on)),
  ]
  const diff = diffRights(wanted, await listRights(session), rightKey)
  for (const statement of rightStatements(diff, database)) await session.query('seed.grant', statement)

  const unmet = diffRights(wanted, await listRights(session), rightKey)
  const open = rightStatements(unmet, pg.escapeIdentifier(rights.database))
  if (open.length > 0) notes.push(`rights that could not be given; after the swap: ${open.join('; ')}`)
  const gone = rights.rights.filter((right) => !isThere(right) && !isDefault(right, rights))
  notes.push(...missingNotes(gone), ...newNotes(before.things, old))
  return notes
}

async function giveDefaults(session: Session, { defaults }: Rights): Promise<string[]> {
  const left: string[] = []
  for (const may of [true, false]) {
    const ours = defaults.filter((right) => right.may === may)
    const wanted = ours.filter(({ isBuiltIn }) => !isBuiltIn)
    const schemas = await session.query<{ name: string }>(
      'seed.schemas',
      'select quote_ident(nspname) as name from pg_namespace',
    )
    const there = new Set<string | null>([null, ...schemas.map(({ name }) => name)])
    const diff = diffRights(
      wanted.filter(({ schema }) => there.has(schema)),
      ours.filter(({ isBuiltIn }) => isBuiltIn),
      defaultKey,
    )
    for (const statement of defaultStatements(diff)) {
      if (may) await session.query('seed.default-rights', statement)
      else left.push(statement)
    }
  }
  return left.length === 0
    ? []
    : [
        `default privileges of roles that we are no member of; after the swap, in the database: ${left.join('; ')}`,
      ]
}

async function giveOwners(
  session: Session,
  { things }: Rights,
  there: readonly Thing[],
  database: string,
): Promise<void> {
  const owners = new Map(things.map(({ on, owner }) => [on, owner]))
  const ofSchema = new Map([
    ['public', owners.get('public.events')],
    ['staging_sync', owners.get('staging_sync')],
  ])
  for (const { kind, schema, on, owner, follows } of there) {
    const wanted = owners.get(on) ?? (kind === 'schema' ? undefined : ofSchema.get(schema))
    if (follows || wanted === undefined || wanted === owner) continue
    await session.query('seed.may-hold', MAY_HOLD(kind, schema, wanted, database))
    await session.query('seed.give', `alter ${kind} ${on} owner to ${pg.escapeIdentifier(wanted)}`)
  }
}

/** Whoever is to own something must be allowed to make it there; what the other database does not allow is taken back with the rest. */
const MAY_HOLD = (kind: Thing['kind'], schema: string, role: string, database: string): string => {
  const where = kind === 'schema' ? database : pg.escapeIdentifier(schema)
  const what = kind === 'schema' ? `database ${where}` : `schema ${where}`
  const has =
    kind === 'schema'
      ? `has_database_privilege(${pg.escapeLiteral(role)}, current_database(), 'create')`
      : `has_schema_privilege(${pg.escapeLiteral(role)}, ${pg.escapeLiteral(schema)}, 'create')`
  const statement = `grant create on ${what} to ${pg.escapeIdentifier(role)}`
  return `do $may$ begin if not ${has} then execute ${pg.escapeLiteral(statement)}; end if; end $may$`
}

async function readColumns(session: Session): Promise<Set<string>> {
  const rows = await session.query<{ name: string }>(
    'seed.columns',
    `select format('%I.%I', n.nspname, c.relname) || '.' || a.attname as name
       from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('public', 'staging_sync') and a.attnum > 0 and not a.attisdropped`,
  )
  return new Set(rows.map(({ name }) => name))
}

/** Its owner's own: not worth a word where the thing is no more. */
function isDefault({ on, to }: Right, { things }: Rights): boolean {
  const owner = things.find((thing) => thing.on === on)?.owner
  return owner !== undefined && to.replace(/^"(.*)"$/, '$1').replaceAll('""', '"') === owner
}

function missingNotes(gone: readonly Right[]): string[] {
  const names = [...new Set(gone.map(({ on, column }) => (column === null ? on : `${on} (${column})`)))]
  if (names.length === 0) return []
  return [`rights on what the new database does not have are gone with it: ${names.join(', ')}`]
}

function newNotes(things: readonly Thing[], old: ReadonlySet<string>): string[] {
  // Nothing was there before: nobody had rights on it.
  if (!old.has('public.events')) return []
  const fresh = things.filter(({ kind, schema, on }) =>
    kind === 'schema' ? !old.has(on) : kind === 'table' && old.has(schema) && !old.has(on),
  )
  if (fresh.length === 0) return []
  const names = fresh.map(({ on }) => on).join(', ')
  return [`new in this database: ${names}: the service may lack rights on it (init --print-grants)`]
}
