import { ConfigError } from '../errors.ts'
import type { Sql, Tx } from './database.ts'

/**
 * What all daemons of one staging agree on.
 *
 * | key          | value                                                                          |
 * | ------------ | ------------------------------------------------------------------------------ |
 * | `id_floor`   | ids below belong to prod                                                       |
 * | `user_id`    | the Koji user that rows are created by                                         |
 * | `init_event` | staging's last event when `init` first ran: what is older was there before us  |
 * | `seed_event` | the last event that staging shares with prod; absent where nothing was copied  |
 * | `copied_event` | below `seed_event` after prod was restored from before it: up to it what was copied is still prod's |
 * | `snapshot_event` | of the snapshot that staging's tree is (`in-place`): prod's last event before it was taken, and its time |
 * | `drafts_read` | up to when our builds were looked at for drafts, by the database's clock            |
 * | `placement_rules` | digest of the rules of placement that the builds were last held against          |
 * | `reconciled` | when a comparison of everything last ended, milliseconds since 1970 by the database's clock |
 * | `reconcile_found` | what that found, see staging/reconciled.ts |
 */
export type SettingKey =
  | 'reconciled'
  | 'reconcile_found'
  | 'drafts_read'
  | 'id_floor'
  | 'user_id'
  | 'init_event'
  | 'placement_rules'
  | 'seed_event'
  | 'copied_event'
  | 'snapshot_event'
  | `pin:${string}`

export async function readSettings(sql: Sql): Promise<Map<SettingKey, string>> {
  const rows = await sql.query<{ key: SettingKey; value: string }>(
    'settings.read',
    'select key, value from staging_sync.setting',
  )
  return new Map(rows.map(({ key, value }) => [key, value]))
}

/** As a number; null: not set. */
export function numberSetting(settings: ReadonlyMap<SettingKey, string>, key: SettingKey): number | null {
  const value = settings.get(key)
  return value === undefined ? null : Number(value)
}

export async function writeSetting(tx: Tx, key: SettingKey, value: string | number): Promise<void> {
  await tx.query(
    'settings.write',
    `insert into staging_sync.setting (key, value) values ($1, $2)
     on conflict (key) do update set value = excluded.value where setting.value <> excluded.value`,
    [key, String(value)],
  )
}

/**
 * Pins a value for good, as the address of prod's hub: set by whoever comes first. Throws ConfigError SETTING_PINNED
 * when it was pinned to another one.
 */
export async function pinSetting(tx: Tx, what: string, value: string): Promise<void> {
  const [row] = await tx.query<{ value: string }>(
    'settings.pin',
    `insert into staging_sync.setting (key, value) values ($1, $2)
     on conflict (key) do update set value = setting.value returning value`,
    [`pin:${what}`, value],
  )
  if (row?.value !== value) {
    throw new ConfigError(
      'SETTING_PINNED',
      `this staging belongs to another ${what}: ${row?.value}, not ${value}`,
      {
        detail: { what, pinned: row?.value, wanted: value },
      },
    )
  }
}
