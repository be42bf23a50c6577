import { ConfigError } from '../errors.ts'
import type { StatusReport } from '../model/operations.ts'
import type { ScrubStatus } from '../model/scrub.ts'
import { readParked, readStats } from '../queue/reading.ts'
import { paceOf } from '../reconcile/scrub-pace.ts'
import { readScrubStatus } from '../reconcile/scrub-position.ts'
import { countClashes } from '../staging/clashes.ts'
import type { Database } from '../staging/database.ts'
import { countDebts } from '../staging/debt.ts'
import { pendingMigrations } from '../staging/migration.ts'
import { readOwnedCounts } from '../staging/owned-counts.ts'
import type { World } from './world.ts'

const MAX_PARKED = 50

/** What every command but `init` and `doctor` says of a staging that is not prepared. */
export function notInitialised(): ConfigError {
  return new ConfigError(
    'NOT_INITIALISED',
    'this staging database is not prepared: run `koji-staging-sync init`',
  )
}

/** Staging's database. Throws ConfigError NOT_INITIALISED before `init`. */
export async function requirePrepared(world: World): Promise<Database> {
  const database = await world.database()
  if ((await pendingMigrations(database, world.migrations)).length > 0) throw notInitialised()
  return database
}

/** From staging's database alone, so that it answers while the daemon or prod is down. */
export async function readStatus(world: World): Promise<StatusReport> {
  const database = await requirePrepared(world)
  const stats = await readStats(database)
  const owned = await readOwnedCounts(database)
  const parked = await readParked(database, MAX_PARKED)
  const cursors = await database.query<{ source: string; event: number | null; time: string | null }>(
    'status.cursors',
    `select name as source, event, to_char(time, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as time
       from staging_sync.cursor order by name`,
  )
  return {
    queue: {
      live: stats.ready.live,
      sweep: stats.ready.sweep,
      waiting: stats.waiting + stats.delayed,
      claimed: stats.claimed,
      parked: stats.parked,
      oldestSeconds: stats.oldestSeconds,
    },
    owned: Object.fromEntries(owned.counts),
    ownedCountedAt: owned.countedAt,
    clashes: Object.fromEntries(await countClashes(database)),
    parked: parked.map((item) => ({
      key: item.key,
      code: item.code,
      reason: item.reason,
      attempts: item.attempts,
      since: new Date(item.parkedAtMs).toISOString(),
    })),
    cursors: cursors.map((row) => ({ source: row.source, event: row.event, lastSuccess: row.time })),
    debts: await countDebts(database),
    scrub: await scrubStatus(world),
  }
}

/** The rolling pass, with the rate that follows for the rest of it. */
async function scrubStatus({ config, database }: World): Promise<ScrubStatus | null> {
  const found = await readScrubStatus(await database())
  if (found === null) return null
  const { elapsedSeconds, ...status } = found
  const { days, buildsPerSecond } = config.scrub
  if (days === 0) return { ...status, perSecond: 0, inTime: false }
  return { ...status, ...paceOf({ ...status, elapsedSeconds }, { days, maxPerSecond: buildsPerSecond }) }
}
