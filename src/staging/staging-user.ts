import { ConfigError, SafetyError } from '../errors.ts'
import type { Sql, Tx } from './database.ts'

export interface UserReport {
  readonly id: number
  readonly name: string
  /** `made`; `adopted`: was there, blocked; `kept`: ours already; `blocked`: ours, somebody had unblocked it */
  readonly action: 'made' | 'adopted' | 'kept' | 'blocked'
}

/** A user as far as it matters here; never the password itself. */
export interface UserRow {
  readonly id: number
  readonly name: string
  readonly status: number
  readonly usertype: number
  readonly password: boolean
  readonly sessions: boolean
}

/** USER_STATUS and USERTYPES of koji/__init__.py */
const BLOCKED = 1
const NORMAL = 0

/**
 * Whether `name` can be, or is, the Koji user that our rows are created by: null, or who is there already. `knownId`:
 * the one that `init` used before.
 *
 * Throws SafetyError USER_NOT_OURS when the name belongs to somebody, ConfigError USER_CHANGED when `init` ran with
 * another name before: our rows would turn into somebody else's.
 */
export async function checkStagingUser(
  tx: Tx,
  name: string,
  knownId: number | null,
): Promise<UserRow | null> {
  const rows = await readUsers(tx, name, knownId)
  const ours = rows.find((row) => row.id === knownId)
  if (ours !== undefined) {
    if (ours.name === name) return ours
    throw new ConfigError(
      'USER_CHANGED',
      `our rows were created by ${ours.name}; staging.user is ${name} now`,
      {
        detail: { was: ours.name, wanted: name },
      },
    )
  }
  const named = rows.find((row) => row.name === name)
  const problems = named === undefined ? [] : problemsOf(named)
  if (problems.length > 0) {
    throw new SafetyError(
      'USER_NOT_OURS',
      `staging has a user ${name} who ${problems.join(', ')}; choose another staging.user`,
      { detail: { name } },
    )
  }
  return named ?? null
}

/** Makes or adopts that user: blocked, without password, never logged in. Errors as `checkStagingUser`. */
export async function ensureStagingUser(tx: Tx, name: string, knownId: number | null): Promise<UserReport> {
  const user = await checkStagingUser(tx, name, knownId)
  if (user === null) {
    const [made] = await tx.query<{ id: number }>(
      'user.make',
      'insert into users (name, status, usertype) values ($1, $2, $3) returning id',
      [name, BLOCKED, NORMAL],
    )
    return { id: made?.id as number, name, action: 'made' }
  }
  if (user.id !== knownId) return { id: user.id, name, action: 'adopted' }
  if (user.status === BLOCKED) return { id: user.id, name, action: 'kept' }
  await tx.query('user.block', 'update users set status = $2 where id = $1', [user.id, BLOCKED])
  return { id: user.id, name, action: 'blocked' }
}

/** Why a user cannot be ours, as parts of a sentence; empty: it can. */
function problemsOf(user: UserRow): string[] {
  return [
    ...(user.status === BLOCKED ? [] : ['is not blocked']),
    ...(user.usertype === NORMAL ? [] : ['is a host or a group']),
    ...(user.password ? ['has a password'] : []),
    ...(user.sessions ? ['has open sessions'] : []),
  ]
}

function readUsers(sql: Sql, name: string, id: number | null): Promise<UserRow[]> {
  return sql.query<UserRow>(
    'user.read',
    `select u.id, u.name, u.status, u.usertype, u.password is not null as password,
            exists (select 1 from sessions s where s.user_id = u.id and not s.expired) as sessions
       from users u where u.name = $1 or u.id = $2::int`,
    [name, id],
  )
}
