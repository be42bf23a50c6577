import type { HubSession } from '../hub-session.ts'
import { Binds } from '../query.ts'
import {
  Fault,
  faultCode,
  generic,
  isInt,
  isStruct,
  type Struct,
  str,
  typeName,
  type Value,
} from '../wire-value.ts'

/** A clause for a thing named by id, name, or (since 1.26) struct (kojihub.py, name_or_id_clause). */
export function nameOrId(
  hub: HubSession,
  binds: Binds,
  table: string,
  info: Value,
  what = 'id lookup',
): string {
  let wanted = info
  if (hub.since(1.3) && isStruct(wanted)) {
    if ('id' in wanted) wanted = wanted.id as Value
    else if ('name' in wanted) wanted = wanted.name as Value
    else throw badInfo(hub, info, what)
  }
  if (isInt(wanted)) return `${table}.id = ${binds.add(Number(wanted))}`
  if (typeof wanted === 'string') return `${table}.name = ${binds.add(wanted)}`
  throw badInfo(hub, wanted, what)
}

function badInfo(hub: HubSession, info: Value, what: string): Fault {
  if (hub.since(1.3)) return new Fault(faultCode.parameter, `Invalid name or id value: ${str(info)}`)
  return generic(`${hub.since(1.25) ? 'Invalid' : 'invalid'} type for ${what}: ${typeName(info)}`)
}

/** Id and name of a row of a table of names; null or a fault when there is none (lookup_name). */
export async function lookupName(
  hub: HubSession,
  table: string,
  info: Value,
  strict = false,
): Promise<Struct | null> {
  const binds = new Binds()
  const clause = nameOrId(hub, binds, table, info)
  const found = await hub.row(`SELECT id, name FROM ${table} WHERE ${clause}`, binds.values)
  if (!found && strict) throw generic(`No such entry in table ${table}: ${str(info)}`)
  return found
}

/** Its id only. */
export async function getId(hub: HubSession, table: string, info: Value, strict = false): Promise<Value> {
  return (await lookupName(hub, table, info, strict))?.id ?? null
}

/** Lists of names: volumes, build types, archive types, permissions, content generators. */
export async function listCGs(hub: HubSession): Promise<Value> {
  const rows = await hub.rows(`SELECT content_generator.id, content_generator.name, users.name AS user_name
    FROM cg_users JOIN content_generator ON content_generator.id = cg_users.cg_id
    JOIN users ON users.id = cg_users.user_id WHERE cg_users.active = TRUE`)
  const generators: { [name: string]: { id: Value; users: Value[] } } = {}
  for (const row of rows) {
    generators[row.name as string] ??= { id: row.id as Value, users: [] }
    generators[row.name as string]?.users.push(row.user_name as Value)
  }
  return generators
}

/** getAllPerms. */
export function getAllPerms(hub: HubSession): Promise<Value> {
  return hub.rows(`SELECT id, name${hub.since(1.3) ? ', description' : ''} FROM permissions ORDER BY id`)
}

/** getArchiveTypes. */
export function getArchiveTypes(hub: HubSession): Promise<Value> {
  const compression = hub.since(1.3) ? ', compression_type' : ''
  return hub.rows(`SELECT id, name, description, extensions${compression} FROM archivetypes ORDER BY id`)
}
