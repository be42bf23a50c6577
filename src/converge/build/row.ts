import { KeyError } from '../../errors.ts'
import { BUILD_STATE } from '../../model/records.ts'
import type { Sql } from '../../staging/database.ts'
import { findByStagingId } from '../../staging/owned.ts'
import type { Owner } from '../deps.ts'
import { findBuilds } from '../identify.ts'
import type { ProdBuild } from './observe.ts'

/**
 * Which row of staging a build of prod is, or shall be.
 *
 * | staging has                         | then                                                     |
 * | ----------------------------------- | -------------------------------------------------------- |
 * | our row of it                       | `ours`                                                   |
 * | nothing under its NVR               | `none`: a new row                                        |
 * | its NVR on a row of another of ours | `owned-by`: that key must be converged first (renamed)   |
 * | its NVR, local, FAILED or CANCELED without content | `recycle`: the row is taken over, as Koji's recycle_build does |
 * | its NVR, local, anything else       | `local`: adopted if equal, else a clash                  |
 *
 * Throws KeyError LOCAL_BUILDING while staging's people build it, DRAFT_ID_TAKEN when a draft's id (which its release
 * contains, schema.sql draft_release_sane) belongs to somebody else.
 */
export type BuildRow =
  | { readonly kind: 'ours'; readonly id: number }
  | { readonly kind: 'none' }
  | { readonly kind: 'owned-by'; readonly prodId: number }
  | { readonly kind: 'recycle'; readonly id: number }
  | { readonly kind: 'local'; readonly id: number }

export async function findRow(sql: Sql, owner: Owner, prod: ProdBuild): Promise<BuildRow> {
  const { build } = prod
  const known = await findBuilds(sql, owner, [
    { id: build.id, name: build.packageName, version: build.version, release: build.release },
  ])
  const ours = known.get(build.id)
  const [row] = await sql.query<{ id: number; state: number; create_event: number; empty: boolean }>(
    'build.by-nvr',
    `select b.id, b.state, b.create_event,
            not exists (select 1 from rpminfo r where r.build_id = b.id)
        and not exists (select 1 from archiveinfo a where a.build_id = b.id)
        and not exists (select 1 from tag_listing l where l.build_id = b.id) as empty
       from build b join package p on p.id = b.pkg_id
      where p.name = $1 and b.version = $2 and b.release = $3`,
    [build.packageName, build.version, build.release],
  )
  if (row === undefined || row.id === ours) {
    if (ours !== undefined) return { kind: 'ours', id: ours }
    if (build.draft) await refuseTakenDraftId(sql, build.id)
    return { kind: 'none' }
  }
  const other = (await findByStagingId(sql, 'build', [row.id])).get(row.id)
  if (other !== undefined) return { kind: 'owned-by', prodId: other.prodId }
  if (owner.seedEvent !== null && row.create_event <= owner.seedEvent)
    return { kind: 'owned-by', prodId: row.id }
  if (row.state === BUILD_STATE.building) {
    throw new KeyError('LOCAL_BUILDING', `staging is building ${nvrOf(prod)} itself (its build ${row.id})`)
  }
  const failed = row.state === BUILD_STATE.failed || row.state === BUILD_STATE.canceled
  return failed && row.empty && ours === undefined
    ? { kind: 'recycle', id: row.id }
    : { kind: 'local', id: row.id }
}

async function refuseTakenDraftId(sql: Sql, id: number): Promise<void> {
  const taken = await sql.query('build.id-taken', 'select 1 from build where id = $1', [id])
  if (taken.length > 0) {
    throw new KeyError(
      'DRAFT_ID_TAKEN',
      `draft build ${id} cannot keep its id: staging has another build ${id}`,
    )
  }
}

export function nvrOf({ build }: Pick<ProdBuild, 'build'>): string {
  return `${build.packageName}-${build.version}-${build.release}`
}
