import type { Sql } from '../../staging/database.ts'
import type { Owner } from '../deps.ts'
import { findUsedParts, NOTHING_USED, type UsedParts } from './local-use.ts'
import type { ProdBuild } from './observe.ts'
import type { PresentBuild } from './present.ts'
import type { Row, Tables } from './tables.ts'

/** Which rows of staging stand for which rpms and archives of prod. */
export interface Matched {
  /** staging's ids by prod's */
  readonly rpms: ReadonlyMap<number, number>
  readonly archives: ReadonlyMap<number, number>
  /** prod's ids of those that staging lacks */
  readonly newRpms: readonly number[]
  readonly newArchives: readonly number[]
  /** of the rows that stand for nothing any more: those that staging's own things use */
  readonly used: UsedParts
}

export const NOTHING_PRESENT: Pick<PresentBuild, 'prodRpms' | 'prodArchives'> = {
  prodRpms: new Map(),
  prodArchives: new Map(),
}

/**
 * By prod's id first. After a reset and a new import prod's ids are new: then the old rows go and new ones come, except
 * for rows that staging's own buildroots or archives use; those keep their id and get the new content, matched by
 * NVRA, or by build type and file name. `byName`: everything is matched so (the build was staging's own).
 */
export async function matchParts(
  sql: Sql,
  owner: Owner,
  prod: ProdBuild,
  present: { readonly ids: Pick<PresentBuild, 'prodRpms' | 'prodArchives'>; readonly tables: Tables },
  byName: boolean,
): Promise<Matched> {
  const rpms = byId(
    present.ids.prodRpms,
    prod.rpms.map(({ rpm }) => rpm.id),
  )
  const archives = byId(
    present.ids.prodArchives,
    prod.archives.map(({ archive }) => archive.id),
  )
  const spareRpms = without(present.tables.rpminfo, rpms)
  const spareArchives = without(present.tables.archiveinfo, archives)
  const used =
    spareRpms.length + spareArchives.length === 0
      ? NOTHING_USED
      : await findUsedParts(sql, owner, { rpmIds: idsOf(spareRpms), archiveIds: idsOf(spareArchives) })

  const rpmByName = new Map(
    spareRpms.filter(({ id }) => byName || used.rpms.has(id as number)).map((row) => [nvra(row), row]),
  )
  for (const { rpm } of prod.rpms) {
    const row = rpms.has(rpm.id) ? undefined : rpmByName.get(nvra({ ...rpm }))
    if (row !== undefined) rpms.set(rpm.id, row.id as number)
  }
  // Two archives of one build may have the same name in different directories: the checksum tells which is which, if any.
  const left = spareArchives.filter(({ id }) => byName || used.archives.has(id as number))
  const take = (fits: (row: Row) => boolean): Row | undefined => {
    const index = left.findIndex(fits)
    return index < 0 ? undefined : left.splice(index, 1)[0]
  }
  const wanted = prod.archives.map(({ archive }) => archive).filter(({ id }) => !archives.has(id))
  for (const same of ['checksum', 'filename'] as const) {
    for (const archive of wanted) {
      if (archives.has(archive.id)) continue
      const row = take((row) => row.filename === archive.filename && row[same] === archive[same])
      if (row !== undefined) archives.set(archive.id, row.id as number)
    }
  }
  return {
    rpms,
    archives,
    newRpms: prod.rpms.map(({ rpm }) => rpm.id).filter((id) => !rpms.has(id)),
    newArchives: prod.archives.map(({ archive }) => archive.id).filter((id) => !archives.has(id)),
    used,
  }
}

/** What names an rpm, whatever build it is of. */
export function nvra(row: { readonly [column: string]: unknown }): string {
  return `${row.name}-${row.version}-${row.release}.${row.arch}`
}

function byId(stagingToProd: ReadonlyMap<number, number>, prodIds: readonly number[]): Map<number, number> {
  const wanted = new Set(prodIds)
  const found = [...stagingToProd].filter(([, prodId]) => wanted.has(prodId))
  return new Map(found.map(([stagingId, prodId]) => [prodId, stagingId]))
}

function without(rows: readonly Row[], matched: ReadonlyMap<number, number>): Row[] {
  const taken = new Set(matched.values())
  return rows.filter((row) => !taken.has(row.id as number))
}

function idsOf(rows: readonly Row[]): number[] {
  return rows.map((row) => row.id as number)
}
