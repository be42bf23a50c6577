import { getUser } from '../hub/calls-lookup.ts'
import type { Priority } from '../model/outcome.ts'
import { findOwned } from '../staging/owned.ts'
import type { Deps } from './deps.ts'

/** A user as prod's answers name it. */
export interface UserRef {
  readonly id: number
  readonly name: string
}

/**
 * Staging's ids of prod's users, by prod's id. Users that staging lacks are made with name, type and status as in prod,
 * nothing else (which takes one getUser each). `signal` ends that reading.
 */
export async function ensureUsers(
  deps: Deps,
  refs: readonly UserRef[],
  priority: Priority,
  signal?: AbortSignal,
): Promise<Map<number, number>> {
  const distinct = [...new Map(refs.map((ref) => [ref.id, ref])).values()]
  if (distinct.length === 0) return new Map()
  const owned = await findOwned(
    deps.database,
    'user',
    distinct.map((ref) => ref.id),
  )
  const unknown = distinct.filter((ref) => !owned.has(ref.id))
  const answers = await deps.hub.read(
    unknown.map((ref) => getUser(ref.id)),
    signal === undefined ? { priority } : { priority, signal },
  )
  const fresh = unknown.map((ref, i) => {
    const user = answers[i] ?? null
    return {
      prodId: ref.id,
      name: user?.name ?? ref.name,
      columns: { status: user?.status ?? 0, usertype: user?.usertype ?? 0 },
    }
  })
  const known = distinct.filter((ref) => owned.has(ref.id)).map((ref) => ({ prodId: ref.id, name: ref.name }))
  const made = await deps.names.ensure('user', [...known, ...fresh])
  return new Map(
    [...known, ...fresh].flatMap(({ prodId, name }): [number, number][] => {
      const id = made.get(name)
      return id === undefined ? [] : [[prodId, id]]
    }),
  )
}
