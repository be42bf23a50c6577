import { queryHistory } from '../hub/calls-history.ts'
import type { Claim } from '../queue/queue.ts'
import type { Deps } from './deps.ts'
import { keyOf } from './named-row.ts'
import type { LeftAlone } from './settle.ts'

/**
 * The active settings of a tag. What is in a tag goes with it (kojihub.py _delete_tag revokes all of it at one event), so
 * whoever misses something in prod's tag asks for these afterwards: none means that the tag went, not what is in it.
 */
export function settingsOf(tagId: number) {
  return queryHistory(['tag_config'], { tag: tagId, active: true })
}

/** Prod deleted the tag: its own key decides, for the tag as a whole (a held deletion keeps what is in it). */
export async function leaveToTag(deps: Deps, claim: Claim, tagId: number): Promise<LeftAlone> {
  await deps.queue.mark([{ key: keyOf('tag', tagId), priority: claim.priority }])
  return { leftAlone: 'prod deleted the tag, whose own key settles what is in it' }
}
