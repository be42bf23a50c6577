import { KeyError } from '../errors.ts'
import { getBuild } from '../hub/calls-build.ts'
import { getBuildTarget, getExternalRepo, getPackage } from '../hub/calls-lookup.ts'
import { getTag } from '../hub/calls-tag.ts'
import type { Call, ReadOptions } from '../hub/hub.ts'
import { formatKey, type Key } from '../model/key.ts'
import { keepAge } from '../queue/age.ts'
import type { Claim } from '../queue/queue.ts'
import type { Converged, Converger, Deps } from './deps.ts'
import { isNoSuchId } from './gone.ts'
import { findTag } from './identify.ts'
import { keyOf, type NamedRowKind } from './named-row.ts'
import { findPromotions } from './promotions.ts'
import { isSideTag } from './scope.ts'
import { skipped } from './wait.ts'

type LookupKey = Extract<Key, { kind: 'lookup' }>

/** What names stand for: keys, or why there are none. `unknown`: prod has no such name, so far. */
export type Found =
  | { readonly kind: 'keys'; readonly keys: readonly Key[] }
  | { readonly kind: 'unknown'; readonly reason: string }
  | { readonly kind: 'outside'; readonly reason: string }

/** How often a name without a claim is asked for, with backoff: a message may precede prod's commit. */
const MAX_ASKED = 3

/**
 * Turns names into ids by prod's hub and marks the real key, with what was claimed of it, in the transaction that ends this
 * one. A name of digits only is an id. A live change is as old as its message: the lag counts the time that this took.
 *
 * | prod has the name     | the mark claimed something | then                                                        |
 * | --------------------- | -------------------------- | ----------------------------------------------------------- |
 * | yes                   |                            | the real key is marked                                      |
 * | no, staging has it from prod (deleted there) |     | the real key is marked                                      |
 * | no                    | yes                        | looked at again by the schedule of unmet claims             |
 * | no                    | no                         | LOOKUP_UNKNOWN, three times with backoff, then skipped      |
 */
export class LookupConverger implements Converger<LookupKey> {
  readonly #deps: Deps
  constructor(deps: Deps) {
    this.#deps = deps
  }

  async converge(key: LookupKey, claim: Claim, signal: AbortSignal): Promise<Converged> {
    const { database, queue } = this.#deps
    const { priority } = claim
    const found = await resolveLookup(this.#deps, key, { priority, signal })
    if (found.kind === 'outside') return skipped(found.reason)
    const expect = claim.expect.map(({ subject, claim: claimed }) => ({ subject, claim: claimed }))
    if (found.kind === 'unknown') {
      if (expect.length === 0 && claim.attempts + 1 < MAX_ASKED) {
        throw new KeyError('LOOKUP_UNKNOWN', found.reason, { detail: { key: formatKey(key) } })
      }
      return { ...skipped(found.reason), unmet: expect }
    }
    await database.transaction('lookup', async (tx) => {
      await queue.markIn(
        tx,
        found.keys.map((real) =>
          expect.length === 0 ? { key: real, priority } : { key: real, priority, expect },
        ),
      )
      if (priority === 'live') await keepAge(tx, found.keys, claim.markedAtMs)
      await queue.fence(tx, claim)
    })
    return { outcome: { kind: 'unchanged' }, unmet: [], fenced: true }
  }
}

/** The keys that a lookup stands for, asked of prod. Marks nothing. */
export async function resolveLookup(deps: Deps, key: LookupKey, options: ReadOptions): Promise<Found> {
  const [first = '', second = ''] = key.names
  switch (key.what) {
    case 'promotions':
      return { kind: 'keys', keys: await findPromotions(deps, options) }
    case 'build':
      return single(await find(deps, getBuild, first, options), `build ${first}`, (buildId) => ({
        kind: 'build',
        buildId,
      }))
    case 'tag':
      return single(await findOrOwned(deps, 'tag', getTag, first, options), `tag ${first}`, (id) =>
        keyOf('tag', id),
      )
    case 'target':
      return single(
        await findOrOwned(deps, 'build_target', getBuildTarget, first, options),
        `build target ${first}`,
        (id) => keyOf('build_target', id),
      )
    case 'external-repo':
      return single(
        await findOrOwned(deps, 'external_repo', getExternalRepo, first, options),
        `external repo ${first}`,
        (id) => keyOf('external_repo', id),
      )
    case 'tagged':
    case 'package':
      return inTag(deps, { kind: key.what, tag: first, package: second }, options)
  }
}

/** One package in one tag. A tag that neither scope nor staging has ends it here: busy side tags cost no second key. */
async function inTag(
  deps: Deps,
  names: { readonly kind: 'tagged' | 'package'; readonly tag: string; readonly package: string },
  options: ReadOptions,
): Promise<Found> {
  const { database, owner, scope } = deps
  const [tag, found] = await Promise.all([
    findOrOwned(deps, 'tag', getTag, names.tag, options),
    find(deps, getPackage, names.package, options),
  ])
  if (tag === null) return unknown(`tag ${names.tag}`)
  if (found === null) return unknown(`package ${names.package}`)
  const { shown } = tag
  if (shown !== null && (await findTag(database, owner, tag.id)) === null) {
    const { id, name } = shown
    const covered = await scope.covers(database, { id, name, sideTag: isSideTag(shown) })
    if (!covered) return { kind: 'outside', reason: `tag ${name} is out of scope` }
  }
  return { kind: 'keys', keys: [{ kind: names.kind, tagId: tag.id, packageId: found.id }] }
}

/** An id, with prod's answer where it was asked for. */
interface Identified<T> {
  readonly id: number
  readonly shown: T | null
}

type AskByName<T> = (idOrName: number | string) => Call<T | null>

function single(found: Identified<unknown> | null, what: string, toKey: (id: number) => Key): Found {
  return found === null ? unknown(what) : { kind: 'keys', keys: [toKey(found.id)] }
}

function unknown(what: string): Found {
  return { kind: 'unknown', reason: `prod has no ${what}` }
}

/** A name of digits only is an id, as it is; null: prod has nothing of that name. */
async function find<T extends { readonly id: number }>(
  deps: Deps,
  ask: AskByName<T>,
  name: string,
  options: ReadOptions,
): Promise<Identified<T> | null> {
  if (/^[0-9]+$/.test(name)) {
    const id = Number(name)
    return Number.isSafeInteger(id) ? { id, shown: null } : null
  }
  try {
    const [shown] = await deps.hub.read([ask(name)], options)
    return shown === null ? null : { id: shown.id, shown }
  } catch (error) {
    // What is no NVR (kojihub.py find_build_id) or no possible name.
    if (isNoSuchId(error)) return null
    throw error
  }
}

/** The same; of what prod shows no longer, the id that staging has recorded for the name. */
async function findOrOwned<T extends { readonly id: number }>(
  deps: Deps,
  kind: NamedRowKind,
  ask: AskByName<T>,
  name: string,
  options: ReadOptions,
): Promise<Identified<T> | null> {
  const found = await find(deps, ask, name, options)
  if (found !== null) return found
  const [owned] = await deps.database.query<{ prod_id: number }>(
    `lookup.owned.${kind}`,
    `select o.prod_id from ${kind} t join staging_sync.owned o on o.kind = $2 and o.staging_id = t.id
      where t.name = $1`,
    [name, kind],
  )
  return owned === undefined ? null : { id: owned.prod_id, shown: null }
}
