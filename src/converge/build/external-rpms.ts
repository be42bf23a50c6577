import type { Rpm } from '../../model/records.ts'
import { chooseIds } from '../../staging/ids.ts'
import { findOwned, recordOwned } from '../../staging/owned.ts'
import { insertRows } from '../../staging/rows.ts'
import type { Deps } from '../deps.ts'
import { rpmRow } from './wanted.ts'

/**
 * Rpms of external repos that archives contain: rows of rpminfo without a build, one per NVRA and repo (schema.sql
 * rpminfo_unique_nvra). Made in a short transaction of their own; one that staging has already is adopted. Those whose
 * repo staging lacks are left out. Returns staging's ids by prod's.
 */
export async function ensureExternalRpms(deps: Deps, rpms: readonly Rpm[]): Promise<Map<number, number>> {
  if (rpms.length === 0) return new Map()
  const { database, catalog } = deps
  const repos = await findOwned(
    database,
    'external_repo',
    rpms.map((rpm) => rpm.externalRepoId),
  )
  const known = rpms.filter((rpm) => repos.has(rpm.externalRepoId)).sort((a, b) => a.id - b.id)
  if (known.length === 0) return new Map()
  return database.transaction('build.external-rpms', async (tx) => {
    const ids = new Map<number, number>()
    const repoOf = (rpm: Rpm): number => repos.get(rpm.externalRepoId)?.stagingId as number
    const present = await tx.query<{ index: number; id: number }>(
      'build.external-rpms.find',
      `select w.index::int, r.id
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[])
              with ordinality as w(name, version, release, arch, repo, index)
         join rpminfo r on r.name = w.name and r.version = w.version and r.release = w.release
                       and r.arch = w.arch and r.external_repo_id = w.repo`,
      [
        known.map((rpm) => rpm.name),
        known.map((rpm) => rpm.version),
        known.map((rpm) => rpm.release),
        known.map((rpm) => rpm.arch),
        known.map(repoOf),
      ],
    )
    for (const { index, id } of present) ids.set((known[index - 1] as Rpm).id, id)
    const fresh = known.filter((rpm) => !ids.has(rpm.id))
    const chosen = await chooseIds(
      tx,
      catalog,
      'rpminfo',
      fresh.map((rpm) => rpm.id),
    )
    await insertRows(
      tx,
      catalog,
      'rpminfo',
      fresh.map((rpm) => rpmRow({ ...rpm, draft: null }, chosen.get(rpm.id) as number, null, repoOf(rpm))),
    )
    for (const [prodId, id] of chosen) ids.set(prodId, id)
    await recordOwned(
      tx,
      'external_rpm',
      [...ids].map(([prodId, stagingId]) => ({ prodId, stagingId })),
    )
    return ids
  })
}
