import { formatKey, type Key } from '../model/key.ts'
import type { Expectation, Mark } from '../model/outcome.ts'
import type { KojiMessage } from './decode.ts'

/** Prod's id of a name where a cache has it, null otherwise: no I/O. */
export type IdOfName = (name: string) => number | null

export interface KnownIds {
  /** Koji never renames a package, so an id once seen stays right. */
  readonly package: IdOfName
  /** Tags are renamed, also swapped: only a cache that follows renames may answer. */
  readonly tag: IdOfName
}

export type Hints =
  | { readonly kind: 'marks'; readonly marks: readonly Mark[] }
  /** `not-acted-on`: repo.* and task.*, which change nothing that is replicated. */
  | { readonly kind: 'ignored'; readonly reason: string }
  /** `ambiguous:NAME`: a name of digits only, which a lookup key would read as an id. */
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * Which keys a message says may have changed, and what it claims of them. Pure.
 *
 * `tag` marks the listing alone and not the tagged build: most taggings move a build that staging has (a build goes
 * through some five tags), and where it is missing the listing waits for it and has it marked at its own priority.
 * Marking both would cost the hub a whole build's calls with each tagging.
 *
 * A package's entry (`package`) and its builds (`tagged`) are rows of their own, so one never marks the other.
 */
export function hintsOf(message: KojiMessage, known: KnownIds): Hints {
  switch (message.topic) {
    case 'build.state.change':
      return marks(buildKey(message), stateClaim(message.state))
    case 'tag':
    case 'untag':
      return inTag('tagged', message, known, taggingClaim(message))
    case 'package.list.change':
      return inTag('package', { ...message, tagId: null }, known, listingClaim(message))
    case 'rpm.sign':
      return signed(buildKey(message), signatureClaim(message))
    case 'build.promote':
      return marks({ kind: 'lookup', what: 'promotions', names: [] }, [])
    case 'repo.init':
    case 'repo.done':
    case 'task.state.change':
      return { kind: 'ignored', reason: 'not-acted-on' }
  }
}

/**
 * One mark per key of many messages in the order in which they came, with the newest claim per subject: what a batch hands
 * to the queue. A lookup key carries what is claimed of the key that it leads to.
 */
export function mergeMarks(marks: readonly Mark[]): Mark[] {
  const byKey = new Map<string, Merged>()
  for (const mark of marks) {
    const text = formatKey(mark.key)
    const merged = byKey.get(text) ?? {
      key: mark.key,
      priority: mark.priority,
      claims: new Map(),
      only: true,
    }
    if (mark.priority === 'live') merged.priority = 'live'
    for (const claim of mark.expect ?? []) merged.claims.set(claim.subject, claim)
    merged.only &&= mark.onlyExpected === true
    byKey.set(text, merged)
  }
  return [...byKey.values()].map(({ key, priority, claims, only }) => ({
    ...mark(key, [...claims.values()], priority),
    ...(only ? { onlyExpected: true } : {}),
  }))
}

interface Merged {
  readonly key: Key
  priority: Mark['priority']
  readonly claims: Map<string, Expectation>
  only: boolean
}

function mark(key: Key, expect: readonly Expectation[], priority: Mark['priority'] = 'live'): Mark {
  return expect.length === 0 ? { key, priority } : { key, priority, expect }
}

function marks(key: Key, expect: readonly Expectation[]): Hints {
  return { kind: 'marks', marks: [mark(key, expect)] }
}

/** A signature changes nothing else of its build. */
function signed(key: Key, expect: readonly Expectation[]): Hints {
  const all = mark(key, expect)
  return {
    kind: 'marks',
    marks: [key.kind === 'build' && expect.length > 0 ? { ...all, onlyExpected: true } : all],
  }
}

function buildKey(message: { readonly buildId: number | null; readonly nvr: string | null }): Key {
  if (message.buildId !== null) return { kind: 'build', buildId: message.buildId }
  return { kind: 'lookup', what: 'build', names: [message.nvr ?? ''] }
}

function inTag(
  what: 'tagged' | 'package',
  names: { readonly tagId: number | null; readonly tag: string; readonly package: string },
  known: KnownIds,
  expect: readonly Expectation[],
): Hints {
  const tagId = names.tagId ?? known.tag(names.tag)
  const packageId = known.package(names.package)
  if (tagId !== null && packageId !== null) return marks({ kind: what, tagId, packageId }, expect)
  if (tagId === null && looksLikeId(names.tag)) return { kind: 'refused', reason: 'ambiguous:tag' }
  if (packageId === null && looksLikeId(names.package))
    return { kind: 'refused', reason: 'ambiguous:package' }
  const parts = [String(tagId ?? names.tag), String(packageId ?? names.package)]
  return marks({ kind: 'lookup', what, names: parts }, expect)
}

function looksLikeId(name: string): boolean {
  return /^[0-9]+$/.test(name)
}

function stateClaim(state: number | null): Expectation[] {
  return state === null ? [] : [{ subject: 'state', claim: String(state) }]
}

function taggingClaim(message: { topic: 'tag' | 'untag'; buildId: number | null }): Expectation[] {
  if (message.buildId === null) return []
  return [{ subject: `build:${message.buildId}`, claim: message.topic === 'tag' ? 'tagged' : 'untagged' }]
}

/** The empty key stands for the unsigned header, of which nothing is claimed. */
function signatureClaim(message: { nvra: string; sigkey: string }): Expectation[] {
  return message.sigkey === '' ? [] : [{ subject: `sig:${message.nvra}:${message.sigkey}`, claim: 'present' }]
}

/**
 * What the package list shows after an action (kojihub.py `_direct_pkglist_add`, `_direct_pkglist_remove`,
 * `pkglist_unblock`): `update` stands for new owners and arches too, of a blocked entry as well, which only `block` tells.
 */
function listingClaim(message: { action: string | null; block: boolean | null }): Expectation[] {
  const claim = (value: string): Expectation[] => [{ subject: 'listing', claim: value }]
  switch (message.action) {
    case 'add':
      return claim(message.block === true ? 'blocked' : 'listed')
    case 'update':
      return message.block === null ? [] : claim(message.block ? 'blocked' : 'listed')
    case 'block':
      return claim('blocked')
    case 'unblock':
      return claim('unblocked')
    case 'remove':
      return claim('absent')
    default:
      return []
  }
}
