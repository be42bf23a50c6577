import { listTagsOfBuild } from '../../hub/calls-tag.ts'
import type { ReadOptions } from '../../hub/hub.ts'
import type { Priority } from '../../model/outcome.ts'
import type { Placement } from '../../storage/placement.ts'
import type { Deps } from '../deps.ts'
import type { ProdBuild } from './observe.ts'
import type { Standing } from './standing.ts'

type Reads = ReadOptions & { readonly priority: Priority }
type Knowing = Pick<Deps, 'hub' | 'database' | 'scope' | 'placement'>

/**
 * How a build's files are to stand: as the rules say. But one that a seed left on prod's volume since nothing in scope needs it stays
 * there, whatever the rules say of others, until a tag in scope has it.
 */
export async function placementOf(
  deps: Knowing,
  prod: ProdBuild,
  standing: Pick<Standing, 'included' | 'placements'>,
  options: Reads,
): Promise<Placement> {
  const { placement } = deps
  const known = placement.needsTags ? await tagsInScope(deps, prod.build.id, options) : null
  const chosen = placement.choose({
    name: prod.build.packageName,
    btypes: [...prod.types.keys()],
    tags: known ?? [],
  })
  const stands = standing.placements.findLast(({ state }) => state === 'placed')
  if (chosen.mode === LINK || stands?.mode !== LINK) return chosen
  const isOut =
    known === null
      ? await isOutside(deps, prod.build.id, standing, options)
      : isNeither(deps, known, standing)
  return isOut ? placement.byMode(LINK) : chosen
}

/** Where nothing is copied and nothing made but a link. */
const LINK = 'volume'

/** Nothing in scope needs the build: it is here since a seed's dump had it, or its tag left scope. */
export async function isOutside(
  deps: Pick<Deps, 'hub' | 'database' | 'scope'>,
  buildId: number,
  standing: Pick<Standing, 'included'>,
  options: Reads,
): Promise<boolean> {
  if (deps.scope.builds === 'all' || standing.included) return false
  return (await tagsInScope(deps, buildId, options)).length === 0
}

function isNeither(
  { scope }: Pick<Deps, 'scope'>,
  tags: readonly string[],
  { included }: Pick<Standing, 'included'>,
): boolean {
  return scope.builds !== 'all' && !included && tags.length === 0
}

/** Names of the tags in scope that hold the build. */
async function tagsInScope(
  { hub, database, scope }: Pick<Deps, 'hub' | 'database' | 'scope'>,
  buildId: number,
  options: Reads,
): Promise<string[]> {
  const [tags] = await hub.read([listTagsOfBuild(buildId)], options)
  const outside = await Promise.all(
    tags.map((tag) => scope.whyOutside(hub, database, tag.id, options.priority, options.signal)),
  )
  return tags.filter((_tag, i) => outside[i] === null).map(({ name }) => name)
}
