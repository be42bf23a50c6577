import { getTag } from '../hub/calls-tag.ts'
import type { Priority } from '../model/outcome.ts'
import type { Deps } from './deps.ts'
import { keyOf } from './named-row.ts'
import { isSideTag } from './scope.ts'

/** A tag that something in scope needs, as prod names it. */
export interface NeededTag {
  readonly id: number
  readonly name: string
  /** `parent of f43` */
  readonly reason: string
  /** staging has it already */
  readonly present: boolean
}

/**
 * Takes into scope the tags that something in scope needs though no pattern names them (also excluded ones and side tags:
 * what is needed is needed). Writes nothing when all are covered.
 */
export async function closeScope(deps: Deps, tags: readonly NeededTag[], priority: Priority): Promise<void> {
  const { hub, database, scope } = deps
  // That a tag is a side tag, only its extra tells; staging would not have one that scope leaves out.
  const absent = tags.filter((tag) => !tag.present)
  const answers = await hub.read(
    absent.map((tag) => getTag(tag.id)),
    { priority },
  )
  const sideTags = new Set(answers.flatMap((tag) => (tag !== null && isSideTag(tag) ? [tag.id] : [])))
  const outside: NeededTag[] = []
  for (const tag of tags) {
    const covered = await scope.covers(database, { ...tag, sideTag: sideTags.has(tag.id) })
    if (!covered) outside.push(tag)
  }
  await takeIntoScope(deps, outside, priority)
}

/**
 * Marks what was not in scope before in the transaction that takes it in: whatever happened in such a tag was left out as
 * handled, also where staging has the tag already. Its own key marks its content (tag-content.ts `markContentOnce`).
 */
export async function takeIntoScope(
  deps: Pick<Deps, 'database' | 'scope' | 'queue'>,
  tags: readonly { readonly id: number; readonly reason: string }[],
  priority: Priority,
): Promise<void> {
  const { database, scope, queue } = deps
  if (tags.length === 0) return
  await database.transaction('scope.close', async (tx) => {
    const fresh = await scope.include(tx, tags)
    await queue.markIn(
      tx,
      fresh.map((id) => ({ key: keyOf('tag', id), priority })),
    )
  })
}
