import { BUILD_TABLES } from '../converge/build/tables.ts'
import type { TableNeed } from '../staging/grants.ts'
import { NAME_TABLES } from '../staging/name-kinds.ts'
import { VERSIONED } from '../staging/versioned-tables.ts'

/** What reset_build empties besides a build's own tables. Its row is never deleted, and of rows with history only taggings are. */
const CLEARED = ['buildroot_listing', 'buildroot_archives']
/** Who has a name and no more: found, made, renamed. */
const NAMED = ['tag', 'build_target', 'external_repo', 'groups']
/** Only read: who uses what prod removes. */
const READ = ['standard_buildroot']

/**
 * What the service does to Koji's tables, from the same tables that its statements are built of. Rows are locked before they
 * are changed, which takes the right to change them. Tables that a staging lacks fall away.
 */
export function tableNeeds(): TableNeed[] {
  return [
    { table: 'events', select: true, insert: true },
    { table: 'tag_updates', select: true, insert: true },
    ...BUILD_TABLES.map(({ name, values }) => ({
      table: name,
      select: true as const,
      insert: true as const,
      // rpm_checksum is a cache: rows go and come, none is changed.
      ...(values.length > 0 && name !== 'rpm_checksum' ? { update: true as const } : {}),
      ...(name === 'build' ? {} : { delete: true as const }),
    })),
    ...CLEARED.map((table) => ({ table, select: true as const, delete: true as const })),
    ...Object.keys(VERSIONED).map((table) => ({
      table,
      select: true as const,
      insert: true as const,
      update: ['revoke_event', 'revoker_id', 'active'],
      ...(table === 'tag_listing' ? { delete: true as const } : {}),
    })),
    ...NAMED.map((table) => ({
      table,
      select: true as const,
      insert: true as const,
      update: ['name'],
    })),
    ...Object.values(NAME_TABLES)
      .filter(({ table }) => !NAMED.includes(table))
      .map(({ table, columns, byId }) => ({
        table,
        // Of users no more than this: no passwords, no principals.
        select: table === 'users' ? ['id', 'name', ...columns] : (true as const),
        insert: ['id', 'name', ...columns],
        // What the configuration maps by name is never renamed.
        ...(byId ? { update: ['name'] } : {}),
      })),
    ...READ.map((table) => ({ table, select: true as const })),
  ]
}
