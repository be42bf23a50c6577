import { AgainError } from '../../errors.ts'
import { BUILD_STATE } from '../../model/records.ts'
import type { Catalog } from '../../staging/catalog.ts'
import type { Sql } from '../../staging/database.ts'
import type { PlacementRecord } from '../../staging/placements.ts'
import type { Deps, Owner } from '../deps.ts'
import type { Clash } from '../versioned-diff.ts'
import { type Base, cellsOf, editedColumns } from './base.ts'
import { settleChecksums } from './checksums.ts'
import { clashOfNvr, clashOfRemoval, clashOfUse, editClash } from './clashes.ts'
import { diffTables, type TableChange } from './diff.ts'
import { type Matched, matchParts, NOTHING_PRESENT } from './match.ts'
import type { ProdBuild, ProdRpm } from './observe.ts'
import { readPresent, type SeedView, withoutLocalParts } from './present.ts'
import type { NameRefs, PartRefs } from './refs.ts'
import { type BuildRow, decideRow } from './row.ts'
import { isTakenOver, type OwnRow, readStanding, type Standing } from './standing.ts'
import { BUILD_TABLES, type Row, type Tables } from './tables.ts'
import { type Refs, wantedTables } from './wanted.ts'

/** What to look at: a build of prod, with staging's ids of all that it points to. */
export interface Subject {
  readonly prod: ProdBuild
  readonly names: NameRefs
  readonly parts: Pick<PartRefs, 'rpms' | 'archives'>
  /** where staging's row says, files of its own stood a moment ago */
  readonly standsAlready: boolean
}

/** The difference between both sides as it is now. */
export interface Look {
  readonly row: BuildRow
  /** null: staging has no such row */
  readonly present: { readonly buildId: number; readonly state: number; readonly createEvent: number } | null
  readonly wanted: Tables
  readonly matched: Matched
  /** What policy lets be written. */
  readonly changes: readonly TableChange[]
  readonly clashes: readonly Clash[]
  /** A clash that keeps everything of this build as it is. */
  readonly blocked: Clash | null
  /** Prod's hub, or staging's people, made the row anew: what goes, goes for that reason. */
  readonly recycled: boolean
  /** Its files and volume are not ours to move: it stands in staging's own tree (seeded, or made there), or was moved there. */
  readonly ownTree: boolean
  /** what is recorded as applied */
  readonly base: Base['cells']
  readonly placements: readonly PlacementRecord[]
  /** the key has open clashes */
  readonly clashesOpen: boolean
  /** as in `Standing` */
  readonly leftOut: boolean
}

/** Ids for what is new; before the transaction prod's own do. */
export type NewIds = (
  table: 'build' | 'rpminfo' | 'archiveinfo',
  prodIds: readonly number[],
) => Promise<Map<number, number>>

export const prodIds: NewIds = async (_table, ids) => new Map(ids.map((id) => [id, id]))

/**
 * Reads staging's side of a build and diffs it with prod's. Writes nothing but what `newIds` takes from sequences. `known`: the
 * standing, if it was just read. Throws what `decideRow` throws, AgainError BUILD_OTHER_ROW.
 */
