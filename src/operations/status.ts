import type { PlacementUse } from '../model/placement-use.ts'
import { keysIn, type QueueState } from '../model/queue-sample.ts'
import type { ScrubStatus } from '../model/scrub.ts'
import type { StatusReport } from '../model/status.ts'
import { readSample } from '../queue/sample.ts'
import { paceOf } from '../reconcile/scrub-pace.ts'
import { readScrubStatus } from '../reconcile/scrub-position.ts'
import { readActivity } from '../staging/activity.ts'
import { countClashes } from '../staging/clashes.ts'
import { listCursors } from '../staging/cursor.ts'
import { listDaemons } from '../staging/daemons.ts'
import { countDebts } from '../staging/debt.ts'
import { readKeyNames } from '../staging/key-names.ts'
import { readOwnedCounts } from '../staging/owned-counts.ts'
import { readPlacementUse } from '../staging/placement-use.ts'
import { readLastReconcile } from '../staging/reconciled.ts'
import { requirePrepared } from './prepared.ts'
import { clashesReport, parkedReport } from './shown.ts'
import { readTreeState } from './tree-state.ts'
import type { World } from './world.ts'

const MAX_PARKED = 50
const MAX_CLASHES = 50
const MAX_RECENT = 30

/** From staging's database alone, so that it answers while the daemon or prod is down. `placements`: as known, to spare the count. */
export async function readStatus(
  world: World,
  known: { readonly placements?: readonly PlacementUse[] } = {},
): Promise<StatusReport> {
  const database = await requirePrepared(world)
  const [clock] = await database.query<{ ms: number }>(
    'status.clock',
    'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
  )
  const { keys, parked, oldestSeconds } = await readSample(database)
  const owned = await readOwnedCounts(database)
  const activity = await readActivity(database)
  const recent = activity.things.slice(0, MAX_RECENT)
  const names = await readKeyNames(
    database,
    recent.map(({ subject }) => subject),
  )
  const sum = (state: QueueState): number => keysIn({ keys }, state)
  return {
    atMs: clock?.ms ?? Date.now(),
    prodHub: world.config.prod.hub,
    daemons: (await listDaemons(database)).map(({ host, pid, started, seenSeconds }) => ({
      host,
      pid,
      started: new Date(started).toISOString(),
      seenSeconds,
    })),
    queue: {
      live: keys.ready.live,
      sweep: keys.ready.sweep,
      delayed: sum('delayed'),
      relook: sum('relook'),
      waiting: sum('waiting'),
      claimed: sum('claimed'),
      parked: sum('parked'),
      oldestSeconds,
    },
    parkedByCode: parked,
    parked: await parkedReport(database, MAX_PARKED),
    clashes: Object.fromEntries(await countClashes(database)),
    clashing: await clashesReport(database, { limit: MAX_CLASHES }),
    minutes: activity.minutes,
    recent: recent.map((thing) => ({ ...thing, name: names.get(thing.subject) ?? null })),
    reconcile: await readLastReconcile(database),
    scrub: await scrubStatus(world),
    cursors: (await listCursors(database)).map(({ source, event, timeMs }) => ({
      source,
      event,
      time: timeMs === null ? null : new Date(timeMs).toISOString(),
    })),
    placements: known.placements ?? (await readPlacementUse(database)),
    tree: await readTreeState(world),
    owned: Object.fromEntries(owned.counts),
    ownedCountedAt: owned.countedAt,
    debts: await countDebts(database),
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
