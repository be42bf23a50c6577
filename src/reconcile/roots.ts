import type { Deps } from '../converge/deps.ts'
import { SyncError } from '../errors.ts'
import { compilePatterns } from '../model/pattern.ts'
import type { ListedTag } from '../model/tag-records.ts'

/**
 * Which of prod's tags to begin with: all in scope by name, or those of them that the given names and patterns cover. Whether
 * one is a side tag is not known yet.
 *
 * Throws SyncError RECONCILE_TAG_UNKNOWN for a name or pattern that covers no tag of prod, RECONCILE_OUT_OF_SCOPE for one that
 * covers only tags that are not replicated, PATTERN_INVALID.
 */
export async function chooseRoots(
  deps: Deps,
  tags: readonly ListedTag[],
  patterns: readonly string[],
): Promise<ListedTag[]> {
  const covered: ListedTag[] = []
  for (const tag of tags) {
    if (await deps.scope.covers(deps.database, { id: tag.id, name: tag.name, sideTag: false }))
      covered.push(tag)
  }
  if (patterns.length === 0) return covered
  for (const pattern of patterns) {
    const matches = compilePatterns([pattern])
    if (!tags.some(({ name }) => matches(name))) {
      throw new SyncError('RECONCILE_TAG_UNKNOWN', `prod has no tag ${pattern}`, { detail: { pattern } })
    }
    if (!covered.some(({ name }) => matches(name))) {
      const text = `tag ${pattern} is not replicated: see scope.tags and scope.exclude_tags`
      throw new SyncError('RECONCILE_OUT_OF_SCOPE', text, { detail: { pattern } })
    }
  }
  const matches = compilePatterns(patterns)
  return covered.filter(({ name }) => matches(name))
}