export async function lookAt(
  sql: Sql,
  deps: Deps,
  subject: Subject,
  options: { readonly newIds: NewIds; readonly known?: Standing },
): Promise<Look> {
  const { catalog, owner, conflicts } = deps
  const { prod, names, parts } = subject
  const { build } = prod
  const standing = options.known ?? (await readStanding(sql, owner, { ...build, name: build.packageName }))
  if (isTakenOver(standing)) throw otherRow(prod)
  const row = decideRow(prod, standing)
  if (row.kind === 'owned-by') throw otherRow(prod)
  const isLocal = row.kind === 'local'
  const present = row.id === null ? null : await readPresent(sql, catalog, row.id, seedView(owner, prod))
  if (row.id !== null && present === null) throw otherRow(prod)
  const tables = present === null ? NOTHING : isLocal ? present.tables : withoutLocalParts(present)
  const matched = await matchParts(sql, owner, prod, { ids: present ?? NOTHING_PRESENT, tables }, isLocal)
  const { newIds } = options
  const [builds, rpms, archives] = await Promise.all([
    row.id === null ? newIds('build', [build.id]) : new Map([[build.id, row.id]]),
    matched.newRpms.length === 0 ? matched.rpms : newIds('rpminfo', matched.newRpms),
    matched.newArchives.length === 0 ? matched.archives : newIds('archiveinfo', matched.newArchives),
  ])
  const refs: Refs = {
    ...names,
    buildId: builds.get(build.id) as number,
    rpms: new Map([...parts.rpms, ...matched.rpms, ...rpms]),
    archives: new Map([...parts.archives, ...matched.archives, ...archives]),
  }
  const prodTables = wantedTables(prod, refs)
  const wantedRow = prodTables.build[0] as Row
  const presentRow = tables.build[0]

  const isComplete = presentRow?.state === BUILD_STATE.complete
  const nvrClash = clashOfNvr(conflicts, prod, row, { tables, wanted: prodTables, matched })
  const removed = row.kind === 'ours' && !isComplete && wasRemovedHere(standing.own, tables, wantedRow)
  const removalClash = removed ? clashOfRemoval(conflicts, prod, presentRow as Row) : null
  const blocked =
    [nvrClash, removalClash].find((clash) => clash != null && clash.decision !== 'prod-won') ?? null

  const base = row.kind === 'ours' && isComplete ? (standing.own?.base ?? null) : null
  // What prod wins of a local build gets prod's files.
  const inOwnTree =
    isComplete && subject.standsAlready && standing.placements.length === 0 && nvrClash === null
  const edited = (base === null ? [] : editedColumns(base, presentRow as Row, wantedRow)).filter(
    (column) => !(inOwnTree && column === 'volume_id'),
  )
  const kept = conflicts.build === 'prod-wins' ? [] : edited
  const ownTree = inOwnTree || kept.some((column) => PLACE_COLUMNS.has(column))
  const wanted = keepColumns(prodTables, presentRow, [
    ...kept,
    ...(inOwnTree ? ['volume_id'] : []),
    ...(keepsEvent(standing.own, prod) ? ['creation_time'] : []),
  ])

  const replaced = replacedRpms(tables, wanted)
  const compared = withoutLocalSigs(tables, prod, standing.sigkeys, replaced)
  const all = diffTables(wanted, compared)
  const held = clashOfUse(conflicts, prod, all, matched.used)
  const changes = await settleChanges(sql, deps.catalog, prod, held.changes, replaced)
  const clashes = [nvrClash, removalClash, editClash(conflicts, edited, presentRow, wantedRow), held.clash]
  return {
    row,
    present:
      present === null || row.id === null
        ? null
        : { buildId: row.id, state: presentRow?.state as number, createEvent: present.createEvent },
    wanted,
    matched,
    changes: blocked === null ? withoutTask(row, nvrClash, changes) : [],
    clashes: clashes.filter((clash) => clash !== null),
    blocked,
    recycled: isLocal || !isComplete || presentRow?.creation_time !== wanted.build[0]?.creation_time,
    ownTree,
    base: { ...cellsOf(wanted.build[0] as Row), ...pick(base, kept) },
    placements: standing.placements,
    clashesOpen: standing.clashes,
    leftOut: standing.leftOut,
  }
}

export const NOTHING = Object.fromEntries(BUILD_TABLES.map(({ name }) => [name, []])) as unknown as Tables

/** Columns that say where the files of a build are. */
const PLACE_COLUMNS: ReadonlySet<string> = new Set(['volume_id', 'pkg_id', 'version', 'release'])

function seedView({ seedEvent }: Owner, { build, rpms, archives }: ProdBuild): SeedView {
  return {
    seedEvent,
    creationEvent: build.creationEvent,
    rpms: new Set(rpms.map(({ rpm }) => rpm.id)),
    archives: new Set(archives.map(({ archive }) => archive.id)),
  }
}

function otherRow(prod: ProdBuild): AgainError {
  return new AgainError(
    'BUILD_OTHER_ROW',
    `build ${prod.build.id}: staging's row changed while it was looked at`,
  )
}

/**
 * Staging's people deleted, cancelled or reset what we had applied. Of copied rows only the times tell: with another time of creation
 * it is prod's doing; without content, and with another time of completion, it never was COMPLETE here (it was BUILDING when
 * staging was copied, and cancelled since).
 */
