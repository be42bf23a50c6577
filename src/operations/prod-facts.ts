import { readEvent } from '../catchup/prod-events.ts'
import { SafetyError } from '../errors.ts'
import { listBuilds } from '../hub/calls-build.ts'
import { listArchives, listRPMs } from '../hub/calls-content.ts'
import { getLastEvent, listAllPackages, listExternalRepos } from '../hub/calls-lookup.ts'
import { listTags } from '../hub/calls-tag.ts'
import type { Hub } from '../hub/hub.ts'
import type { Event } from '../model/tag-records.ts'
import type { Timestamp } from '../model/time.ts'
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
  const mine = await readTime(sql, id)
  const theirs = await readEvent(async (call) => (await hub.read([call], { priority: 'live' }))[0], id)
  return mine !== null && theirs !== null && theirs.time === mine
}

/** When staging's event was, to the microsecond; null: there is none of that id. */
async function readTime(sql: Sql, id: number): Promise<Timestamp | null> {
  const [event] = await sql.query<{ time: Timestamp }>(
    'init.event-time',
    `select to_char(time, 'YYYY-MM-DD HH24:MI:SS.US') as time from events where id = $1`,
    [id],
  )
  return event?.time ?? null
}

/**
 * Refuses a staging database that *is* prod's, however busy that is: what prod's hub has shown stands there a moment later, and what
 * stands there prod's hub knows. A copy of prod lacks the one as soon as prod goes on, and has events of its own as soon as
 * somebody works in it. Only for a copy whose last event is still prod's the answer has to be tried: prod must not know an event
 * that we take in staging. (An unused event is what every rolled-back hub call leaves, too.) Throws SafetyError SAME_DATABASE.
 */
export async function refuseSameDatabase(hub: Hub, database: Database): Promise<void> {
  // Prod first: what its hub has answered is committed, so that a later read of its database cannot miss it.
  const theirs = await readLastEvent(hub)
  if ((await readTime(database, theirs.id)) !== theirs.time) return
  const [mine] = await database.query<{ id: number }>(
    'init.last-event',
    'select id from events order by id desc limit 1',
  )
  if (mine === undefined || !(await isShared(hub, database, mine.id))) return
  const [taken] = await database.transaction('init.probe', (tx) => allocate(tx, 1))
  if (await isShared(hub, database, taken as number)) {
    throw new SafetyError('SAME_DATABASE', 'staging.database is the database that prod.hub answers from')
  }
}
