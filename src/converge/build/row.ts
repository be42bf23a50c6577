import { KeyError } from '../../errors.ts'
import { BUILD_STATE } from '../../model/records.ts'
import type { ProdBuild } from './observe.ts'
import type { Standing } from './standing.ts'

/**
 * Which row of staging a build of prod is, or shall be.
 *
 * | staging has                         | then                                                     |
 * | ----------------------------------- | -------------------------------------------------------- |
 * | our row of it, also one that was BUILDING when staging was copied | `ours`                     |
 * | nothing under its NVR               | `none`: a new row                                        |
 * | its NVR on a row of another of ours | `owned-by`: that key must be converged first (renamed)   |
 * | our row, and its NVR on a local one (a draft was promoted) | `blocked`: held, whatever the policy: neither row can be given up |
 * | its NVR, local, FAILED or CANCELED without content | `recycle`: the row is taken over, as Koji's recycle_build does |
 * | its NVR, local, anything else       | `local`: adopted if equal, else a clash                  |
 */
export type BuildRow =
  | { readonly kind: 'ours'; readonly id: number }
  | { readonly kind: 'none'; readonly id: null }
  | { readonly kind: 'owned-by'; readonly id: null; readonly prodId: number }
  | { readonly kind: 'blocked'; readonly id: number }
  | { readonly kind: 'recycle'; readonly id: number }
  | { readonly kind: 'local'; readonly id: number }

/**
 * Pure. Throws KeyError LOCAL_BUILDING while staging's people build it, DRAFT_ID_TAKEN when a draft's id (which its release
 * contains, schema.sql draft_release_sane) belongs to somebody else.
 */
export function decideRow(prod: ProdBuild, standing: Standing): BuildRow {
  const { own, named, idTaken } = standing
  // A copied row without a record was prod's: its task ended there, and never will in staging.
  const mine = own?.base === null ? null : own
  const building = [mine, named].find((row) => row?.state === BUILD_STATE.building)
  if (building != null) {
    throw new KeyError(
      'LOCAL_BUILDING',
      `staging is building ${nvrOf(prod)} itself (its build ${building.id})`,
    )
  }
  if (named === null) {
    if (own !== null) return { kind: 'ours', id: own.id }
    if (prod.build.draft && idTaken) {
      const text = `draft build ${prod.build.id} cannot keep its id: staging has another build ${prod.build.id}`
      throw new KeyError('DRAFT_ID_TAKEN', text)
    }
    return { kind: 'none', id: null }
  }
  if (named.prodId !== null) return { kind: 'owned-by', id: null, prodId: named.prodId }
  if (own !== null) return { kind: 'blocked', id: own.id }
  const failed = named.state === BUILD_STATE.failed || named.state === BUILD_STATE.canceled
  // Koji demands of a draft's release that it holds the row's id.
  if (prod.build.draft && named.id !== prod.build.id) return { kind: 'local', id: named.id }
  return { kind: failed && named.empty ? 'recycle' : 'local', id: named.id }
}

export function nvrOf({ build }: Pick<ProdBuild, 'build'>): string {
  return `${build.packageName}-${build.version}-${build.release}`
}
