import { ConfigError } from '../errors.ts'
import type { ResetContext } from './reset.ts'
import { createRow, revokeRows } from './versioned-row.ts'

/** USERTYPES of koji/__init__.py */
export const USERTYPE = { normal: 0, host: 1 } as const

/** What prod's people may do in prod they may not do here, unless it is wanted. */
export async function revokeGrants(context: ResetContext): Promise<void> {
  if (context.wishes.keepGrants) return
  for (const table of ['user_perms', 'user_groups', 'cg_users']) {
    context.report.add(table, 'revoked', await revokeRows(context, table, 'true'))
  }
}

/** Staging's people: made where prod has none of that name, with exactly one active row of each permission. */
export async function allowUsers(context: ResetContext): Promise<void> {
  const { session, wishes, report } = context
  for (const user of wishes.users) {
    const userId = await ensureUser(context, user.name, USERTYPE.normal)
    await ensurePrincipals(context, userId, user.principals)
    for (const [table, column, names, lookup] of [
      ['user_perms', 'perm_id', user.permissions, 'permissions'],
      ['cg_users', 'cg_id', user.contentGenerators, 'content_generator'],
    ] as const) {
      for (const name of names) {
        const id = await ensureNamed(context, lookup, name)
        const there = await session.query(
          `seed.has.${table}`,
          `select 1 from ${table} where user_id = $1 and ${column} = $2 and active`,
          [userId, id],
        )
        // Also an admin in prod is none twice.
        if (there.length > 0) continue
        await createRow(context, table, { user_id: userId, [column]: id })
        report.add(table, 'granted', 1)
      }
    }
  }
}

/** Throws ConfigError SEED_USER_TYPE when the name is that of another kind of user. */
export async function ensureUser(
  { session, report }: ResetContext,
  name: string,
  usertype: number,
): Promise<number> {
  const [there] = await session.query<{ id: number; usertype: number }>(
    'seed.user',
    'select id, usertype from users where name = $1',
    [name],
  )
  if (there === undefined) {
    const [made] = await session.query<{ id: number }>(
      'seed.user-new',
      'insert into users (name, status, usertype) values ($1, 0, $2) returning id',
      [name, usertype],
    )
    report.add('users', usertype === USERTYPE.host ? 'hosts added' : 'added', 1)
    return (made as { id: number }).id
  }
  if (there.usertype !== usertype) {
    const [is, wanted] = usertype === USERTYPE.host ? ['no host', 'host'] : ['no person', 'user']
    throw new ConfigError(
      'SEED_USER_TYPE',
      `the ${wanted} ${name} of [[seed_${wanted}]] is ${is} in prod's dump`,
    )
  }
  const opened = await session.change(
    'seed.user-open',
    'update users set status = 0 where id = $1 and status <> 0',
    [there.id],
  )
  report.add('users', 'unblocked', opened)
  return there.id
}

/** Throws ConfigError SEED_PRINCIPAL_TAKEN when somebody else has it. */
export async function ensurePrincipals(
  { session, report }: ResetContext,
  userId: number,
  principals: readonly string[],
): Promise<void> {
  for (const principal of principals) {
    const [there] = await session.query<{ user_id: number; name: string }>(
      'seed.principal',
      `select p.user_id, u.name from user_krb_principals p join users u on u.id = p.user_id where p.krb_principal = $1`,
      [principal],
    )
    if (there?.user_id === userId) continue
    if (there !== undefined) {
      throw new ConfigError(
        'SEED_PRINCIPAL_TAKEN',
        `the principal ${principal} is ${there.name}'s after [[principal_rewrite]]`,
      )
    }
    await session.change(
      'seed.principal-new',
      'insert into user_krb_principals (user_id, krb_principal) values ($1, $2)',
      [userId, principal],
    )
    report.add('user_krb_principals', 'added', 1)
  }
}

export async function ensureNamed(
  { session, report }: ResetContext,
  table: 'permissions' | 'content_generator' | 'channels',
  name: string,
): Promise<number> {
  const [there] = await session.query<{ id: number }>(
    `seed.named.${table}`,
    `select id from ${table} where name = $1`,
    [name],
  )
  if (there !== undefined) return there.id
  const [made] = await session.query<{ id: number }>(
    `seed.named-new.${table}`,
    `insert into ${table} (name) values ($1) returning id`,
    [name],
  )
  report.add(table, 'added', 1)
  return (made as { id: number }).id
}
