import { SyncError } from '../errors.ts'

/**
 * What to make equal. A key is identity and nothing else: it carries prod ids, never what happened.
 *
 * | kind            | text                     | stands for                                                     |
 * | --------------- | ------------------------ | -------------------------------------------------------------- |
 * | `build`         | `build/101`              | a build, its rpms, archives, signatures, files                 |
 * | `tag`           | `tag/12`                 | a tag's name, settings, extra, inheritance, groups, ext. repos |
 * | `package`       | `package/12/34`          | one package's entry (block, owner, arches) in one tag          |
 * | `tagged`        | `tagged/12/34`           | the ordered list of one package's builds in one tag            |
 * | `target`        | `target/5`               | a build target                                                 |
 * | `external-repo` | `external-repo/7`        | an external repository                                         |
 * | `lookup`        | `lookup/tagged/f43/bash` | names that are yet to be turned into one of the above          |
 *
 * A message often has names only, and it must be durable before prod is asked anything. So a `lookup` key
 * is what is marked; converging it asks prod for the ids and marks the real key.
 */
export type Key =
  | { readonly kind: 'build'; readonly buildId: number }
  | { readonly kind: 'tag'; readonly tagId: number }
  | { readonly kind: 'package'; readonly tagId: number; readonly packageId: number }
  | { readonly kind: 'tagged'; readonly tagId: number; readonly packageId: number }
  | { readonly kind: 'target'; readonly targetId: number }
  | { readonly kind: 'external-repo'; readonly repoId: number }
  | { readonly kind: 'lookup'; readonly what: LookupKind; readonly names: readonly string[] }

/**
 * `tagged` and `package`: [tag, package]. `build`: [nvr]. `tag`, `target`, `external-repo`: [name].
 * `promotions`: [] (a draft was promoted, nobody says which). A name of digits only is an id.
 */
export type LookupKind = 'tagged' | 'package' | 'build' | 'tag' | 'target' | 'external-repo' | 'promotions'

export type KeyKind = Key['kind']

const LOOKUP_ARITY: Record<LookupKind, number> = {
  tagged: 2,
  package: 2,
  build: 1,
  tag: 1,
  target: 1,
  'external-repo': 1,
  promotions: 0,
}

export function formatKey(key: Key): string {
  switch (key.kind) {
    case 'build':
      return `build/${key.buildId}`
    case 'tag':
      return `tag/${key.tagId}`
    case 'package':
    case 'tagged':
      return `${key.kind}/${key.tagId}/${key.packageId}`
    case 'target':
      return `target/${key.targetId}`
    case 'external-repo':
      return `external-repo/${key.repoId}`
    case 'lookup':
      return ['lookup', key.what, ...key.names.map(encodeURIComponent)].join('/')
  }
}

/** Reads what `formatKey` wrote. Throws KEY_INVALID for anything else. */
export function parseKey(text: string): Key {
  const [kind, ...rest] = text.split('/')
  if (kind === 'lookup') return parseLookup(text, rest)
  const ids = rest.map((part) => (/^(0|[1-9][0-9]*)$/.test(part) ? Number(part) : Number.NaN))
  const [a, b] = ids
  const sane = ids.every((id) => Number.isSafeInteger(id))
  if (sane && a !== undefined && ids.length === 1) {
    if (kind === 'build') return { kind, buildId: a }
    if (kind === 'tag') return { kind, tagId: a }
    if (kind === 'target') return { kind, targetId: a }
    if (kind === 'external-repo') return { kind, repoId: a }
  }
  if (sane && a !== undefined && b !== undefined && ids.length === 2) {
    if (kind === 'package' || kind === 'tagged') return { kind, tagId: a, packageId: b }
  }
  throw invalid(text)
}

function parseLookup(text: string, rest: string[]): Key {
  const [what, ...parts] = rest
  if (what === undefined || !Object.hasOwn(LOOKUP_ARITY, what)) throw invalid(text)
  if (parts.length !== LOOKUP_ARITY[what as LookupKind] || parts.some((part) => part === ''))
    throw invalid(text)
  try {
    return { kind: 'lookup', what: what as LookupKind, names: parts.map(decodeURIComponent) }
  } catch {
    throw invalid(text)
  }
}

/**
 * What a person typed (`build/101`, `build/bash-5.2-1.fc43`, `tag/f43`, `tagged/f43/bash`): ids as they
 * are, names as a lookup. Throws KEY_INVALID.
 */
export function parseTypedKey(text: string): Key {
  try {
    return parseKey(text)
  } catch {
    const [what, ...names] = text.split('/')
    if (what === undefined || what === 'lookup' || what === 'promotions') throw invalid(text)
    return parseLookup(text, [what, ...names.map(encodeURIComponent)])
  }
}

function invalid(text: string): SyncError {
  return new SyncError(
    'KEY_INVALID',
    `not a key: ${JSON.stringify(text)}; a key looks like build/101, tag/f43, tagged/f43/bash, package/f43/bash, target/f43, external-repo/epel9`,
    { detail: { text } },
  )
}
