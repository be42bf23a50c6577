/** A versioned table of Koji (docs/schema.sql, "VERSIONING"): rows are never changed, they are revoked and created. */
export interface VersionedTable {
  /** At most one active row has these values. */
  readonly key: readonly string[]
  readonly values: readonly string[]
  /** Further columns that at most one active row shares: revoke before creating. */
  readonly uniques: readonly (readonly string[])[]
}

/** The name of a versioned table that is replicated. */
export type VersionedName =
  | 'tag_config'
  | 'tag_extra'
  | 'tag_inheritance'
  | 'tag_packages'
  | 'tag_package_owners'
  | 'tag_listing'
  | 'tag_external_repos'
  | 'group_config'
  | 'group_package_listing'
  | 'group_req_listing'
  | 'build_target_config'
  | 'external_repo_config'

/** The tables of a tag's own settings, in the order in which rows are locked. */
export const TAG_SETTINGS = [
  'tag_config',
  'tag_extra',
  'tag_inheritance',
  'tag_external_repos',
  'group_config',
  'group_req_listing',
  'group_package_listing',
] as const satisfies readonly VersionedName[]

function table(key: string, values: string, uniques: readonly (readonly string[])[] = []): VersionedTable {
  return { key: key.split(' '), values: values === '' ? [] : values.split(' '), uniques }
}

/** The versioned tables that are replicated. */
export const VERSIONED: Readonly<Record<VersionedName, VersionedTable>> = {
  tag_config: table('tag_id', 'arches perm_id locked maven_support maven_include_all'),
  tag_extra: table('tag_id key', 'value'),
  tag_inheritance: table('tag_id parent_id', 'priority maxdepth intransitive noconfig pkg_filter', [
    ['tag_id', 'priority'],
  ]),
  tag_packages: table('tag_id package_id', 'blocked extra_arches'),
  tag_package_owners: table('tag_id package_id', 'owner'),
  tag_listing: table('tag_id build_id', ''),
  tag_external_repos: table('tag_id external_repo_id', 'priority merge_mode arches', [
    ['tag_id', 'priority'],
  ]),
  group_config: table(
    'tag_id group_id',
    'blocked exported display_name is_default uservisible description langonly biarchonly',
  ),
  group_package_listing: table('tag_id group_id package', 'blocked type basearchonly requires'),
  group_req_listing: table('tag_id group_id req_id', 'blocked type is_metapkg'),
  build_target_config: table('build_target_id', 'build_tag dest_tag'),
  external_repo_config: table('external_repo_id', 'url'),
}
