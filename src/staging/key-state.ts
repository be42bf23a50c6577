import type { Sql } from './database.ts'

/** What we remember of a key from before. */
export interface KeyState {
  /** the newest prod event that was ever applied for it; null: none */
  readonly lastApplied: number | null
  /** it has clashes that are not resolved */
  readonly clashesOpen: boolean
}

/** SQL of one row of KeyState, for the key that the parameter `$n` names. */
export function keyStateOf(parameter: `$${number}`): string {
  return `select (select max(prod_event) from staging_sync.event_map where key = ${parameter}) as "lastApplied",
    exists (select 1 from staging_sync.clash where key = ${parameter} and resolved_at is null) as "clashesOpen"`
}

/** The state of a key (`formatKey`'s text), in one statement. */
export async function readKeyState(sql: Sql, key: string): Promise<KeyState> {
  const [row] = await sql.query<KeyState>('key.state', keyStateOf('$1'), [key])
  return row ?? { lastApplied: null, clashesOpen: false }
}
