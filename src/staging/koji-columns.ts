/*
 * The part of Koji's schema that replication reads and writes (docs/schema.sql of each version, 1.21 to HEAD).
 * `Catalog.requireColumns` demands REQUIRED; OPTIONAL came later than 1.21 and may be absent.
 */

const VERSION_COLUMNS = ['create_event', 'revoke_event', 'creator_id', 'revoker_id', 'active']

/** Table to columns that every supported version has. */
export const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  events: ['id', 'time'],
  users: ['id', 'name', 'password', 'status', 'usertype'],
  sessions: ['id', 'user_id', 'expired'],
  permissions: ['id', 'name'],
  package: ['id', 'name'],
  volume: ['id', 'name'],
  content_generator: ['id', 'name'],
  btype: ['id', 'name'],
  archivetypes: ['id', 'name', 'description', 'extensions'],
  build: columns(
    'id volume_id pkg_id version release epoch source create_event start_time completion_time state task_id owner cg_id extra',
  ),
  build_types: ['build_id', 'btype_id'],
  build_reservations: ['build_id', 'token', 'created'],
  maven_builds: ['build_id', 'group_id', 'artifact_id', 'version'],
  win_builds: ['build_id', 'platform'],
  image_builds: ['build_id'],
  rpminfo: columns(
    'id build_id buildroot_id name version release epoch arch external_repo_id payloadhash size buildtime metadata_only extra',
  ),
  rpmsigs: ['rpm_id', 'sigkey', 'sighash'],
  archiveinfo: columns(
    'id type_id btype_id build_id buildroot_id filename size checksum checksum_type metadata_only extra',
  ),
  maven_archives: ['archive_id', 'group_id', 'artifact_id', 'version'],
  win_archives: ['archive_id', 'relpath', 'platforms', 'flags'],
  image_archives: ['archive_id', 'arch'],
  archive_rpm_components: ['archive_id', 'rpm_id'],
  archive_components: ['archive_id', 'component_id'],
  buildroot_listing: ['buildroot_id', 'rpm_id'],
  buildroot_archives: ['buildroot_id', 'archive_id'],
  tag: ['id', 'name'],
  tag_config: versioned('tag_id arches perm_id locked maven_support maven_include_all'),
  tag_extra: versioned('tag_id key value'),
  tag_inheritance: versioned('tag_id parent_id priority maxdepth intransitive noconfig pkg_filter'),
  tag_packages: versioned('tag_id package_id blocked extra_arches'),
  tag_package_owners: versioned('tag_id package_id owner'),
  tag_listing: versioned('tag_id build_id'),
  tag_external_repos: versioned('tag_id external_repo_id priority merge_mode'),
  // How a change that touches no versioned row reaches kojira; all versions from 1.16 on have it.
  tag_updates: ['id', 'tag_id', 'update_event', 'updater_id', 'update_type'],
  groups: ['id', 'name'],
  group_config: versioned(
    'tag_id group_id blocked exported display_name is_default uservisible description langonly biarchonly',
  ),
  group_package_listing: versioned('tag_id group_id package blocked type basearchonly requires'),
  group_req_listing: versioned('tag_id group_id req_id blocked type is_metapkg'),
  build_target: ['id', 'name'],
  build_target_config: versioned('build_target_id build_tag dest_tag'),
  external_repo: ['id', 'name'],
  external_repo_config: versioned('external_repo_id url'),
}

/**
 * Table to columns that a supported version may lack, with the value that stands for "as if the column were there":
 * such a value is dropped when rows are written, any other cannot be held.
 */
export const OPTIONAL: Readonly<Record<string, Readonly<Record<string, null | boolean>>>> = {
  // 1.34: drafts
  build: { draft: false, promotion_time: null, promoter: null },
  rpminfo: { draft: false },
  // 1.24
  tag_external_repos: { arches: null },
  // 1.30
  archivetypes: { compression_type: null },
  // 1.28
  permissions: { description: null },
  // 1.32; the whole table
  rpm_checksum: { rpm_id: null, sigkey: null, checksum: null, checksum_type: null },
  // 1.32
  sessions: { closed: false },
}

/** Is this a column that replication knows, of whatever version? */
export function isKnownColumn(table: string, column: string): boolean {
  const optional = OPTIONAL[table]
  return (
    REQUIRED[table]?.includes(column) === true || (optional !== undefined && Object.hasOwn(optional, column))
  )
}

function columns(names: string): string[] {
  return names.split(' ')
}

function versioned(names: string): string[] {
  return [...columns(names), ...VERSION_COLUMNS]
}
