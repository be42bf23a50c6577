import { type Base, editedColumns, parseBase } from '../converge/build/base.ts'
import { sameCell } from '../converge/build/diff.ts'
import { BUILD_TABLES, type Row, type TableSpec } from '../converge/build/tables.ts'
import { conflictsOf, type Deps } from '../converge/deps.ts'
import type { DriftKind } from '../model/drift.ts'
import { toKojiJson } from '../model/koji-json.ts'
import { BUILD_STATE, type ListedBuild } from '../model/records.ts'
import type { Found } from './found.ts'
import { readStagingBuilds, type StagingBuild } from './staging-builds.ts'

const BUILD = BUILD_TABLES[0] as TableSpec

/** Columns that both a list of the hub and staging's row have as they are, with what a difference in them is called. */
const COLUMNS: Readonly<Record<string, DriftKind>> = {
  version: 'name',
  release: 'name',
  epoch: 'row',
  draft: 'row',
  source: 'row',
  extra: 'row',
  start_time: 'time',
  completion_time: 'time',
  promotion_time: 'time',
  creation_time: 'time',
}

/**
 * Builds of prod beside staging's rows of them: state, NVR, owner, volume, times, source, extra. A coarse look that reads a
 * page of builds in two statements; the build converger settles what is to be done. What it shares with that: how cells
 * compare (`sameCell`), and what staging's people edited (`editedColumns`). `inScope` tells whether staging should have a build
 * that it has not.
 */
export async function compareBuildRows(
  deps: Deps,
  builds: readonly ListedBuild[],
  inScope: (buildId: number) => boolean,
): Promise<Found[]> {
  const standing = await readStagingBuilds(deps.database, deps.owner, builds)
  return builds.flatMap((build) => {
    const row = standing.get(build.id)
    if (row === undefined) {
      return build.state === BUILD_STATE.complete && inScope(build.id)
        ? [of(build, 'build', nvrOf(build), null)]
        : []
    }
    if (build.state !== BUILD_STATE.complete || row.state !== BUILD_STATE.complete) {
      return isSameState(build.state, row.state)
        ? []
        : [of(build, 'state', stateName(build.state), stateName(row.state))]
    }
    return compareRow(deps, build, row)
  })
}

/** A build of staging's that came from prod and that prod does not know: its key raises the alarm. */
export function lostBuild(id: number): Found {
  const key = { kind: 'build', buildId: id } as const
  return { key, kind: 'build', subject: `build ${id}`, tag: null, prod: null, staging: id, state: 'open' }
}

function compareRow(deps: Deps, build: ListedBuild, row: StagingBuild): Found[] {
  const wanted = wantedRow(build)
  const base = parseBase(row.digest)
  // As the converger: once applied, the event of the row stands for prod's (look.ts `keepsEvent`).
  const isSameEvent = base?.prodEvent === build.creationEvent
  const differing = Object.keys(COLUMNS).filter(
    (column) =>
      !(column === 'creation_time' && isSameEvent) &&
      row.cells[column] !== undefined &&
      !sameCell(BUILD, column, wanted[column], row.cells[column]),
  )
  const found = differing.map((column) =>
    of(
      build,
      COLUMNS[column] as DriftKind,
      { [column]: wanted[column] ?? null },
      { [column]: row.cells[column] ?? null },
      editState(conflictsOf(deps, { kind: 'build', buildId: build.id }), base, column, row.cells, wanted),
    ),
  )
  if (row.packageName !== build.packageName) found.push(of(build, 'name', build.packageName, row.packageName))
  const isSameOwner =
    row.ownerProdId === null ? row.ownerName === build.ownerName : row.ownerProdId === build.ownerId
  if (!isSameOwner) found.push(of(build, 'owner', build.ownerName, row.ownerName))
  return [...found, ...compareVolume(build, row)]
}

/** By the record of its files: a build without one stands in staging's own tree, and is not moved. */
function compareVolume(build: ListedBuild, row: StagingBuild): Found[] {
  const { placed } = row
  if (placed === null) return []
  if (placed.prodVolume !== build.volumeName)
    return [of(build, 'volume', build.volumeName, placed.prodVolume)]
  if (placed.stagingVolume !== row.volumeName)
    return [of(build, 'volume', placed.stagingVolume, row.volumeName)]
  return []
}

function wantedRow(build: ListedBuild): Row {
  return {
    version: build.version,
    release: build.release,
    epoch: build.epoch,
    draft: build.draft,
    source: build.source,
    extra: build.extra === null ? null : toKojiJson(build.extra),
    start_time: build.startTime,
    completion_time: build.completionTime,
    promotion_time: build.promotionTime,
    creation_time: build.creationTime,
  }
}

/** What policy says of a column that staging's people edited. */
function editState(
  conflicts: Deps['conflicts'],
  base: Base | null,
  column: string,
  present: Row,
  wanted: Row,
): Found['state'] {
  if (base === null || conflicts.build === 'prod-wins') return 'open'
  if (!editedColumns(base, present, wanted).includes(column)) return 'open'
  return conflicts.build === 'hold' ? 'held' : 'local'
}

function of(
  build: ListedBuild,
  kind: DriftKind,
  prod: unknown,
  staging: unknown,
  state: Found['state'] = 'open',
): Found {
  const key = { kind: 'build', buildId: build.id } as const
  return { key, kind, subject: nvrOf(build), tag: null, prod, staging, state }
}

export function nvrOf(build: { packageName: string; version: string; release: string }): string {
  return `${build.packageName}-${build.version}-${build.release}`
}

/** Deletion keeps a build's rows, a reset leaves none of them: to staging FAILED, CANCELED and BUILDING are one. */
function isSameState(prod: number, staging: number): boolean {
  const { complete, deleted } = BUILD_STATE
  if (prod === deleted || prod === complete) return staging === prod
  return staging !== complete && staging !== deleted
}

function stateName(state: number): string {
  const [name] = Object.entries(BUILD_STATE).find(([, value]) => value === state) ?? [String(state)]
  return name.toUpperCase()
}
