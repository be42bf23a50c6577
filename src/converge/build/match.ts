import type { Sql } from '../../staging/database.ts'
import type { ProdBuild } from './observe.ts'
import type { PresentBuild } from './present.ts'
import type { Row } from './tables.ts'

/** Which rows of staging stand for which rpms and archives of prod. */
export interface Matched {
  /** staging's ids by prod's */
  readonly rpms: Map<number, number>
  readonly archives: Map<number, number>
  /** prod's ids of those that staging lacks */
  readonly newRpms: readonly number[]
  readonly newArchives: readonly number[]
}

/**
 * By prod's id first. After a reset and a new import prod's ids are new: then the old rows go and new ones come, except
 * for rows that staging's own buildroots or archives use; those keep their id and get the new content, matched by
 * NVRA, or by type and file name. `byName`: everything is matched so (the build was staging's own).
 */
export async function matchParts(
  sql: Sql,
  prod: ProdBuild,
  present: PresentBuild | null,
  byName: boolean,
): Promise<Matched> {
  const rpms = new Map<number, number>()
  const archives = new Map<number, number>()
  const result = (): Matched => ({
    rpms,
    archives,
    newRpms: prod.rpms.map(({ rpm }) => rpm.id).filter((id) => !rpms.has(id)),
    newArchives: prod.archives.map(({ archive }) => archive.id).filter((id) => !archives.has(id)),
  })
  if (present === null) return result()
  const stagingRpms = inverse(present.prodRpms)
  const stagingArchives = inverse(present.prodArchives)
  for (const { rpm } of prod.rpms) {
    const id = stagingRpms.get(rpm.id)
    if (id !== undefined) rpms.set(rpm.id, id)
  }
  for (const { archive } of prod.archives) {
    const id = stagingArchives.get(archive.id)
    if (id !== undefined) archives.set(archive.id, id)
  }

  const left = result()
  const taken = new Set([...rpms.values(), ...archives.values()])
  const spareRpms = present.tables.rpminfo.filter((row) => !taken.has(row.id as number))
  const spareArchives = present.tables.archiveinfo.filter((row) => !taken.has(row.id as number))
  if (left.newRpms.length + left.newArchives.length === 0 || spareRpms.length + spareArchives.length === 0)
    return left

  const used = byName ? null : await usedElsewhere(sql, spareRpms, spareArchives)
  const rpmByName = new Map(
    spareRpms
      .filter((row) => used === null || used.rpms.has(row.id as number))
      .map((row) => [nvra(row), row]),
  )
  for (const { rpm } of prod.rpms) {
    const row = rpms.has(rpm.id) ? undefined : rpmByName.get(nvra({ ...rpm }))
    if (row !== undefined) rpms.set(rpm.id, row.id as number)
  }
  const archiveByName = new Map(
    spareArchives
      .filter((row) => used === null || used.archives.has(row.id as number))
      .map((row) => [`${row.filename} ${row.checksum}`, row]),
  )
  for (const { archive } of prod.archives) {
    const row = archives.has(archive.id)
      ? undefined
      : archiveByName.get(`${archive.filename} ${archive.checksum}`)
    if (row !== undefined) archives.set(archive.id, row.id as number)
  }
  return result()
}

function nvra(row: { readonly [column: string]: unknown }): string {
  return `${row.name}-${row.version}-${row.release}.${row.arch}`
}

async function usedElsewhere(
  sql: Sql,
  rpms: readonly Row[],
  archives: readonly Row[],
): Promise<{ rpms: Set<number>; archives: Set<number> }> {
  const rpmIds = rpms.map((row) => row.id)
  const archiveIds = archives.map((row) => row.id)
  const usedRpms = await sql.query<{ id: number }>(
    'build.used-rpms',
    `select rpm_id as id from buildroot_listing where rpm_id = any($1::int[])
     union select rpm_id from archive_rpm_components where rpm_id = any($1::int[]) and archive_id <> all($2::int[])`,
    [rpmIds, archiveIds],
  )
  const usedArchives = await sql.query<{ id: number }>(
    'build.used-archives',
    `select archive_id as id from buildroot_archives where archive_id = any($1::int[])
     union select component_id from archive_components
            where component_id = any($1::int[]) and archive_id <> all($1::int[])`,
    [archiveIds],
  )
  return {
    rpms: new Set(usedRpms.map((row) => row.id)),
    archives: new Set(usedArchives.map((row) => row.id)),
  }
}

function inverse(map: ReadonlyMap<number, number>): Map<number, number> {
  return new Map([...map].map(([stagingId, prodId]) => [prodId, stagingId]))
}
