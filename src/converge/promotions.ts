import { getBuild, listBuilds } from '../hub/calls-build.ts'
import { getLastEvent } from '../hub/calls-lookup.ts'
import type { Call, ReadOptions } from '../hub/hub.ts'
import type { Key } from '../model/key.ts'
import type { ListedBuild } from '../model/records.ts'
import { secondsOfTimestamp, timestampOfSeconds } from '../model/time.ts'
import { findDrafts } from '../staging/drafts.ts'
import type { Deps } from './deps.ts'

/** How far back a promotion may lie that a message tells of now, on prod's clock. */
const RECENT_SECONDS = 3_600

/** Drafts of staging that are asked about, newest first, and builds that are looked at where promotions cannot be listed. */
const MAX_DRAFTS = 1_000
const NEWEST_BUILDS = 100

/**
 * A draft was promoted, and the message does not say which (fedmsg's build.promote has no body of use). So: the drafts that
 * staging has and that are none in prod any more, and the hub's newest promotions. Promoted builds that staging has as
 * such already come along: their keys find nothing to do.
 */
export async function findPromotions(deps: Deps, options: ReadOptions): Promise<Key[]> {
  const { hub } = deps
  const [drafts, [last]] = await Promise.all([findOwnedDrafts(deps), hub.read([getLastEvent()], options)])
  const since = timestampOfSeconds(secondsOfTimestamp(last.time) - RECENT_SECONDS)
  const [builds, [listed]] = await Promise.all([
    hub.read(
      drafts.map((id) => getBuild(id)),
      options,
    ),
    hub.read([promotedSince(since)], options),
  ])
  const ids = new Set<number>()
  for (const build of builds) if (build !== null && !build.draft) ids.add(build.id)
  for (const build of listed) {
    if (build.promotionTime !== null && build.promotionTime > since) ids.add(build.id)
  }
  return [...ids].map((buildId) => ({ kind: 'build', buildId }))
}

/** Hubs up to 1.35 cannot filter by the time of promotion: of those, the newest builds, most of which were never drafts. */
function promotedSince(since: string): Call<readonly ListedBuild[]> {
  const newest = listBuilds({ draft: false }, { order: '-build_id', limit: NEWEST_BUILDS })
  return { ...listBuilds({ promotedAfter: since }), lacking: { promotedAfter: newest } }
}

/** Prod's ids of the drafts that staging has from prod. */
async function findOwnedDrafts({ catalog, database, owner }: Deps): Promise<number[]> {
  if (!catalog.has('build', 'draft')) return []
  const ids = await findDrafts(database, owner.seedEvent)
  return ids.slice(-MAX_DRAFTS).reverse()
}
