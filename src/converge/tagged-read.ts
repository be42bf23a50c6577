import { queryHistory } from '../hub/calls-history.ts'
import type { Hub, ReadOptions } from '../hub/hub.ts'
import type { TagListingRow } from '../model/history-rows.ts'
import type { Key } from '../model/key.ts'
import type { Expectation, Priority } from '../model/outcome.ts'
import { settingsOf } from './tag-gone.ts'

export type TaggedKey = Extract<Key, { kind: 'tagged' }>

/** How prod is asked for a claim: at its priority, until the daemon stops. */
export type Reads = ReadOptions & { readonly priority: Priority }

/** What prod says of removals. */
export interface Removed {
  readonly revoked: readonly TagListingRow[]
  readonly tagIsThere: boolean
}

/** One package's builds in one tag, in prod. */
export interface TaggedInProd {
  /** active */
  readonly rows: readonly TagListingRow[]
  /** null: not asked for */
  readonly removed: Removed | null
}

/**
 * The active rows; with them the revoked ones where a message says that a build was untagged, so that the proof of it costs
 * no second round. Where some are active the tag is there, in the same statement of the hub's; else its settings tell
 * whether it was its deletion that emptied the list.
 */
export async function readTagged(
  hub: Hub,
  key: TaggedKey,
  expect: readonly Expectation[],
  options: Reads,
): Promise<TaggedInProd> {
  const withRevoked = expect.some(({ claim }) => claim === 'untagged')
  const [{ tag_listing: all }] = await hub.read([listingIn(key, withRevoked ? undefined : true)], options)
  if (!withRevoked) return { rows: all, removed: null }
  const rows = all.filter((row) => row.revokeEvent === null)
  const revoked = all.filter((row) => row.revokeEvent !== null)
  if (rows.length > 0) return { rows, removed: { revoked, tagIsThere: true } }
  const [tag] = await hub.read([settingsOf(key.tagId)], options)
  return { rows, removed: { revoked, tagIsThere: tag.tag_config.length > 0 } }
}

/** Without `active`: active and revoked rows. */
export function listingIn(key: TaggedKey, active?: boolean) {
  const only = active === undefined ? {} : { active }
  return queryHistory(['tag_listing'], { tag: key.tagId, package: key.packageId, ...only })
}
