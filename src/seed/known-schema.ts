import { SchemaError } from '../staging/schema-error.ts'
import type { Session } from './session.ts'

/** Koji's tables and columns, of 1.21 to HEAD (docs/schema.sql of each); `*` stands for the columns of a versioned table. */
const KNOWN: Readonly<Record<string, string>> = {
  archive_components: 'archive_id component_id',
  archive_rpm_components: 'archive_id rpm_id',
  archiveinfo:
    'id type_id btype_id build_id buildroot_id filename size checksum checksum_type metadata_only extra',
  archivetypes: 'id name description extensions compression_type',
  btype: 'id name',
  build:
    'id volume_id pkg_id version release epoch source create_event start_time completion_time state task_id owner cg_id extra draft promotion_time promoter',
  build_notifications: 'id user_id package_id tag_id success_only email',
  build_notifications_block: 'id user_id package_id tag_id',
  build_reservations: 'build_id token created',
  build_target: 'id name',
  build_target_config: '* build_target_id build_tag dest_tag',
  build_types: 'build_id btype_id',
  buildroot: 'id br_type cg_id cg_version container_type container_arch host_os host_arch extra',
  buildroot_archives: 'buildroot_id archive_id project_dep',
  buildroot_listing: 'buildroot_id rpm_id is_update',
  buildroot_tools_info: 'buildroot_id tool version',
  cg_users: '* cg_id user_id',
  channels: 'id name description enabled comment',
  content_generator: 'id name',
  event_labels: 'event_id label',
  events: 'id time',
  external_repo: 'id name',
  external_repo_config: '* external_repo_id url',
  external_repo_data: '* external_repo_id data',
  group_config:
    '* group_id tag_id blocked exported display_name is_default uservisible description langonly biarchonly',
  group_package_listing: '* group_id tag_id package blocked type basearchonly requires',
  group_req_listing: '* group_id tag_id req_id blocked type is_metapkg',
  groups: 'id name',
  host: 'id user_id name task_load ready update_time',
  host_channels: '* host_id channel_id',
  host_config: '* host_id arches capacity description comment enabled',
  image_archives: 'archive_id arch',
  image_builds: 'build_id',
  locks: 'name',
  maven_archives: 'archive_id group_id artifact_id version',
  maven_builds: 'build_id group_id artifact_id version',
  package: 'id name',
  permissions: 'id name description',
  proton_queue: 'id created_ts address props body',
  repo: 'id create_event tag_id state dist task_id creation_time state_time begin_event end_event opts custom_opts',
  repo_queue:
    'id create_time owner priority tag_id at_event min_event opts update_time active task_id tries repo_id',
  rpm_checksum: 'rpm_id sigkey checksum checksum_type',
  rpminfo:
    'id build_id buildroot_id name version release epoch arch external_repo_id payloadhash size buildtime metadata_only extra draft',
  rpmsigs: 'rpm_id sigkey sighash',
  scheduler_host_data: 'host_id data',
  scheduler_log_messages: 'id task_id host_id msg_time msg',
  scheduler_sys_data: 'name data',
  scheduler_task_refusals: 'id task_id host_id by_host soft msg time',
  scheduler_task_runs: 'id task_id host_id active create_time',
  sessions:
    'id user_id expired master key authtype hostip callnum start_time update_time exclusive closed renew_time',
  standard_buildroot: 'buildroot_id host_id repo_id task_id create_event retire_event state',
  tag: 'id name',
  tag_config: '* tag_id arches perm_id locked maven_support maven_include_all',
  tag_external_repos: '* tag_id external_repo_id priority merge_mode arches',
  tag_extra: '* tag_id key value',
  tag_inheritance: '* tag_id parent_id priority maxdepth intransitive noconfig pkg_filter',
  tag_listing: '* build_id tag_id',
  tag_package_owners: '* package_id tag_id owner',
  tag_packages: '* package_id tag_id blocked extra_arches',
  tag_updates: 'id tag_id update_event updater_id update_type',
  task: 'id state create_time start_time completion_time channel_id host_id parent label waiting awaited owner method request result eta arch priority weight',
  user_groups: '* user_id group_id',
  user_krb_principals: 'user_id krb_principal',
  user_perms: '* user_id perm_id',
  users: 'id name password status usertype',
  volume: 'id name',
  win_archives: 'archive_id relpath platforms flags',
  win_builds: 'build_id platform',
}

const VERSIONED = 'create_event revoke_event creator_id revoker_id active'

/**
 * A schema that is newer than what is known here may hold things of prod's that would have to be reset. Throws SchemaError
 * SEED_SCHEMA_NEWER naming its tables and columns. Tables that the site added itself are allowed by name (`extra`).
 */
export async function refuseNewerSchema(session: Session, extra: readonly string[]): Promise<void> {
  const rows = await session.query<{ table: string; columns: string[] }>(
    'seed.schema',
    `select c.relname as "table", array_agg(a.attname::text order by a.attnum) as columns
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace group by 1 order by 1`,
  )
  const unknown = rows.flatMap(({ table, columns }) => {
    if (extra.includes(table)) return []
    const text = KNOWN[table]
    if (text === undefined) return [table]
    const known = text.replace('*', VERSIONED).split(' ')
    return columns.filter((column) => !known.includes(column)).map((column) => `${table}.${column}`)
  })
  if (unknown.length === 0) return
  throw new SchemaError(
    'SEED_SCHEMA_NEWER',
    `the dump's schema is newer than what is known here, or not Koji's alone: ${unknown.join(', ')}. Update this program, or name tables of your own in seed.own_tables`,
    { detail: { unknown } },
  )
}
