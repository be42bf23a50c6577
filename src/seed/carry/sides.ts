import { numberSetting, readSettings } from '../../staging/settings.ts'
import type { Session } from '../session.ts'
import type { Ground } from './ground.ts'

/** What tells staging's own work from prod's in a database. */
export interface Side {
  /** last event that it shares with prod; -1: none */
  readonly seedEvent: number
  /** the Koji user that our rows are created by; -1: there is none yet */
  readonly userId: number
  /** ids from here on are staging's own */
  readonly idFloor: number
  /** `init` or `seed` has run there: our records can be read */
  readonly isOurs: boolean
}

/** As recorded there; `unknown`: where no `init` has run, up to which event it is a copy of prod. */
export async function readSide(
  session: Session,
  idFloor: number,
  unknown: () => Promise<number | null>,
): Promise<Side> {
  const [found] = await session.query<{ there: boolean }>(
    'carry.ours',
    `select to_regclass('staging_sync.setting') is not null and to_regclass('staging_sync.owned') is not null as there`,
  )
  const settings = found?.there === true ? await readSettings(session) : new Map()
  if (numberSetting(settings, 'user_id') === null) {
    return { seedEvent: (await unknown()) ?? -1, userId: -1, idFloor, isOurs: false }
  }
  return {
    seedEvent: numberSetting(settings, 'seed_event') ?? -1,
    userId: numberSetting(settings, 'user_id') ?? -1,
    idFloor: numberSetting(settings, 'id_floor') ?? idFloor,
    isOurs: true,
  }
}

/** SQL over alias `t` of a versioned table: active, and made by staging's people. */
export function isLocalRow({ seedEvent, userId }: Side): string {
  return `t.active and t.create_event > ${seedEvent} and t.creator_id <> ${userId}`
}

const OWNED_COLUMNS = [
  { name: 'kind', type: 'text' },
  { name: 'prod_id', type: 'bigint' },
  { name: 'staging_id', type: 'bigint' },
  { name: 'digest', type: 'text' },
]

/** Records of what came from prod, into `c_owned` of the new database; `where`: SQL in the old one. */
export async function pullOwned(ground: Ground, side: Side, where: string): Promise<void> {
  const select = 'select kind, prod_id, staging_id, digest from staging_sync.owned'
  await ground.pullAs(
    null,
    'c_owned',
    OWNED_COLUMNS,
    side.isOurs
      ? `${select} where ${where}`
      : `select null::text, null::bigint, null::bigint, null::text where false`,
  )
}
