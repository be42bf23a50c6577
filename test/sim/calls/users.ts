import type { HubSession } from '../hub-session.ts'
import { Binds, run } from '../query.ts'
import {
  Fault,
  faultCode,
  generic,
  isInt,
  isStruct,
  repr,
  type Struct,
  truthy,
  typeName,
  type Value,
} from '../wire-value.ts'
import { getId } from './names.ts'

/** getUser (get_user); the name of a user or a Kerberos principal, an id, or a struct. */
export async function getUser(
  hub: HubSession,
  info: Value,
  { strict = false, principals = true, groups = false } = {},
): Promise<Struct | null> {
  if (info === null) throw generic('No user provided')
  const binds = new Binds()
  const where: string[] = []
  if (isInt(info)) where.push(`users.id = ${binds.add(Number(info))}`)
  else if (typeof info === 'string') {
    const name = binds.add(info)
    where.push(`krb_principal = ${name} OR name = ${name}`)
  } else if (isStruct(info)) {
    if (info.id !== undefined && info.id !== null) where.push(`users.id = ${binds.add(info.id)}`)
    if (info.name) where.push(`users.name = ${binds.add(info.name)}`)
    if (info.krb_principal) where.push(`krb_principal = ${binds.add(info.krb_principal)}`)
  } else throw generic(`Invalid type for userInfo: ${typeName(info)}`)
  const user = await hub.row(
    `SELECT id, name, status, usertype FROM users
     LEFT JOIN user_krb_principals ON users.id = user_krb_principals.user_id
     ${where.length > 0 ? `WHERE (${where.join(') AND (')})` : ''}`,
    binds.values,
  )
  if (!user && strict) throw generic(`No such user: ${repr(info)}`)
  if (!user) return null
  if (principals) {
    const rows = await hub.rows('SELECT krb_principal FROM user_krb_principals WHERE user_id = $1', [user.id])
    user.krb_principals = rows.map((row) => row.krb_principal as Value)
  }
  if (groups) {
    const rows = await hub.rows(
      `SELECT users.name FROM user_groups JOIN users ON group_id = users.id
       WHERE active = TRUE AND users.usertype = 2 AND user_id = $1`,
      [user.id],
    )
    user.groups = rows.map((row) => row.name as Value)
  }
  return user
}

/** listUsers; userType nil means all types since 1.35, none before. */
export async function listUsers(hub: HubSession, a: Struct): Promise<Value> {
  const binds = new Binds()
  const where: string[] = []
  const fields: Record<string, string> = {
    id: 'users.id',
    name: 'users.name',
    status: 'status',
    usertype: 'usertype',
    krb_principals: 'array_agg(krb_principal)',
  }
  let from = 'users'
  if (a.userType !== null || !hub.since(1.35)) {
    const types = Array.isArray(a.userType) && hub.since(1.36) ? a.userType : [a.userType as Value]
    if (hub.since(1.35) && !types.every(isInt)) {
      throw new Fault(faultCode.parameter, 'userType must be integer or None')
    }
    where.push(`usertype = ANY(${binds.add(types)}::int[])`)
  }
  if (truthy(a.inherited_perm) && !truthy(a.perm)) {
    throw generic('inherited_perm option must be used with perm option')
  }
  if (truthy(a.perm)) {
    const permission = await getId(hub, 'permissions', a.perm as Value, true)
    where.push(`user_perms.active AND user_perms.perm_id = ${binds.add(permission)}`)
    from += truthy(a.inherited_perm)
      ? ` LEFT JOIN user_groups ON user_id = users.id AND user_groups.active IS TRUE
          LEFT JOIN user_perms ON users.id = user_perms.user_id OR group_id = user_perms.user_id`
      : ' LEFT JOIN user_perms ON users.id = user_perms.user_id'
  }
  from += ' LEFT JOIN user_krb_principals ON users.id = user_krb_principals.user_id'
  if (truthy(a.prefix)) where.push(`users.name ILIKE ${binds.add(a.prefix)} || '%'`)
  if (isStruct(a.queryOpts) && a.queryOpts.group) {
    throw generic('queryOpts.group is not available for this API')
  }
  return run(hub, {
    fields,
    from,
    where,
    group: truthy(a.perm) ? 'users.id, user_perms.perm_id' : 'users.id',
    binds,
    opts: a.queryOpts,
    transform: (row) => ({
      ...row,
      krb_principals: (row.krb_principals as Value[]).filter((name) => name !== null),
    }),
  })
}
