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

/** Reads all of staging's rows of a build in one statement; null when there is none. */
export async function readPresent(
  sql: Sql,
  catalog: Catalog,
  buildId: number,
  seedEvent: number | null,
): Promise<PresentBuild | null> {
  const [row] = await sql.query<{ present: string | null }>('build.present', presentText(catalog), [buildId])
  if (row?.present == null) return null
  const read = JSON.parse(row.present) as {
    create_event: number
    rpms: readonly [number, number][]
    archives: readonly [number, number][]
    tables: Tables
  }
  const seeded = seedEvent !== null && read.create_event <= seedEvent
  // Ids of what was copied with the seed are prod's.
  const fromProd = (recorded: readonly [number, number][], rows: readonly Row[]): Map<number, number> =>
    new Map([
      ...(seeded ? rows.map(({ id }): [number, number] => [id as number, id as number]) : []),
      ...recorded,
    ])
  return {
    createEvent: read.create_event,
    tables: read.tables,
    prodRpms: fromProd(read.rpms, read.tables.rpminfo),
    prodArchives: fromProd(read.archives, read.tables.archiveinfo),
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

/** One json of everything that hangs on build `$1`. The text depends on the schema alone. */
function presentText(catalog: Catalog): string {
  const members = BUILD_TABLES.map((spec) => `'${spec.name}', ${rowsText(catalog, spec)}`)
  const recorded = (kind: string, table: string): string =>
    `(select coalesce(json_agg(json_build_array(o.staging_id, o.prod_id)), '[]') from staging_sync.owned o
       join ${table} p on p.id = o.staging_id where o.kind = '${kind}' and p.build_id = $1)`
  return `
    select json_build_object(
      'create_event', b.create_event, 'rpms', ${recorded('rpm', 'rpminfo')},
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
