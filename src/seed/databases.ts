import pg from 'pg'
import { SyncError } from '../errors.ts'
import { createStatement, readMaking, refuseUnlike } from './database-making.ts'
import type { Session } from './session.ts'
import { endSessions } from './sessions.ts'

/** What a database that a seed made is: told by its comment, which stays with it when it is renamed. */
export interface SeedMark {
  /** `loading`: not whole, dropped by the next seed; `ready`: may be swapped in; `live`: was; `kept`: what was replaced */
  readonly state: 'loading' | 'ready' | 'live' | 'kept'
  /** prod's last event in the dump */
  readonly seedEvent?: number
  /** name of the dump */
  readonly dump?: string
  /** when, by the database's clock, ISO 8601 */
  readonly at?: string
  /** people worked on it before a rollback: no seed drops it */
  readonly wasLive?: boolean
}

export interface FoundDatabase {
  readonly name: string
  /** null: not made by a seed */
  readonly mark: SeedMark | null
  readonly bytes: number
}

const PREFIX = 'koji-staging-sync seed: '

/** PostgreSQL cuts longer names off silently. */
const MAX_NAME_BYTES = 63

/** Beside the running one, while it is made and until it is swapped in. */
export function newNameOf(database: string): string {
  return checked(`${database}_seed`)
}

/** Of what was replaced; `at`: ISO 8601 by the database's clock. */
export function keptNameOf(database: string, at: string): string {
  return checked(`${database}_before_${at.replace(/[-:]/g, '').slice(0, 15)}`)
}

function checked(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name
  throw new SyncError(
    'SEED_NAME',
    `the name ${name} is too long for PostgreSQL: staging's database needs a shorter one`,
  )
}

/** That database and those that seeds made of it; `admin`: any session on the server. */
export async function listDatabases(admin: Session, database: string): Promise<FoundDatabase[]> {
  const rows = await admin.query<{ name: string; comment: string | null; bytes: number | null }>(
    'seed.databases',
    `select datname as name, shobj_description(oid, 'pg_database') as comment,
            case when has_database_privilege(oid, 'connect') then pg_database_size(oid) end as bytes
       from pg_database where datname = $1 or starts_with(datname, $1 || '_') order by datname`,
    [database],
  )
  return rows.map(({ name, comment, bytes }) => ({ name, mark: markOf(comment), bytes: bytes ?? 0 }))
}

/** ISO 8601, by the database's clock. */
export async function readNow(admin: Session): Promise<string> {
  const [row] = await admin.query<{ at: string }>(
    'seed.now',
    `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at`,
  )
  return row?.at ?? ''
}

function markOf(comment: string | null): SeedMark | null {
  if (comment === null || !comment.startsWith(PREFIX)) return null
  try {
    return JSON.parse(comment.slice(PREFIX.length)) as SeedMark
  } catch {
    return null
  }
}

export async function markDatabase(admin: Session, name: string, mark: SeedMark): Promise<void> {
  const text = pg.escapeLiteral(PREFIX + JSON.stringify(mark))
  await admin.query('seed.mark', `comment on database ${pg.escapeIdentifier(name)} is ${text}`)
}

/**
 * Drops what an earlier seed left, and makes an empty database with the owner, encoding, locale and tablespace of the running one. Throws
 * SyncError SEED_NAME_TAKEN when somebody else's stands there, SEED_DATABASE_UNLIKE.
 */
export async function makeDatabase(admin: Session, database: string, at: string): Promise<string> {
  const name = newNameOf(database)
  const there = (await listDatabases(admin, database)).find((one) => one.name === name)
  if (there !== undefined) {
    const ours = there.mark === null ? await isEmpty(admin, there) : isDroppable(there.mark)
    if (!ours) {
      const what = there.mark?.wasLive === true ? 'that was live before a rollback' : 'that no seed made'
      throw new SyncError('SEED_NAME_TAKEN', `there is a database ${name} ${what}; drop or rename it`)
    }
    await dropDatabase(admin, name)
  }
  const like = await readMaking(admin, database)
  if (like === null) throw new SyncError('SEED_NO_DATABASE', `the server has no database ${database}`)
  await admin.query('seed.create', createStatement(name, like))
  // A seed that is killed before this leaves an empty database without a mark: see `isEmpty`.
  await markDatabase(admin, name, { state: 'loading', at })
  refuseUnlike(like, await readMaking(admin, name), { database, name })
  return name
}

function isDroppable({ state, wasLive }: SeedMark): boolean {
  return ['loading', 'ready'].includes(state) && wasLive !== true
}

/** As `create database` leaves it, nothing in it. */
async function isEmpty(admin: Session, { bytes }: FoundDatabase): Promise<boolean> {
  const [template] = await admin.query<{ bytes: number }>(
    'seed.template-size',
    `select pg_database_size('template0') as bytes`,
  )
  return bytes <= (template?.bytes ?? 0) + 1_000_000
}

export async function dropDatabase(admin: Session, name: string): Promise<void> {
  await endSessions(admin, name)
  await admin.query('seed.drop', `drop database if exists ${pg.escapeIdentifier(name)}`)
}
