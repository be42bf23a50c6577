import { AgainError } from '../../errors.ts'
import { listTagsOfBuild } from '../../hub/calls-tag.ts'
import type { ReadOptions } from '../../hub/hub.ts'
import type { Claim } from '../../queue/queue.ts'
import type { Sql, Tx } from '../../staging/database.ts'
import { ensureProdEvents } from '../../staging/events-of-prod.ts'
import { chooseIds } from '../../staging/ids.ts'
import { confirmPlacements, intendPlacements } from '../../staging/placements.ts'
import { insertRows } from '../../staging/rows.ts'
import type { Placement } from '../../storage/placement.ts'
import { cellsOf, formatBase } from '../build/base.ts'
import { insertChecksums } from '../build/checksums.ts'
import { placeOf } from '../build/files.ts'
import { keysOf } from '../build/look.ts'
import type { ProdBuild } from '../build/observe.ts'
import { ensureNameRefs, type NameRefs, namesUsed } from '../build/refs.ts'
import { BUILD_TABLES, type Row, type Tables } from '../build/tables.ts'
import { wantedTables } from '../build/wanted.ts'
import type { Deps } from '../deps.ts'

/** A build that staging has nothing of, as prod shows it since the claim was taken. */
export interface NewBuild {
  readonly claim: Claim
  readonly prod: ProdBuild
}

interface Work extends NewBuild {
  readonly placement: Placement
  readonly stagingVolume: string
  readonly names: NameRefs
  /** what `placeOf` asks of the standing of a build that staging has nothing of */
  readonly standing: { readonly sigkeys: readonly string[]; readonly placements: readonly [] }
}

/** Modes that link into prod's tree. What others bring takes longer than all statements, and is verified by what is not read here. */
const LINKED: ReadonlySet<string> = new Set(['volume', 'farm'])

/** Files are placed so many at a time. */
const PLACING = 8

/**
 * Brings builds that staging has nothing of: their files, then their rows and records, all in one transaction with their fences.
 * The same steps as for one build (`build/content.ts`), with each statement for all of them. Whatever is not as simple as that
 * (a row, a name, a file or a clash of it stands already, parts of other builds) is left out. Returns the claims that ended.
 *
 * There is no second look after the commit: nobody else knows rows that were not there before.
 */
export async function bringNewBuilds(
  deps: Deps,
  builds: readonly NewBuild[],
  options: ReadOptions,
): Promise<readonly Claim[]> {
  const known = await readKnown(deps.database, builds, { places: true })
  const fresh = builds.filter(({ prod }) => !known.has(prod.build.id))
  if (fresh.length === 0) return []
  const work = await prepare(deps, fresh, options)
  if (work.length === 0) return []
  await intendPlacements(
    deps.database,
    work.map((one) => placeOf(one).record),
  )
  await atATime(PLACING, work, (one) => one.placement.place(placeOf(one), options.signal))
  await deps.database.transaction('builds', (tx) => write(tx, deps, work), { lockTimeoutMs: 200 })
  await atATime(PLACING, work, (one) => one.placement.tidy(placeOf(one)))
  return work.map(({ claim }) => claim)
}

async function prepare(deps: Deps, builds: readonly NewBuild[], options: ReadOptions): Promise<Work[]> {
  const rows = await deps.database.query<{ sigkey: string }>(
    'builds.sigkeys',
    'select sigkey from staging_sync.sigkey',
  )
  const standing = { sigkeys: rows.map(({ sigkey }) => sigkey), placements: [] as const }
  const tags = await tagNames(deps, builds, options)
  const work: Work[] = []
  for (const [i, one] of builds.entries()) {
    const { build, types } = one.prod
    const placement = deps.placement.choose({
      name: build.packageName,
      btypes: [...types.keys()],
      tags: tags[i] ?? [],
    })
    if (!LINKED.has(placement.mode)) continue
    const stagingVolume = deps.placement.stagingVolume(placement, build.volumeName)
    // Names are remembered: nearly all of these ask nobody.
    const names = await ensureNameRefs(deps, one.prod, stagingVolume, 'sweep')
    work.push({ ...one, placement, stagingVolume, names, standing })
  }
  return work
}

/** As the build converger has them, where a placement rule asks for them. */
async function tagNames(deps: Deps, builds: readonly NewBuild[], options: ReadOptions): Promise<string[][]> {
  const { hub, database, scope } = deps
  if (!deps.placement.needsTags) return []
  const answers = await hub.read(
    builds.map(({ prod }) => listTagsOfBuild(prod.build.id)),
    options,
  )
  const outside = new Map<number, Promise<string | null>>()
  const why = (id: number): Promise<string | null> => {
    const asked = outside.get(id) ?? scope.whyOutside(hub, database, id, options.priority, options.signal)
    outside.set(id, asked)
    return asked
  }
  return Promise.all(
    answers.map(async (list) => {
      const reasons = await Promise.all(list.map(({ id }) => why(id)))
      return list.filter((_tag, i) => reasons[i] === null).map(({ name }) => name)
    }),
  )
}

