import type { Deps } from '../converge/deps.ts'
import type { ProdTag } from '../converge/tag-observe.ts'
import type { ReadOptions } from '../hub/hub.ts'
import type { IdSet } from './id-set.ts'
import { again } from './look-twice.ts'
import { type ProdRpms, readTaggedRpms } from './prod-rpms.ts'
import type { NamedBuild } from './staging-builds.ts'
import { here, isCovered, readTag, type WholeTag } from './tag.ts'

/** A tag as prod shows it, read whole. */
export interface WalkedTag {
  readonly tag: WholeTag
  /** those in it that no tag before had */
  readonly builds: readonly NamedBuild[]
  /** of those builds; null: they are to be read in pieces */
  readonly rpms: ProdRpms | null
}

/**
 * Tags one by one, each with all that it inherits from. `seen` gathers the builds; `needed` are tags that are to be walked though
 * scope does not name them, and grows by parents. Throws AgainError for one that never rests, StopError, OutageError.
 */
export async function* walkTags(
  deps: Deps,
  from: { readonly roots: readonly number[]; readonly needed: Set<number>; readonly seen: IdSet },
  limits: { readonly listRows: number; readonly tagBuilds: number; readonly packages: number },
  options: ReadOptions & { readonly signal: AbortSignal },
): AsyncGenerator<WalkedTag, void> {
  const { roots, needed, seen } = from
  const { signal } = options
  const accept = async (tag: ProdTag): Promise<boolean> => needed.has(tag.tag.id) || isCovered(deps, tag)
  const whole = async (tag: WholeTag, builds: readonly NamedBuild[]): Promise<WalkedTag> => {
    const at = { id: tag.tag.id, builds: tag.builds.length }
    const isOne = builds.length > 0 && tag.builds.length <= limits.tagBuilds
    if (!isOne) return { tag, builds, rpms: null }
    const read = async () => readTaggedRpms(deps.hub, at, await here(deps, builds), limits, options)
    return { tag, builds, rpms: await again(read, signal) }
  }
  /** its rpms are on their way while the next one's lists are asked for: the hub always has something to do */
  let before: Promise<WalkedTag> | null = null
  // A set goes on over what is added to it meanwhile.
  const work = new Set([...roots, ...needed])
  for (const tagId of work) {
    const tag = await again(() => readTag(deps, tagId, accept, limits.listRows, options), signal)
    if (tag === null) continue
    for (const { parentId } of tag.rows.tag_inheritance) {
      needed.add(parentId)
      work.add(parentId)
    }
    const builds = tag.builds.filter(({ id }) => !seen.has(id))
    for (const { id } of builds) seen.add(id)
    const now = whole(tag, builds)
    // Told when its turn comes; until then nobody listens.
    now.catch(() => {})
    if (before !== null) yield await before
    before = now
  }
  if (before !== null) yield await before
}
