import type { Catalog } from '../staging/catalog.ts'
import type { Sql } from '../staging/database.ts'
import { isOurs, type RowOwner } from '../staging/listing.ts'
import { TAG_SETTINGS, VERSIONED, type VersionedName } from '../staging/versioned-tables.ts'
import type { Checkpoint, StagingVersion } from './shown-at.ts'
import { SIDETAG_USER } from './tag-at-event.ts'

interface RawRow {
  readonly cells: string
  readonly create_event: number
  readonly revoke_event: number | null
  readonly creator_id: number
  readonly revoker_id: number | null
  readonly package_id: number | null
}

type Where = { readonly column: string; readonly id: number }

/** Every version that staging ever had of a tag's rows; settings belong to the tag's key, lists to that of their package. */
export async function readTagVersions(
  sql: Sql,
  catalog: Catalog,
  owner: RowOwner,
  tag: { readonly prodId: number; readonly stagingId: number },
): Promise<StagingVersion[]> {
  const where = { column: 'tag_id', id: tag.stagingId }
  const versions: StagingVersion[] = []
  for (const table of TAG_SETTINGS)
    versions.push(...(await read(sql, catalog, owner, table, where, `tag/${tag.prodId}`)))
  for (const table of ['tag_packages', 'tag_package_owners', 'tag_listing'] as const) {
    const kind = table === 'tag_listing' ? 'tagged' : 'package'
    versions.push(...(await read(sql, catalog, owner, table, where, `${kind}/${tag.prodId}`)))
  }
  return versions.filter(({ table, cells }) => table !== 'tag_extra' || cells.key !== SIDETAG_USER)
}

/** The same of an external repo. */
export function readRepoVersions(
  sql: Sql,
  catalog: Catalog,
  owner: RowOwner,
  repo: { readonly prodId: number; readonly stagingId: number },
): Promise<StagingVersion[]> {
  const where = { column: 'external_repo_id', id: repo.stagingId }
  return read(sql, catalog, owner, 'external_repo_config', where, `external-repo/${repo.prodId}`)
}

async function read(
  sql: Sql,
  catalog: Catalog,
  owner: RowOwner,
  table: VersionedName,
  where: Where,
  key: string,
): Promise<StagingVersion[]> {
  const { key: keyColumns, values } = VERSIONED[table]
  const columns = [...keyColumns, ...values].filter((name) => catalog.has(table, name))
  // Of a listing or an entry also prod's id of the package, which is in its key.
  const staging =
    table === 'tag_listing'
      ? '(select b.pkg_id from build b where b.id = t.build_id)'
      : keyColumns.includes('package_id')
        ? 't.package_id'
        : 'null::int'
  const rows = await sql.query<RawRow>(
    `event.versions.${table}`,
    `select row_to_json((select c from (select ${columns.map((name) => `t.${name}`).join(', ')}) c))::text as cells,
            t.create_event, t.revoke_event, t.creator_id, t.revoker_id, coalesce(o.prod_id, ${staging}) as package_id
       from ${table} t left join staging_sync.owned o on o.kind = 'package' and o.staging_id = ${staging}
      where t.${where.column} = $1::int`,
    [where.id],
    { prepare: false },
  )
  return rows.map((row) => ({
    table,
    cells: JSON.parse(row.cells) as Record<string, unknown>,
    life: { from: row.create_event, to: row.revoke_event ?? Number.POSITIVE_INFINITY },
    ours: isOurs(owner, row.creator_id, row.create_event),
    revokedByUs: row.revoker_id !== null && row.revoke_event !== null && row.revoker_id === owner.userId,
    key: row.package_id === null ? key : `${key}/${row.package_id}`,
  }))
}

/** The checkpoints of keys: pairs that left nothing out. */
export async function readCheckpoints(sql: Sql, keys: readonly string[]): Promise<Map<string, Checkpoint[]>> {
  const rows = await sql.query<Checkpoint & { key: string }>(
    'event.checkpoints',
    `select key, prod_event as "prodEvent", staging_event as "stagingEvent" from staging_sync.event_map
      where whole and key = any($1::text[])`,
    [keys],
  )
  return byKey(rows)
}

function byKey(rows: readonly (Checkpoint & { readonly key: string })[]): Map<string, Checkpoint[]> {
  const keys = new Map<string, Checkpoint[]>()
  for (const { key, ...pair } of rows) keys.set(key, [...(keys.get(key) ?? []), pair])
  return keys
}