async function write(tx: Tx, deps: Deps, work: readonly Work[]): Promise<void> {
  const { catalog, queue, names } = deps
  const known = await readKnown(tx, work, { places: false })
  if (known.size > 0)
    throw new AgainError('BUILD_OTHER_ROW', `${known.size} builds came to staging while files were placed`)
  const uses = work.flatMap((one) => namesUsed(one.prod, one.names, one.stagingVolume))
  await names.verify(tx, [...new Map(uses.map((use) => [JSON.stringify(use), use])).values()])
  const builds = work.map(({ prod }) => prod)
  const events = await ensureProdEvents(
    tx,
    builds.map(({ build }) => ({ id: build.creationEvent, time: build.creationTime })),
  )
  const ids = {
    build: await chooseIds(
      tx,
      catalog,
      'build',
      builds.map(({ build }) => build.id),
    ),
    rpms: await chooseIds(
      tx,
      catalog,
      'rpminfo',
      builds.flatMap(({ rpms }) => rpms.map(({ rpm }) => rpm.id)),
    ),
    archives: await chooseIds(
      tx,
      catalog,
      'archiveinfo',
      builds.flatMap(({ archives }) => archives.map(({ archive }) => archive.id)),
    ),
  }
  const records: OwnedRow[] = []
  const rows = Object.fromEntries(BUILD_TABLES.map(({ name }) => [name, []])) as unknown as {
    [table in keyof Tables]: Row[]
  }
  for (const { prod, names: refs } of work) {
    const { build } = prod
    const buildId = ids.build.get(build.id) as number
    const wanted = wantedTables(prod, { ...refs, buildId, rpms: ids.rpms, archives: ids.archives })
    const event = events.get(build.creationEvent) as number
    for (const { name } of BUILD_TABLES) rows[name].push(...wanted[name].map((row) => withEvent(row, event)))
    const base = { event, prodEvent: build.creationEvent, cells: cellsOf(wanted.build[0] as Row) }
    records.push({ kind: 'build', prodId: build.id, stagingId: buildId, digest: formatBase(base) })
  }
  const writes: Promise<unknown>[] = BUILD_TABLES.map(({ name }) =>
    name === 'rpm_checksum'
      ? insertChecksums(tx, catalog, rows.rpm_checksum)
      : insertRows(tx, catalog, name, rows[name]),
  )
  const keys = [...new Set(builds.flatMap(keysOf))].sort()
  writes.push(
    recordNew(tx, [...records, ...recordsOf('rpm', ids.rpms), ...recordsOf('archive', ids.archives)]),
    tx.query(
      'builds.keys',
      'insert into staging_sync.sigkey (sigkey) select unnest($1::text[]) on conflict do nothing',
      [keys],
    ),
  )
  await Promise.all(writes)
  const standing = await confirmPlacements(
    tx,
    work.map((one) => placeOf(one).record),
  )
  if (standing < work.length)
    throw new AgainError('PLACE_GONE', 'files were taken away while the rows of their builds were written')
  await queue.fenceAll(
    tx,
    work.map(({ claim }) => claim),
  )
}

interface OwnedRow {
  readonly kind: 'build' | 'rpm' | 'archive'
  readonly prodId: number
  readonly stagingId: number
  readonly digest: string | null
}

function recordsOf(kind: 'rpm' | 'archive', ids: ReadonlyMap<number, number>): OwnedRow[] {
  return [...ids].map(([prodId, stagingId]) => ({ kind, prodId, stagingId, digest: null }))
}

/** The rows are new, so no other record has them (one that has is a unique violation, which the build's own key explains). */
async function recordNew(tx: Tx, rows: readonly OwnedRow[]): Promise<void> {
  await tx.query(
    'builds.record',
    `insert into staging_sync.owned as o (kind, prod_id, staging_id, digest)
     select r.* from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) as r(kind, prod_id, staging_id, digest)
      order by r.kind, r.prod_id
     on conflict (kind, prod_id) do update
        set staging_id = excluded.staging_id, digest = excluded.digest, applied_at = clock_timestamp()`,
    [
      rows.map(({ kind }) => kind),
      rows.map(({ prodId }) => prodId),
      rows.map(({ stagingId }) => stagingId),
      rows.map(({ digest }) => digest),
    ],
  )
}

function withEvent({ creation_time, ...row }: Row, event: number): Row {
  return creation_time === undefined ? row : { ...row, create_event: event }
}

/**
 * Prod's ids of those that staging has something of: a row by record or with that id, a row of that name, an open clash; `places`:
 * or files. One statement, which looks by index for each.
 */
async function readKnown(
  sql: Sql,
  builds: readonly NewBuild[],
  look: { readonly places: boolean },
): Promise<Set<number>> {
  const rows = await sql.query<{ id: number }>(
    'builds.known',
    `select r.id from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) as r(id, name, version, release)
      where exists (select 1 from staging_sync.owned o where o.kind = 'build' and o.prod_id = r.id)
         or exists (select 1 from build b where b.id = r.id)
         or exists (select 1 from build b where b.pkg_id = (select p.id from package p where p.name = r.name)
                       and b.version = r.version and b.release = r.release)
         or exists (select 1 from staging_sync.placement l where $5 and l.prod_build_id = r.id)
         or exists (select 1 from staging_sync.clash c where c.key = 'build/' || r.id and c.resolved_at is null)`,
    [
      builds.map(({ prod }) => prod.build.id),
      builds.map(({ prod }) => prod.build.packageName),
      builds.map(({ prod }) => prod.build.version),
      builds.map(({ prod }) => prod.build.release),
      look.places,
    ],
  )
  return new Set(rows.map(({ id }) => id))
}

async function atATime<T>(
  count: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = [...items].reverse()
  const hand = async (): Promise<void> => {
    for (let item = rest.pop(); item !== undefined; item = rest.pop()) await work(item)
  }
  const ends = await Promise.allSettled(Array.from({ length: count }, hand))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
