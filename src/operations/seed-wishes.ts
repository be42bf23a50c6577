import type { Config } from '../config/config.ts'
import type { PlacementChoice } from '../converge/deps.ts'
import { TagRewrite } from '../converge/rewrite.ts'
import { Scope } from '../converge/scope.ts'
import { compilePatterns } from '../model/pattern.ts'
import type { Wishes } from '../seed/reset.ts'

/** What the configuration wants to be otherwise than in prod's dump. */
export function seedWishes(config: Config, placements: PlacementChoice): Wishes {
  const { seed } = config
  return {
    channels: seed.channels,
    keepGrants: seed.keepGrants,
    users: seed.users,
    hosts: seed.hosts,
    principals: seed.principalRewrite,
    repoUrls: config.externalRepoRewrite,
    tagRewrite: rewriteOf(config),
    placeBuilds: {
      byBuild: differs(config),
      needsTags: placements.needsTags,
      scope: new Scope({ ...config.scope, sideTags: false }),
      choose: ({ name, btypes, tags, prodVolume, inScope }) => {
        const chosen = placements.choose({ name, btypes, tags })
        const isLeft = !inScope && OWN_FILES.has(chosen.mode)
        const placement = isLeft && config.prod.topdir !== null ? placements.byMode('volume') : chosen
        const volume = placements.stagingVolume(placement, prodVolume)
        return { mode: placement.mode, volume, withoutFiles: isLeft && placement === chosen }
      },
    },
  }
}

/** The rules of `[[tag_rewrite]]`, for a reset. */
export function rewriteOf({ tagRewrite }: Pick<Config, 'tagRewrite'>): Wishes['tagRewrite'] {
  const rewrite = new TagRewrite(tagRewrite)
  return {
    matches: compilePatterns(tagRewrite.flatMap(({ tags }) => tags)),
    // Prod's events are for those who tell changes apart by them.
    apply: ({ name, arches, extra }) =>
      rewrite.apply({ name, arches, extra: extra.map((row) => ({ ...row, prodEvent: 0 })), configEvent: 0 }),
  }
}

/** Modes that bring files of each build: not for what nobody follows. */
const OWN_FILES: ReadonlySet<string> = new Set(['copy', 'farm'])

/** Builds of a volume may be placed in different ways: by a rule that does not count for all, or since they are out of scope. */
function differs({ placement, scope }: Config): boolean {
  const [first] = placement
  if (placement.every(({ mode }) => mode === 'volume') || first === undefined) return false
  if (first.tags !== null || first.packages !== null || first.btypes !== null) return true
  return OWN_FILES.has(first.mode) && scope.builds !== 'all'
}
