import { getUser } from '../hub/calls-lookup.ts'
import type { Priority } from '../model/outcome.ts'
import type { Deps } from './deps.ts'

/** A user as prod's answers name it. */
export interface UserRef {
  readonly id: number
  readonly name: string
}

/**
 * Staging's ids of prod's users, by prod's id. Users that staging lacks are made with name, type and status as in prod,
 * nothing else (which takes one getUser each).
 */
export async function ensureUsers(
  deps: Deps,
  refs: readonly UserRef[],
  priority: Priority,
): Promise<Map<number, number>> {
  const distinct = [...new Map(refs.map((ref) => [ref.id, ref])).values()]
  if (distinct.length === 0) return new Map()
  const known = await deps.names.find(
    'user',
    distinct.map((ref) => ({ prodId: ref.id, name: ref.name })),
  )
  const unknown = distinct.filter((ref) => !known.has(ref.name))
  const answers = await deps.hub.read(
    unknown.map((ref) => getUser(ref.id)),
    { priority },
  )
  const made = await deps.names.ensure(
    'user',
    unknown.map((ref, i) => {
      const user = answers[i]
      return {
        prodId: ref.id,
        name: user?.name ?? ref.name,
        status: user?.status ?? 0,
        usertype: user?.usertype ?? 0,
      }
    }),
  )
  const ids = new Map<number, number>()
  for (const [i, ref] of unknown.entries()) {
    const id = made.get(answers[i]?.name ?? ref.name)
    if (id !== undefined) ids.set(ref.id, id)
  }
  for (const ref of distinct) {
    const id = known.get(ref.name)
    if (id !== undefined) ids.set(ref.id, id)
  }
  return ids
}
