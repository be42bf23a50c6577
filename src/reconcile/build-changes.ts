import type { TableChange } from '../converge/build/diff.ts'
import type { Look } from '../converge/build/look.ts'
import type { BuildTable, Row } from '../converge/build/tables.ts'
import type { DriftKind } from '../model/drift.ts'
import type { Found } from './found.ts'

const KIND_OF: Readonly<Record<BuildTable, DriftKind>> = {
  build: 'row',
  build_types: 'row',
  maven_builds: 'row',
  win_builds: 'row',
  image_builds: 'row',
  rpminfo: 'rpms',
  rpmsigs: 'signatures',
  rpm_checksum: 'checksums',
  archiveinfo: 'archives',
  maven_archives: 'archives',
  win_archives: 'archives',
  image_archives: 'archives',
  archive_rpm_components: 'components',
  archive_components: 'components',
}

/** Of the build row; columns that are not here are `row`. */
const COLUMN_KIND: Readonly<Record<string, DriftKind>> = {
  pkg_id: 'name',
  version: 'name',
  release: 'name',
  state: 'state',
  owner: 'owner',
  volume_id: 'volume',
  start_time: 'time',
  completion_time: 'time',
  promotion_time: 'time',
  creation_time: 'time',
}

type Sides = Pick<Found, 'prod' | 'staging'>

/**
 * What the build converger would write, by kind: rows by what names them, once a kind. `prod`: rows that come or change; `staging`:
 * those that go. Pure.
 */
export function changesByKind({ changes, wanted }: Look): Map<DriftKind, Sides> {
  const rpmNames = new Map(
    wanted.rpminfo.map((row) => [row.id, `${row.name}-${row.version}-${row.release}.${row.arch}`]),
  )
  const archiveNames = new Map(wanted.archiveinfo.map((row) => [row.id, String(row.filename)]))
  const nameOf = (row: Row): string => nameRow(row, rpmNames, archiveNames)
  const found = new Map<DriftKind, { prod: unknown[]; staging: unknown[] }>()
  const sidesOf = (kind: DriftKind) => {
    const sides = found.get(kind) ?? { prod: [], staging: [] }
    found.set(kind, sides)
    return sides
  }
  for (const change of changes) {
    if (change.spec.name === 'build') {
      for (const [column, value] of columnsOf(change))
        sidesOf(COLUMN_KIND[column] ?? 'row').prod.push({ [column]: value })
      continue
    }
    const sides = sidesOf(KIND_OF[change.spec.name])
    sides.prod.push(...[...change.inserts, ...change.updates].map(nameOf))
    sides.staging.push(...change.deletes.map(nameOf))
  }
  return found
}

function columnsOf({ inserts, updates }: TableChange): [string, unknown][] {
  return [...inserts, ...updates].flatMap((row) => Object.entries(row).filter(([column]) => column !== 'id'))
}

function nameRow(
  row: Row,
  rpms: ReadonlyMap<unknown, string>,
  archives: ReadonlyMap<unknown, string>,
): string {
  if (row.archive_id !== undefined && row.archive_id !== null) {
    const part = row.rpm_id ?? row.component_id
    const name = archives.get(row.archive_id) ?? `archive ${row.archive_id}`
    return part === undefined ? name : `${name} contains ${part}`
  }
  if (row.rpm_id !== undefined) {
    const type = row.checksum_type === undefined ? '' : ` type ${row.checksum_type}`
    return `${rpms.get(row.rpm_id) ?? `rpm ${row.rpm_id}`} ${row.sigkey === '' ? '(unsigned)' : row.sigkey}${type}`
  }
  if (row.filename !== undefined) return String(row.filename)
  const id = row.id ?? row.build_id
  return rpms.get(id) ?? archives.get(id) ?? Object.values(row).join(' ')
}
