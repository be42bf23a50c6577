import type { Sql, Tx } from './database.ts'

/** One row of prod's history: made, or made and revoked. */
export interface HistoryRow {
  readonly table: string
  /** the natural key as text, the same for the same thing */
  readonly key: string
  readonly createEvent: number
  /** null: active */
  readonly revokeEvent: number | null
}

/** Remembers history rows and returns those that were not known: only they have to be marked. */
export async function recordHandled<R extends HistoryRow>(tx: Tx, rows: readonly R[]): Promise<R[]> {
  if (rows.length === 0) return []
  const byIdentity = new Map(rows.map((row) => [identity(row), row]))
  // Sorted, so that two daemons with the same overlap wait for one another in one order.
  const sorted = [...byIdentity.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
  const fresh = await tx.query<{ table: string; key: string; createEvent: number; revokeEvent: number }>(
    'handled.record',
    `insert into staging_sync.handled (table_name, key, create_event, revoke_event)
     select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
     on conflict do nothing
     returning table_name as "table", key, create_event as "createEvent", revoke_event as "revokeEvent"`,
    [
      sorted.map(({ table }) => table),
      sorted.map(({ key }) => key),
      sorted.map(({ createEvent }) => createEvent),
      sorted.map(({ revokeEvent }) => revokeEvent ?? 0),
    ],
  )
  return fresh.flatMap((row) => byIdentity.get(identity(row)) ?? [])
}

/** Forgets rows whose events all lie below: older than any overlap. Returns how many. */
export async function pruneHandled(sql: Sql, belowEvent: number): Promise<number> {
  const rows = await sql.query(
    'handled.prune',
    'delete from staging_sync.handled where greatest(create_event, revoke_event) < $1 returning 1',
    [belowEvent],
  )
  return rows.length
}

function identity(row: HistoryRow): string {
  return JSON.stringify([row.table, row.key, row.createEvent, row.revokeEvent ?? 0])
}
