import { queryHistory } from '../hub/calls-history.ts'
import { getPackage } from '../hub/calls-lookup.ts'
import type { ReadOptions } from '../hub/hub.ts'
import type { Key } from '../model/key.ts'
import type { Deps } from './deps.ts'

/**
 * Marks all that prod has in a tag, as sweeps: its package entries and its ordered listings. Asked only when staging has
 * just got the tag (or got it back), so that one key brings a tag whole; later changes have messages and history rows.
 *
 * The marks are bounded transactions of their own, before the one that makes the tag converged: a crash between them
 * finds the tag as new as before, and marks again.
 */
export async function markContent(deps: Deps, tagId: number, options: ReadOptions): Promise<void> {
  const { database, hub, queue } = deps
  const [history] = await hub.read(
    [queryHistory(['tag_packages', 'tag_listing'], { tag: tagId, active: true })],
    options,
  )
  const ids = new Map(history.tag_packages.map((row) => [row.packageName, row.packageId]))
  const tagged = [...new Set(history.tag_listing.map((row) => row.packageName))]
  // A listing without a package entry is hidden by the hub (kojihub.py readTaggedBuilds), but it is there.
  const strays = tagged.filter((name) => !ids.has(name))
  const packages = await hub.read(
    strays.map((name) => getPackage(name)),
    options,
  )
  for (const found of packages) if (found !== null) ids.set(found.name, found.id)

  const keys: Key[] = [
    ...history.tag_packages.map((row): Key => ({ kind: 'package', tagId, packageId: row.packageId })),
    ...tagged.flatMap((name): Key[] => {
      const packageId = ids.get(name)
      return packageId === undefined ? [] : [{ kind: 'tagged', tagId, packageId }]
    }),
  ]
  await queue.mark(keys.map((key) => ({ key, priority: 'sweep' })))
  await database.query(
    'scope.content-marked',
    `update staging_sync.scope_tag set content_marked_at = clock_timestamp()
      where tag_id = $1 and content_marked_at is null`,
    [tagId],
  )
}

/**
 * The same for a tag that staging had before something in scope needed it: while it was out of scope, all that happened in it
 * was left out.
 */
export async function markContentOnce(deps: Deps, tagId: number, options: ReadOptions): Promise<void> {
  const pending = await deps.database.query(
    'scope.content-pending',
    'select 1 from staging_sync.scope_tag where tag_id = $1 and content_marked_at is null',
    [tagId],
  )
  if (pending.length > 0) await markContent(deps, tagId, options)
}
