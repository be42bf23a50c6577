import { AgainError } from '../../errors.ts'
import { getBuild } from '../../hub/calls-build.ts'
import { listTagsOfBuild } from '../../hub/calls-tag.ts'
import { BUILD_STATE } from '../../model/records.ts'
import type { Claim } from '../../queue/queue.ts'
import { isNeeded } from '../../staging/prunable.ts'
import type { Deps } from '../deps.ts'
import { describeUse, findLocalUse, isUsed } from './local-use.ts'
import { removeBuild } from './remove.ts'
import { readStanding } from './standing.ts'

/** Null: pruned. Else why the build stays. */
export type Kept = string | null

/**
 * Takes a build out of staging that no tag in scope needs: its rows become what Koji's own delete leaves, its files go. It comes back as
 * it was when a tag in scope gets it. Both sides are asked again, and what staging's own things use stays. Ends the claim, but for errors.
 */
export async function pruneBuild(
  deps: Deps,
  claim: Claim & { readonly key: { readonly kind: 'build'; readonly buildId: number } },
  signal: AbortSignal,
): Promise<Kept> {
  const { buildId } = claim.key
  const keep = async (reason: string): Promise<Kept> => {
    await deps.queue.finish([{ claim, outcome: { kind: 'skipped', reason }, relook: [] }])
    return reason
  }
  const options = { priority: 'sweep', signal } as const
  const [prod, tags] = await deps.hub.read([getBuild(buildId), listTagsOfBuild(buildId)], options)
  if (prod === null || prod.state !== BUILD_STATE.complete) {
    // Its converger knows what to do.
    await deps.queue.release([claim], { delayMs: 0 })
    return 'prod has changed it'
  }
  if (deps.scope.builds === 'all') return keep('every build is in scope')
  for (const tag of tags)
    if ((await deps.scope.whyOutside(deps.hub, deps.database, tag.id, 'sweep', signal)) === null)
      return keep(`tag ${tag.name} has it in prod`)
  const standing = await readStanding(deps.database, deps.owner, { ...prod, name: prod.packageName })
  const { own } = standing
  const isOurs = own !== null && own.state === BUILD_STATE.complete && own.base !== null
  if (!isOurs || standing.clashes) return keep('staging has changed it')
  if (standing.placements.some(({ mode, state }) => mode !== 'copy' || state !== 'placed'))
    return keep('it is being moved')
  const use = await findLocalUse(deps.database, deps.owner, own.id)
  if (isUsed(use)) return keep(`staging uses it in ${describeUse(use)}`)
  await removeBuild(
    deps,
    claim,
    { ...prod, state: BUILD_STATE.deleted },
    { ...standing, own },
    async (tx) => {
      if (await isNeeded(tx, own.id))
        throw new AgainError('BUILD_OTHER_ROW', `build ${buildId} was tagged while it was looked at`)
      await tx.query('prune.scope', 'delete from staging_sync.scope_build where build_id = $1', [buildId])
    },
  )
  return null
}
