import { statfs } from 'node:fs/promises'
import { SafetyError } from '../errors.ts'
import { type DumpFormat, EXPANSION } from './dump-format.ts'
import type { Session } from './session.ts'

/** Indexes, rows' headers and the log of writes, on top of the rows' text. */
const DATABASE_PER_SQL_BYTE = 1.8

/** Bytes that a dump takes as a database, on the high side; null: its size is not known. */
export function estimateBytes(totalBytes: number | null, format: DumpFormat | 'directory'): number | null {
  if (totalBytes === null || format === 'directory') return null
  return Math.ceil(totalBytes * EXPANSION[format] * DATABASE_PER_SQL_BYTE)
}

/**
 * Refuses a dump that the server's disk has no room for: "without this the db doesn't finish loading from prod". Returns what a
 * person should know where it cannot be told. Throws SafetyError SEED_DISK_FULL.
 */
export async function refuseFullDisk(
  session: Session,
  {
    needed,
    freeBytes,
    database,
  }: {
    readonly needed: number | null
    readonly freeBytes: number | null
    /** the new one comes to lie where this one lies */
    readonly database: string
  },
): Promise<string | null> {
  if (needed === null)
    return 'the size of the dump is not known, so nobody looked whether the server has room for it'
  const free = freeBytes ?? (await findFree(session, database))
  if (free === null) {
    return `the dump will take some ${gigabytes(needed)} GB; whether the server has that cannot be seen from here (say it with --free)`
  }
  if (needed <= free) return null
  throw new SafetyError(
    'SEED_DISK_FULL',
    `the dump will take some ${gigabytes(needed)} GB on staging's PostgreSQL server, which has ${gigabytes(free)} GB (--free says otherwise)`,
    { detail: { needed, free } },
  )
}

/** Only where the server is on this host and tells where the data is. */
async function findFree(session: Session, database: string): Promise<number | null> {
  const [row] = await session.query<{ directory: string | null; local: boolean }>(
    'seed.data-directory',
    `select coalesce(nullif(pg_tablespace_location(dattablespace), ''),
                     case when pg_has_role('pg_read_all_settings', 'usage') then current_setting('data_directory', true) end) as directory,
            coalesce(inet_server_addr() = inet_client_addr(), true) as local
       from pg_database where datname = $1`,
    [database],
  )
  if (row === undefined || !row.local || row.directory === null) return null
  return statfs(row.directory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => null,
  )
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(bytes < 1e10 ? 2 : 0)
}