function wasRemovedHere(own: OwnRow | null, { build, rpminfo, archiveinfo }: Tables, wanted: Row): boolean {
  if (own === null) return false
  if (own.base !== null) return Object.keys(own.base.cells).length > 0
  const [present] = build
  const isEmpty = rpminfo.length === 0 && archiveinfo.length === 0
  if (isEmpty && present?.completion_time !== wanted.completion_time) return false
  return present?.creation_time === wanted.creation_time
}

/**
 * The event of the row stands for prod's, once it was applied, though its time may differ: where prod's event has an id that staging
 * gave to an event of its own, the row points to a fresh one (events.ts `ensureProdEvent`).
 */
function keepsEvent(own: OwnRow | null, prod: ProdBuild): boolean {
  return own?.base?.prodEvent === prod.build.creationEvent
}

/** The wanted tables with some columns of the build row as they are; an rpm's `draft` is its build's (schema.sql, a foreign key). */
function keepColumns(wanted: Tables, present: Row | undefined, columns: readonly string[]): Tables {
  const [row] = wanted.build
  if (row === undefined || present === undefined || columns.length === 0) return wanted
  const kept = { ...row, ...Object.fromEntries(columns.map((name) => [name, present[name] ?? null])) }
  if (!columns.includes('draft')) return { ...wanted, build: [kept] }
  return {
    ...wanted,
    build: [kept],
    rpminfo: wanted.rpminfo.map((rpm) => ({ ...rpm, draft: kept.draft ?? null })),
  }
}

/** Staging's ids of rpms that get another payload: whatever was signed or summed there is of the old one. */
function replacedRpms(present: Tables, wanted: Tables): Set<number> {
  const payload = new Map(wanted.rpminfo.map((row) => [row.id, row.payloadhash]))
  const other = present.rpminfo.filter(
    ({ id, payloadhash }) => (payload.get(id) ?? payloadhash) !== payloadhash,
  )
  return new Set(other.map(({ id }) => id as number))
}

/** Signatures by keys that were never seen from prod are staging's own, and none of our business. */
function withoutLocalSigs(
  tables: Tables,
  prod: ProdBuild,
  sigkeys: readonly string[],
  replaced: ReadonlySet<number>,
): Tables {
  const prods = new Set([...sigkeys, ...keysOf(prod)])
  const counts = (sig: Row): boolean => prods.has(String(sig.sigkey)) || replaced.has(sig.rpm_id as number)
  return { ...tables, rpmsigs: tables.rpmsigs.filter(counts) }
}

/** Signing keys of a build. */
export function keysOf(prod: { readonly rpms: readonly Pick<ProdRpm, 'sigs'>[] }): string[] {
  return [...new Set(prod.rpms.flatMap(({ sigs }) => sigs.map((sig) => sig.sigkey)))].sort()
}

/** Leaves out of the changes of checksums what the hubs' caches may differ in. `replaced`: rpms with another payload. */
export async function settleChanges(
  sql: Sql,
  catalog: Catalog,
  prod: { readonly rpms: readonly Pick<ProdRpm, 'checksums'>[] },
  changes: readonly TableChange[],
  replaced: ReadonlySet<number>,
): Promise<TableChange[]> {
  const gone = new Set([...replaced].map(String))
  for (const { spec, deletes } of changes) {
    if (spec.name === 'rpmsigs') for (const row of deletes) gone.add(`${row.rpm_id} ${row.sigkey}`)
    if (spec.name === 'rpminfo') for (const row of deletes) gone.add(String(row.id))
  }
  const result: TableChange[] = []
  for (const change of changes) {
    const settled =
      change.spec.name === 'rpm_checksum' ? await settleChecksums(sql, catalog, prod, change, gone) : change
    if (settled.inserts.length + settled.updates.length + settled.deletes.length > 0) result.push(settled)
  }
  return result
}

/** A row that is taken over is no longer the outcome of staging's own task. */
function withoutTask(
  row: BuildRow,
  nvrClash: Clash | null,
  changes: readonly TableChange[],
): readonly TableChange[] {
  if (row.kind !== 'recycle' && nvrClash === null) return changes
  return changes.map((change) =>
    change.spec.name === 'build'
      ? { ...change, updates: change.updates.map((update) => ({ ...update, task_id: null })) }
      : change,
  )
}

function pick(base: Base | null, columns: readonly string[]): Record<string, string> {
  const found = columns.flatMap((name): [string, string][] => {
    const digest = base?.cells[name]
    return digest === undefined ? [] : [[name, digest]]
  })
  return Object.fromEntries(found)
}
