import type { Catalog } from '../../staging/catalog.ts'
import type { Sql } from '../../staging/database.ts'
import { findByStagingId } from '../../staging/owned.ts'
import { selectRows } from '../../staging/rows.ts'
import type { Owner } from '../deps.ts'
import { BUILD_TABLES, type BuildTable, type Row, type Tables } from './tables.ts'

/** A build as staging's tables hold it, without what staging's people added to it. */
export interface PresentBuild {
  readonly tables: Tables
  /** staging's `create_event` of the build row */
  readonly createEvent: number
  /** prod's ids of its rpms and archives by staging's, as far as they came from prod */
  readonly prodRpms: ReadonlyMap<number, number>
  readonly prodArchives: ReadonlyMap<number, number>
}

/**
 * Reads staging's rows of a build; null when there is none. Left out as local: rpms and archives that did not come from prod
 * (with all that hangs on them), and signatures by keys that were never seen from prod.
 */
export async function readPresent(
  sql: Sql,
  catalog: Catalog,
  owner: Owner,
  buildId: number,
  options: {
    /** signing keys that were ever seen from prod */
    readonly prodKeys: ReadonlySet<string>
    /** everything, staging's own as well: the whole build was made there */
    readonly all: boolean
  },
): Promise<PresentBuild | null> {
  const select = (table: BuildTable, where: Record<string, number | readonly number[]>): Promise<Row[]> => {
    const spec = BUILD_TABLES.find(({ name }) => name === table)
    const columns = [...(spec?.key ?? []), ...(spec?.values ?? [])].filter((name) => name !== 'creation_time')
    return selectRows<Row>(sql, catalog, table, columns, where)
  }
  const [event] = await sql.query<{ create_event: number; creation_time: string }>(
    'build.create-event',
    `select b.create_event, to_char(e.time, 'YYYY-MM-DD HH24:MI:SS.US') as creation_time
       from build b join events e on e.id = b.create_event where b.id = $1`,
    [buildId],
  )
  const [row] = await select('build', { id: buildId })
  if (row === undefined || event === undefined) return null
  const seeded = owner.seedEvent !== null && event.create_event <= owner.seedEvent

  const allRpms = await select('rpminfo', { build_id: buildId })
  const prodRpms = await fromProd(sql, 'rpm', allRpms, seeded)
  const rpms = options.all ? allRpms : allRpms.filter((rpm) => prodRpms.has(rpm.id as number))
  const rpmIds = rpms.map((rpm) => rpm.id as number)
  const allArchives = await select('archiveinfo', { build_id: buildId })
  const prodArchives = await fromProd(sql, 'archive', allArchives, seeded)
  const archives = options.all
    ? allArchives
    : allArchives.filter((archive) => prodArchives.has(archive.id as number))
  const archiveIds = archives.map((archive) => archive.id as number)

  const sigs = rpmIds.length === 0 ? [] : await select('rpmsigs', { rpm_id: rpmIds })
  const ofArchives = (table: BuildTable): Promise<Row[]> =>
    archiveIds.length === 0 ? Promise.resolve([]) : select(table, { archive_id: archiveIds })
  return {
    createEvent: event.create_event,
    prodRpms,
    prodArchives,
    tables: {
      build: [{ ...row, creation_time: event.creation_time }],
      build_types: await select('build_types', { build_id: buildId }),
      maven_builds: await select('maven_builds', { build_id: buildId }),
      win_builds: await select('win_builds', { build_id: buildId }),
      image_builds: await select('image_builds', { build_id: buildId }),
      rpminfo: rpms,
      rpmsigs: options.all ? sigs : sigs.filter((sig) => options.prodKeys.has(String(sig.sigkey))),
      rpm_checksum: rpmIds.length === 0 ? [] : await select('rpm_checksum', { rpm_id: rpmIds }),
      archiveinfo: archives,
      maven_archives: await ofArchives('maven_archives'),
      win_archives: await ofArchives('win_archives'),
      image_archives: await ofArchives('image_archives'),
      archive_rpm_components: await ofArchives('archive_rpm_components'),
      archive_components: await ofArchives('archive_components'),
    },
  }
}

/** Staging's id to prod's id of the rows that came from prod: by record, or all of a seeded build (same ids there). */
async function fromProd(
  sql: Sql,
  kind: 'rpm' | 'archive',
  rows: readonly Row[],
  seeded: boolean,
): Promise<Map<number, number>> {
  const ids = rows.map((row) => row.id as number)
  const owned = await findByStagingId(sql, kind, ids)
  const found = new Map([...owned].map(([stagingId, { prodId }]) => [stagingId, prodId]))
  if (seeded) for (const id of ids) if (!found.has(id)) found.set(id, id)
  return found
}
