import type { Catalog } from '../../staging/catalog.ts'
import type { Sql } from '../../staging/database.ts'
import { output } from '../../staging/rows.ts'
import { BUILD_TABLES, type BuildTable, type Row, type TableSpec, type Tables } from './tables.ts'

/** A build as staging's tables hold it. */
export interface PresentBuild {
  readonly tables: Tables
  /** staging's `create_event` of the build row */
  readonly createEvent: number
  /** prod's ids of its rpms and archives by staging's, as far as they came from prod */
  readonly prodRpms: ReadonlyMap<number, number>
  readonly prodArchives: ReadonlyMap<number, number>
}

/** What tells which rows of a build that was copied with the seed are prod's. */
export interface SeedView {
  /** null: nothing was copied */
  readonly seedEvent: number | null
  /** prod's `create_event` of the build */
  readonly creationEvent: number
  /** prod's ids of the rpms and archives that it has there now */
  readonly rpms: ReadonlySet<number>
  readonly archives: ReadonlySet<number>
}

/** Reads all of staging's rows of a build in one statement; null when there is none. */
export async function readPresent(
  sql: Sql,
  catalog: Catalog,
  buildId: number,
  seed: SeedView,
): Promise<PresentBuild | null> {
  const [row] = await sql.query<{ present: string | null }>('build.present', presentText(catalog), [buildId])
  if (row?.present == null) return null
  const read = JSON.parse(row.present) as {
    create_event: number
    id_floor: number | null
    rpms: readonly [number, number][]
    archives: readonly [number, number][]
    tables: Tables
  }
  const seeded = seed.seedEvent !== null && read.create_event <= seed.seedEvent
  // Koji takes an rpm or archive out of a build only by a reset, which makes the build anew. What prod's list lacks is
  // staging's own before that; after it, what was copied is below the floor (of rows without record only the id tells).
  const isAnew = read.create_event !== seed.creationEvent
  const isCopied = (id: number, listed: ReadonlySet<number>): boolean =>
    seeded && (listed.has(id) || (isAnew && id < (read.id_floor ?? Number.POSITIVE_INFINITY)))
  const fromProd = (
    recorded: readonly [number, number][],
    rows: readonly Row[],
    listed: ReadonlySet<number>,
  ): Map<number, number> => {
    const ids = rows.map(({ id }) => id as number).filter((id) => isCopied(id, listed))
    return new Map([...ids.map((id): [number, number] => [id, id]), ...recorded])
  }
  return {
    createEvent: read.create_event,
    tables: read.tables,
    prodRpms: fromProd(read.rpms, read.tables.rpminfo, seed.rpms),
    prodArchives: fromProd(read.archives, read.tables.archiveinfo, seed.archives),
  }
}

/**
 * Without what staging's people added: rpms and archives that did not come from prod, with all that hangs on them. (A local
 * build's own content is not left out: there everything counts.)
 */
export function withoutLocalParts(present: PresentBuild): Tables {
  const { tables, prodRpms, prodArchives } = present
  const isProds = (row: Row): boolean =>
    (row.rpm_id === undefined || row.archive_id !== undefined || prodRpms.has(row.rpm_id as number)) &&
    (row.archive_id === undefined || prodArchives.has(row.archive_id as number))
  return Object.fromEntries(
    Object.entries(tables).map(([name, rows]: [string, readonly Row[]]) => {
      if (name === 'rpminfo') return [name, rows.filter((row) => prodRpms.has(row.id as number))]
      if (name === 'archiveinfo') return [name, rows.filter((row) => prodArchives.has(row.id as number))]
      return [name, rows.filter(isProds)]
    }),
  ) as unknown as Tables
}

/**
 * One json of everything that hangs on build `$1`. The text depends on the schema alone. The records are looked up one by one
 * (`offset 0`): a plan that was made while there were few would go through all of a kind.
 */
function presentText(catalog: Catalog): string {
  const members = BUILD_TABLES.map((spec) => `'${spec.name}', ${rowsText(catalog, spec)}`)
  const recorded = (kind: string, table: string): string =>
    `(select coalesce(json_agg(json_build_array(o.staging_id, o.prod_id)), '[]') from ${table} p
       cross join lateral (select w.staging_id, w.prod_id from staging_sync.owned w
                            where w.kind = '${kind}' and w.staging_id = p.id offset 0) o where p.build_id = $1)`
  return `
    select json_build_object(
      'create_event', b.create_event,
      'id_floor', (select value::bigint from staging_sync.setting where key = 'id_floor'), 'rpms', ${recorded('rpm', 'rpminfo')},
      'archives', ${recorded('archive', 'archiveinfo')},
      'tables', json_build_object(${members.join(',\n')})) as present
     from build b where b.id = $1::int`
}

function rowsText(catalog: Catalog, spec: TableSpec): string {
  if (!catalog.has(spec.name)) return `'[]'::json`
  const columns = [...spec.key, ...spec.values].map((name) => {
    if (name === 'creation_time') {
      return `(select to_char(e.time, 'YYYY-MM-DD HH24:MI:SS.US') from events e where e.id = t.create_event) as creation_time`
    }
    // JSON's numbers would be rounded when read.
    const isBig = catalog.column(spec.name, name)?.sqlType === 'bigint'
    return isBig ? `t."${name}"::text as "${name}"` : output(catalog, spec.name, name)
  })
  const order = spec.key.map((name) => `x."${name}"`).join(', ')
  return `(select coalesce(json_agg(x order by ${order}), '[]')
             from (select ${columns.join(', ')} from ${spec.name} t where ${whereText(spec)}) x)`
}

function whereText({ name, key }: TableSpec): string {
  const ofBuild: readonly BuildTable[] = ['rpminfo', 'archiveinfo']
  if (name === 'build') return 't.id = $1'
  if (ofBuild.includes(name) || key[0] === 'build_id') return 't.build_id = $1'
  if (key[0] === 'rpm_id') return 't.rpm_id in (select id from rpminfo where build_id = $1)'
  return 't.archive_id in (select id from archiveinfo where build_id = $1)'
}
