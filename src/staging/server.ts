import type { Sql } from './database.ts'

/** What of staging's PostgreSQL server our promises rest on, for `doctor`. */
export interface ServerFacts {
  /** 150004 is 15.4 */
  readonly versionNumber: number
  /** must be UTF8: prod's names are */
  readonly encoding: string
  /** after this long in waiting the hub looks for deadlocks; our transactions give way before 1,000 */
  readonly deadlockTimeoutMs: number
  /** `off` here means that a power cut may lose what was committed, our queue too */
  readonly synchronousCommit: string
  readonly fsync: boolean
  /** a standby cannot be written to */
  readonly inRecovery: boolean
}

export async function readServer(sql: Sql): Promise<ServerFacts> {
  const [facts] = await sql.query<ServerFacts>(
    'server.read',
    `select current_setting('server_version_num')::int as "versionNumber",
            current_setting('server_encoding') as encoding,
            (select setting::int from pg_catalog.pg_settings where name = 'deadlock_timeout') as "deadlockTimeoutMs",
            current_setting('synchronous_commit') as "synchronousCommit",
            current_setting('fsync')::boolean as fsync,
            pg_catalog.pg_is_in_recovery() as "inRecovery"`,
  )
  return facts as ServerFacts
}

/** Whether we can work with it at all. */
export function isUsable({ inRecovery, encoding, versionNumber }: ServerFacts): boolean {
  return !inRecovery && encoding === 'UTF8' && versionNumber >= 100000
}

/** What is wrong with it, one sentence each; empty: nothing. */
export function serverProblems(facts: ServerFacts): string[] {
  return [
    ...(facts.inRecovery ? ['staging.database is a standby: it cannot be written to'] : []),
    ...(facts.encoding === 'UTF8'
      ? []
      : [`staging's database has encoding ${facts.encoding}; it must be UTF8`]),
    ...(facts.deadlockTimeoutMs >= 1000
      ? []
      : [
          `deadlock_timeout is ${facts.deadlockTimeoutMs} ms: below 1000 the hub may end its own work in a deadlock with us`,
        ]),
    ...(facts.fsync ? [] : ['fsync is off: a power cut loses marks and rows']),
    ...(facts.synchronousCommit === 'off'
      ? ['synchronous_commit is off: a power cut loses what was committed last, our marks too']
      : []),
    ...(facts.versionNumber >= 100000 ? [] : ['PostgreSQL is older than 10']),
  ]
}
