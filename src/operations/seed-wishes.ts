import type { Config } from '../config/config.ts'
import type { PlacementChoice } from '../converge/deps.ts'
import type { Wishes } from '../seed/reset.ts'

/** What the configuration wants to be otherwise than in prod's dump. */
export function seedWishes(config: Config, placements: PlacementChoice): Wishes {
  const { seed, placement } = config
  return {
    channels: seed.channels,
    keepGrants: seed.keepGrants,
    users: seed.users,
    hosts: seed.hosts,
    principals: seed.principalRewrite,
    repoUrls: config.externalRepoRewrite,
    placeBuilds: {
      byBuild: new Set(placement.map(({ mode }) => mode)).size > 1,
      needsTags: placements.needsTags,
      choose: ({ name, btypes, tags, prodVolume }) => {
        const chosen = placements.choose({ name, btypes, tags })
        return { mode: chosen.mode, volume: placements.stagingVolume(chosen, prodVolume) }
      },
    },
  }
}
