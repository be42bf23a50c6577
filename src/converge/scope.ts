import { LRUCache } from 'lru-cache'
import { getTag } from '../hub/calls-tag.ts'
import type { Hub } from '../hub/hub.ts'
import type { Priority } from '../model/outcome.ts'
import { compilePatterns, idlePatterns, type NameMatcher } from '../model/pattern.ts'
import type { Tag } from '../model/tag-records.ts'
import type { Sql, Tx } from '../staging/database.ts'

export interface ScopeOptions {
  /** shell patterns of tag names */
  readonly tags: readonly string[]
  readonly excludeTags: readonly string[]
  readonly builds: 'tagged' | 'all'
  readonly sideTags: boolean
}

/** What a tag is called in prod, as far as scope must know it. */
export interface ScopedTag {
  readonly id: number
  readonly name: string
  readonly sideTag: boolean
}

/** How long a "no" is remembered: a tag may be renamed into scope, and its own key will tell. */
const OUTSIDE_TTL_MS = 60_000

/**
 * Which tags are replicated: those that a pattern names, less the excluded ones and side tags, closed over inheritance
 * and build targets (`staging_sync.scope_tag` holds what the closure added, so that every daemon agrees).
 */
export class Scope {
  readonly builds: 'tagged' | 'all'
  readonly #patterns: readonly string[]
  readonly #included: NameMatcher
  readonly #excluded: NameMatcher
  readonly #sideTags: boolean
  readonly #outside = new LRUCache<number, string>({ max: 10_000, ttl: OUTSIDE_TTL_MS })

  constructor(options: ScopeOptions) {
    this.#patterns = options.tags
    this.#included = compilePatterns(options.tags)
    this.#excluded = compilePatterns(options.excludeTags)
    this.#sideTags = options.sideTags
    this.builds = options.builds
  }

  /** Patterns of the configuration that cover none of these names, prod's tags: mistyped, or not there yet. */
  idle(names: readonly string[]): readonly string[] {
    return idlePatterns(this.#patterns, names)
  }

  /** By name alone, without the closure. */
  names(tag: ScopedTag): boolean {
    if (this.#excluded(tag.name)) return false
    if (tag.sideTag && !this.#sideTags) return false
    return this.#included(tag.name)
  }

  async covers(sql: Sql, tag: ScopedTag): Promise<boolean> {
    if (this.names(tag)) return true
    const rows = await sql.query<{ tag_id: number }>(
      'scope.covers',
      'select tag_id from staging_sync.scope_tag where tag_id = $1',
      [tag.id],
    )
    return rows.length > 0
  }

  /**
   * Why a tag that staging has is left as it is: it left scope, or came with a copy of prod and never was in it. null: it is
   * in scope. `sideTag` is looked up in staging when absent.
   */
  async whyFrozen(
    sql: Sql,
    tag: { readonly id: number; readonly name: string; readonly sideTag?: boolean },
  ): Promise<string | null> {
    const sideTag = tag.sideTag ?? (await this.#isSideTagHere(sql, tag.id))
    if (await this.covers(sql, { id: tag.id, name: tag.name, sideTag })) return null
    return `tag ${tag.name} is out of scope: staging keeps it as it is`
  }

  /** Whether staging's tag of a prod tag is a side tag. */
  async #isSideTagHere(sql: Sql, tagId: number): Promise<boolean> {
    if (this.#sideTags) return false
    const rows = await sql.query(
      'scope.side-tag',
      `select 1 from tag_extra where active and key = 'sidetag' and value = 'true' and tag_id =
         coalesce((select staging_id from staging_sync.owned where kind = 'tag' and prod_id = $1::bigint), $1)`,
      [tagId],
    )
    return rows.length > 0
  }

  /** Prod's tags that the closure needs though no pattern names them. Returns those that are new. */
  async include(tx: Tx, tags: readonly { id: number; reason: string }[]): Promise<number[]> {
    if (tags.length === 0) return []
    for (const tag of tags) this.#outside.delete(tag.id)
    const sorted = [...tags].sort((a, b) => a.id - b.id)
    const rows = await tx.query<{ tag_id: number }>(
      'scope.include',
      `insert into staging_sync.scope_tag (tag_id, reason)
       select * from unnest($1::bigint[], $2::text[])
       on conflict (tag_id) do nothing
       returning tag_id`,
      [sorted.map((tag) => tag.id), sorted.map((tag) => tag.reason)],
    )
    return rows.map((row) => row.tag_id)
  }

  /**
   * Why a tag that staging does not have is left out, asked of prod; null: it is in scope (its own key must come first).
   * Answers of "no" are cached for a minute, so that a busy side tag costs one call. `signal` ends the asking.
   */
  async whyOutside(
    hub: Hub,
    sql: Sql,
    tagId: number,
    priority: Priority,
    signal?: AbortSignal,
  ): Promise<string | null> {
    const known = this.#outside.get(tagId)
    if (known !== undefined) return known
    const [tag] = await hub.read([getTag(tagId)], signal === undefined ? { priority } : { priority, signal })
    const reason =
      tag === null
        ? 'prod has no such tag'
        : (await this.covers(sql, { id: tag.id, name: tag.name, sideTag: isSideTag(tag) }))
          ? null
          : `tag ${tag.name} is out of scope`
    if (reason !== null) this.#outside.set(tagId, reason)
    return reason
  }
}

/** The sidetag hub plugin marks its tags so in their extra (plugins/hub/sidetag_hub.py createSideTag). */
export function isSideTag(tag: Tag): boolean {
  return tag.extra.some((item) => item.key === 'sidetag' && item.value === true)
}
