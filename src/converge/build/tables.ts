import type { Cell } from '../../staging/cell.ts'

/** Koji's tables that make up one build, in the order in which foreign keys allow to insert. */
export type BuildTable =
  | 'build'
  | 'build_types'
  | 'maven_builds'
  | 'win_builds'
  | 'image_builds'
  | 'rpminfo'
  | 'rpmsigs'
  | 'rpm_checksum'
  | 'archiveinfo'
  | 'maven_archives'
  | 'win_archives'
  | 'image_archives'
  | 'archive_rpm_components'
  | 'archive_components'

export interface TableSpec {
  readonly name: BuildTable
  readonly key: readonly string[]
  /** Compared and written; what is not named here (task_id, buildroot_id) is left as it is. */
  readonly values: readonly string[]
  /** Columns that hold JSON text: compared by meaning. */
  readonly json: readonly string[]
}

export type Row = Readonly<Record<string, Cell>>
export type Tables = { readonly [table in BuildTable]: readonly Row[] }

function spec(name: BuildTable, key: string, values: string, json: readonly string[] = []): TableSpec {
  return { name, key: key.split(' '), values: values === '' ? [] : values.split(' '), json }
}

/**
 * `creation_time` of build stands for `create_event`: the time of the event that it points to, since the event's id may
 * differ from prod's.
 */
export const BUILD_TABLES: readonly TableSpec[] = [
  spec(
    'build',
    'id',
    'volume_id pkg_id version release epoch draft source start_time completion_time promotion_time state owner promoter cg_id extra creation_time',
    ['extra'],
  ),
  spec('build_types', 'build_id btype_id', ''),
  spec('maven_builds', 'build_id', 'group_id artifact_id version'),
  spec('win_builds', 'build_id', 'platform'),
  spec('image_builds', 'build_id', ''),
  spec(
    'rpminfo',
    'id',
    'build_id name version release epoch arch draft external_repo_id payloadhash size buildtime metadata_only extra',
    ['extra'],
  ),
  spec('rpmsigs', 'rpm_id sigkey', 'sighash'),
  spec('rpm_checksum', 'rpm_id sigkey checksum_type', 'checksum'),
  spec(
    'archiveinfo',
    'id',
    'build_id type_id btype_id filename size checksum checksum_type metadata_only extra',
    ['extra'],
  ),
  spec('maven_archives', 'archive_id', 'group_id artifact_id version'),
  spec('win_archives', 'archive_id', 'relpath platforms flags'),
  spec('image_archives', 'archive_id', 'arch'),
  spec('archive_rpm_components', 'archive_id rpm_id', ''),
  spec('archive_components', 'archive_id component_id', ''),
]
