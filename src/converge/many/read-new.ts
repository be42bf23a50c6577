import { AgainError, KeyError } from '../../errors.ts'
import type { ReadOptions } from '../../hub/hub.ts'
import type { Claim } from '../../queue/queue.ts'
import { isWhole, observeBuild, type ProdBuild } from '../build/observe.ts'
import type { Deps } from '../deps.ts'
import type { NewBuild } from './new-builds.ts'
import type { NewBuildsReader } from './observe-new.ts'

/** Builds whose rows are written in one transaction. */
export const BUILDS_TOGETHER = 100

/** Builds that are claimed, as prod shows them, as far as they are plain. */
export async function readNewBuilds(
  deps: Deps,
  reader: NewBuildsReader,
  claims: readonly Claim[],
  options: ReadOptions,
): Promise<readonly NewBuild[]> {
  const byId = new Map(
    claims.flatMap((claim): [number, Claim][] =>
      claim.key.kind === 'build' && claim.expect.length === 0 ? [[claim.key.buildId, claim]] : [],
    ),
  )
  const ids = [...byId.keys()].sort((a, b) => a - b)
  if (ids.length === 0) return []
  const together = await reader.read(ids)
  const builds = together ?? (await observeEach(deps, ids, options))
  return builds.flatMap((prod) => {
    const claim = byId.get(prod.build.id)
    return claim === undefined ? [] : [{ claim, prod }]
  })
}

/** Each as for its own key, side by side: their calls share requests. What cannot be read now is left out. */
async function observeEach(deps: Deps, ids: readonly number[], options: ReadOptions): Promise<ProdBuild[]> {
  const reads = await Promise.allSettled(ids.map((id) => observeBuild(deps.hub, id, options)))
  return reads.flatMap((read): ProdBuild[] => {
    if (read.status === 'fulfilled')
      return read.value !== null && isWhole(read.value) && isPlain(read.value) ? [read.value] : []
    const { reason } = read
    if (reason instanceof KeyError || reason instanceof AgainError) return []
    throw reason
  })
}

/** Nothing of other builds is in it, so it needs nobody. */
function isPlain({ archives }: ProdBuild): boolean {
  return archives.every(({ rpms, archives: parts }) => rpms.length === 0 && parts.length === 0)
}
