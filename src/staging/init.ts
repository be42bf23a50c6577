import { ConfigError, SafetyError } from '../errors.ts'
import type { Catalog } from './catalog.ts'
import type { Database } from './database.ts'
import { lastEvent } from './events.ts'
import { type Migration, migrate } from './migration.ts'
import { raiseSequences, type SequenceReport } from './sequences.ts'
import { numberSetting, readSettings, writeSetting } from './settings.ts'
import { checkStagingUser, ensureStagingUser, type UserReport } from './staging-user.ts'

export interface InitOptions {
  readonly database: Database
  readonly catalog: Catalog
  /** of all parts: ours, the queue's, the convergers' */
  readonly migrations: readonly Migration[]
  /** the Koji user that rows are created by */
  readonly userName: string
  /** ids below belong to prod */
  readonly idFloor: number
  /** table to the highest id that prod has */
  readonly prodMax: Readonly<Record<string, number>>
}

export interface InitReport {
  /** migrations that were applied */
  readonly migrations: readonly string[]
  readonly user: UserReport
  /** those that were moved */
  readonly sequences: readonly SequenceReport[]
  readonly idFloor: number
  /** staging's last event when `init` first ran */
  readonly initEvent: number
}

/** What must stay free between the floor and the end of a sequence. */
const ROOM_ABOVE_FLOOR = 100_000_000

/**
 * Prepares a staging database: our schema, the user, the sequences. May be run again at any time: it then does only
 * what is missing, and never moves anything downwards.
 *
 * Throws SchemaError (not Koji, too old), SafetyError ID_FLOOR_TOO_LOW or USER_NOT_OURS, ConfigError ID_FLOOR_TOO_HIGH,
 * ID_FLOOR_LOWERED or USER_CHANGED; nothing was written then but perhaps our schema.
 */
export async function initStaging(options: InitOptions): Promise<InitReport> {
  const { database, catalog, idFloor } = options
  catalog.requireColumns()
  checkFloor(options)
  const migrations = await migrate(database, options.migrations)
  await database.transaction('init.check', async (tx) => {
    const settings = await readSettings(tx)
    const before = numberSetting(settings, 'id_floor')
    if (before !== null && idFloor < before) {
      throw new ConfigError(
        'ID_FLOOR_LOWERED',
        `id_floor was ${before} when init ran; it cannot be lowered to ${idFloor}`,
      )
    }
    await checkStagingUser(tx, options.userName, numberSetting(settings, 'user_id'))
  })
  // Before the user is made: his id, too, must lie above the floor. Moving a sequence is not undone by a rollback.
  const sequences = await raiseSequences(database, catalog, idFloor)
  return database.transaction('init', async (tx) => {
    const settings = await readSettings(tx)
    const initEvent = numberSetting(settings, 'init_event') ?? (await lastEvent(tx))
    const user = await ensureStagingUser(tx, options.userName, numberSetting(settings, 'user_id'))
    await writeSetting(tx, 'id_floor', idFloor)
    await writeSetting(tx, 'init_event', initEvent)
    await writeSetting(tx, 'user_id', user.id)
    return { migrations, user, sequences, idFloor, initEvent }
  })
}

function checkFloor({ catalog, idFloor, prodMax }: InitOptions): void {
  if (!Number.isSafeInteger(idFloor) || idFloor < 1) {
    throw new ConfigError('ID_FLOOR_INVALID', `id_floor must be a positive integer, not ${idFloor}`)
  }
  const low = Object.entries(prodMax).filter(([, max]) => max >= idFloor)
  if (low.length > 0) {
    const named = low.map(([table, max]) => `${table} ${max}`).join(', ')
    throw new SafetyError('ID_FLOOR_TOO_LOW', `prod has ids at or above id_floor ${idFloor}: ${named}`, {
      detail: { idFloor, tables: Object.fromEntries(low) },
    })
  }
  const high = catalog.sequences().filter(({ max }) => idFloor > max - ROOM_ABOVE_FLOOR)
  if (high.length > 0) {
    const named = high.map(({ sequence, max }) => `${sequence} (ends at ${max})`).join(', ')
    throw new ConfigError('ID_FLOOR_TOO_HIGH', `id_floor ${idFloor} leaves no room in ${named}`, {
      detail: { idFloor, sequences: high.map(({ sequence }) => sequence) },
    })
  }
}
