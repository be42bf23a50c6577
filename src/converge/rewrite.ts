import type { Config, TagRewriteRule } from '../config/config.ts'
import { toKojiJson } from '../model/koji-json.ts'
import { compilePatterns, type NameMatcher } from '../model/pattern.ts'
import { Double, type Value } from '../model/value.ts'

/*
 * What the configuration wants to differ in staging. Pure. Prod's rows are rewritten before they are compared, so that
 * equality means "as the rules want it".
 */

/** One row of a tag's extra, by the text of its column; null is a blocked key. */
export interface ExtraRow {
  readonly key: string
  readonly value: string | null
  readonly prodEvent: number
}

export interface RewrittenTag {
  readonly arches: string | null
  readonly extra: readonly ExtraRow[]
  /** Keys that prod shows and a rule takes away, with prod's event of each. */
  readonly removed: ReadonlyMap<string, number>
}

/** The rules of `[[tag_rewrite]]`: all that match are applied, in order; they match by prod's name of the tag. */
export class TagRewrite {
  readonly #rules: readonly { readonly matches: NameMatcher; readonly rule: TagRewriteRule }[]

  constructor(rules: Config['tagRewrite']) {
    this.#rules = rules.map((rule) => ({ matches: compilePatterns(rule.tags), rule }))
  }

  /** `configEvent`: prod's event of the tag's config, for what only a rule sets. */
  apply(tag: {
    readonly name: string
    readonly arches: string | null
    readonly extra: readonly ExtraRow[]
    readonly configEvent: number
  }): RewrittenTag {
    let { arches } = tag
    const extra = new Map(tag.extra.map((row) => [row.key, row]))
    for (const { matches, rule } of this.#rules) {
      if (!matches(tag.name)) continue
      if (rule.arches !== null) arches = keepArches(arches, rule.arches)
      for (const [key, value] of Object.entries(rule.extra)) {
        if (value === null) extra.delete(key)
        else {
          const prodEvent = extra.get(key)?.prodEvent ?? tag.configEvent
          extra.set(key, { key, value: toKojiJson(tomlValue(value)), prodEvent })
        }
      }
    }
    const removed = tag.extra.filter((row) => !extra.has(row.key))
    return {
      arches,
      extra: [...extra.values()],
      removed: new Map(removed.map((row) => [row.key, row.prodEvent])),
    }
  }
}

/** Those of a tag's blank-separated arches that are listed, in prod's order. A tag without arches stays without. */
function keepArches(arches: string | null, keep: readonly string[]): string | null {
  if (arches === null) return null
  const all = arches.split(/[\s,]+/).filter((arch) => arch !== '')
  const kept = all.filter((arch) => keep.includes(arch))
  return kept.length === all.length ? arches : kept.join(' ')
}

/** What TOML holds, as Koji's JSON has it: a number with a fraction is a double. */
function tomlValue(value: unknown): Value {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : new Double(value)
  if (Array.isArray(value)) return value.map(tomlValue)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, tomlValue(member)]))
  }
  return value as Value
}

/**
 * The URL of an external repo in staging: the first rule of `[[external_repo_rewrite]]` whose regular expression is found
 * in it counts; what was found is replaced, once, `$1` being the first group.
 */
export function rewriteUrl(url: string, rules: Config['externalRepoRewrite']): string {
  for (const { match, replace } of rules) {
    const pattern = new RegExp(match)
    if (pattern.test(url)) return url.replace(pattern, replace)
  }
  return url
}
