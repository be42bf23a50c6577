import { SafetyError } from '../errors.ts'
import { listBuilds } from '../hub/calls-build.ts'
import { listArchives, listRPMs } from '../hub/calls-content.ts'
import { getEvent, getLastEvent, listAllPackages, listExternalRepos } from '../hub/calls-lookup.ts'
import { listTags } from '../hub/calls-tag.ts'
import type { Hub } from '../hub/hub.ts'
import type { Event } from '../model/tag-records.ts'
import type { Database, Sql } from '../staging/database.ts'
import { allocate } from '../staging/events.ts'

/** What `init` must know of prod before it writes. */
export interface ProdFacts {
  /** the highest ids that prod has, by Koji's table; the floor must lie above all of them */
  readonly max: Readonly<Record<string, number>>
  /** all packages; Koji never renames nor deletes one */
  readonly packages: readonly { readonly id: number; readonly name: string }[]
}

export async function readProdFacts(hub: Hub): Promise<ProdFacts> {
  const newest = { order: '-id', limit: 1 } as const
  const [builds, rpms, archives, tags, packages, repos, event] = await hub.read(
    [
      listBuilds({}, { order: '-build_id', limit: 1 }),
      listRPMs({}, newest),
      listArchives({}, newest),
      listTags({ order: '-id', limit: 1 }),
      listAllPackages(),
      listExternalRepos(),
      getLastEvent(),
    ],
    { priority: 'live' },
  )
  const max = (rows: readonly { id: number }[]): number =>
    rows.reduce((most, row) => Math.max(most, row.id), 0)
  return {
    max: {
      build: max(builds),
      rpminfo: max(rpms),
      archiveinfo: max(archives),
      tag: max(tags),
      package: max(packages),
      external_repo: max(repos),
      events: event.id,
    },
    packages,
  }
}

/** Prod's last event, read now. */
export async function readLastEvent(hub: Hub): Promise<Event> {
  const [event] = await hub.read([getLastEvent()], { priority: 'live' })
  return event
}

/**
 * The last event that staging shares with prod (same id, same time): up to it staging was copied from prod. Null: they share
 * none. Events that both have are a prefix, so some twenty reads of each side find the end of it.
 */
export async function findSeedEvent(hub: Hub, sql: Sql): Promise<number | null> {
  const rows = await sql.query<{ low: number | null; high: number | null }>(
    'init.event-range',
    'select min(id) as low, max(id) as high from events',
  )
  const { low, high } = rows[0] ?? { low: null, high: null }
  if (low === null || high === null || !(await isShared(hub, sql, low))) return null
  let shared = low
  let end = high
  while (shared < end) {
    const middle = Math.ceil((shared + end) / 2)
    const [at] = await sql.query<{ id: number }>(
      'init.event-at-or-below',
      'select max(id) as id from events where id <= $1',
      [middle],
    )
    if (at !== undefined && (at.id <= shared || (await isShared(hub, sql, at.id)))) shared = middle
    else end = middle - 1
  }
  const [last] = await sql.query<{ id: number }>(
    'init.event-at-or-below',
    'select max(id) as id from events where id <= $1',
    [shared],
  )
  return last?.id ?? null
}

/** Whether prod has the same event, at the same time. */
export async function isShared(hub: Hub, sql: Sql, id: number): Promise<boolean> {
  const [mine] = await sql.query<{ time: string }>(
    'init.event-time',
    `select to_char(time, 'YYYY-MM-DD HH24:MI:SS.US') as time from events where id = $1`,
    [id],
  )
  const theirs = await readEvent(hub, id)
  return mine !== undefined && theirs !== null && theirs.time === mine.time
}

async function readEvent(hub: Hub, id: number): Promise<Event | null> {
  try {
    const [event] = await hub.read([getEvent(id)], { priority: 'live' })
    return event
  } catch (error) {
    // A gap in prod's ids (a transaction that was rolled back) is a fault there, not an outage.
    if ((error as { faultCode?: unknown }).faultCode !== undefined) return null
    throw error
  }
}

/**
 * Refuses a staging database that *is* prod's. Only where both have the same last event it has to be tried: an event that
 * we take in staging must not be prod's newest then. (An unused event is what every rolled-back hub call leaves, too.)
 */
export async function refuseSameDatabase(hub: Hub, database: Database): Promise<void> {
  const [mine] = await database.query<{ id: number; time: string }>(
    'init.last-event',
    `select id, to_char(time, 'YYYY-MM-DD HH24:MI:SS.US') as time from events order by id desc limit 1`,
  )
  const theirs = await readLastEvent(hub)
  if (mine === undefined || mine.id !== theirs.id || mine.time !== theirs.time) return
  const [taken] = await database.transaction('init.probe', (tx) => allocate(tx, 1))
  const now = await readLastEvent(hub)
  if (now.id >= (taken as number)) {
    const [ours] = await database.query<{ time: string }>(
      'init.event-time',
      `select to_char(time, 'YYYY-MM-DD HH24:MI:SS.US') as time from events where id = $1`,
      [taken],
    )
    const seen = await readEvent(hub, taken as number)
    if (seen !== null && seen.time === ours?.time) {
      throw new SafetyError('SAME_DATABASE', 'staging.database is the database that prod.hub answers from')
    }
  }
}
