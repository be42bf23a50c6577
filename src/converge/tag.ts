import { AgainError } from '../errors.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { Claim } from '../queue/queue.ts'
import type { Sql } from '../staging/database.ts'
import { lastMapped } from '../staging/events.ts'
import { TAG_SETTINGS } from '../staging/versioned-tables.ts'
import { closeScope } from './closure.ts'
import type { Converged, Converger, Deps } from './deps.ts'
import { lostByHub, readGone, readName } from './gone.ts'
import { findGroups } from './groups.ts'
import { findNamedRow, findNamedRows, keyOf, type NamedRow, placeNamedRow } from './named-row.ts'
import { askNames, nameDifference } from './naming.ts'
import type { Op } from './ops.ts'
import { type RewrittenTag, TagRewrite } from './rewrite.ts'
import { isSideTag } from './scope.ts'
import { type Difference, type Plan, type Proofs, settle } from './settle.ts'
import { markContent, markContentOnce } from './tag-content.ts'
import { deleteTag } from './tag-delete.ts'
import { observeTag, type ProdTag, readRevoked, type TagTable } from './tag-observe.ts'
import { type MissingRef, mapSidetagUser, resolveTagRefs } from './tag-refs.ts'
import { type TagIds, tagRows } from './tag-rows.ts'
import type { Clash } from './versioned-diff.ts'
import { proofsOf, type View, viewDifference } from './versioned-plan.ts'
import { MAX_WAITS, skipped, waitFor } from './wait.ts'

type TagKey = Extract<Key, { kind: 'tag' }>

/**
 * A tag: its name, config, extra, inheritance, external repos and groups.
 *
 * The identity row comes first, in a transaction of its own: others can refer to the tag while this key waits for its
 * parents and external repos, so that cycles are no cycles. Then the settings come at once, in one transaction; without
 * config a tag does not exist for Koji, so nobody sees half a tag.
 */
export class TagConverger implements Converger<TagKey> {
  readonly #deps: Deps
  readonly #rewrite: TagRewrite
  constructor(deps: Deps) {
    this.#deps = deps
    this.#rewrite = new TagRewrite(deps.tagRewrite)
  }

  async converge(key: TagKey, claim: Claim, signal: AbortSignal): Promise<Converged> {
    const { hub, database, scope, owner } = this.#deps
    const options = { priority: claim.priority, signal }
    const [known, prod] = await Promise.all([
      findNamedRow(database, owner, 'tag', key.tagId),
      observeTag(hub, key.tagId, options),
    ])
    if (prod === null) return this.#deleted(key, claim, known)
    const { tag } = prod
    if (!(await scope.covers(database, { id: tag.id, name: tag.name, sideTag: isSideTag(tag) }))) {
      const end = known === null ? '' : ': staging keeps it as it is'
      return skipped(`tag ${tag.name} is out of scope${end}`)
    }
    if (known === null) {
      const { heldBy } = await placeNamedRow(this.#deps, 'tag', tag)
      if (heldBy !== null) {
        return waitFor(this.#deps, claim, [keyOf('tag', heldBy)], 'the tag that has its name comes first')
      }
    }
    const row = await findNamedRow(database, owner, 'tag', key.tagId)
    if (row === null) throw new AgainError('ROW_GONE', `tag ${tag.name} went as soon as it was placed`)

    const refs = await resolveTagRefs(this.#deps, row.stagingId, prod)
    const parents = prod.rows.tag_inheritance.map((link) => ({
      id: link.parentId,
      name: link.parentName,
      reason: `parent of ${tag.name}`,
      present: refs.ids.parents.has(link.parentId),
    }))
    await closeScope(this.#deps, parents, claim.priority)
    const waiting = awaited(refs.missing, claim)
    if (waiting.length > 0) {
      return waitFor(this.#deps, claim, waiting, 'its parents and external repos come first')
    }
    const plan = await this.#plan(claim, prod, row, refs.ids, refs.missing, signal)
    if (await this.#isNew(row, plan)) await markContent(this.#deps, key.tagId, options)
    else await markContentOnce(this.#deps, key.tagId, options)
    return settle(this.#deps, plan)
  }

  /** Prod shows no such tag: deleted, or never there. */
  async #deleted(key: TagKey, claim: Claim, known: NamedRow | null): Promise<Converged> {
    const gone = await readGone(this.#deps.hub, 'tag', key.tagId, { priority: claim.priority })
    if (gone === 'never' && known !== null) throw lostByHub('tag', key.tagId)
    if (gone === 'never' || known === null) return skipped('prod has no such tag')
    const { database, scope } = this.#deps
    const frozen = await scope.whyFrozen(database, { id: key.tagId, name: gone?.name ?? known.name })
    if (frozen !== null) return skipped(frozen)
    return deleteTag(this.#deps, claim, known, gone)
  }

  async #plan(
    claim: Claim,
    prod: ProdTag,
    row: NamedRow,
    ids: TagIds,
    missing: readonly MissingRef[],
    signal: AbortSignal,
  ): Promise<Plan> {
    const { hub, catalog, owner, conflicts } = this.#deps
    const { tag, rows } = prod
    const options = { priority: claim.priority, signal }
    const others = await askNames(this.#deps, 'tag', row, tag.name, (id) => readName(hub, 'tag', id, options))
    const rewritten = await this.#rewritten(prod, claim, signal)
    const views = viewsOf(prod, ids, rewritten)
    const settings = { catalog, owner, policy: conflicts.tag }
    const left = missing.map(clashOfMissing)
    const events = TAG_SETTINGS.flatMap((table) => rows[table].map((one) => one.createEvent))
    return {
      claim,
      unmet: [],
      tagIds: [row.stagingId],
      prodEvent: Math.max(...events),
      difference: async (sql: Sql, lastApplied): Promise<Difference> => {
        const naming = await nameDifference(sql, this.#deps, 'tag', {
          prodId: row.prodId,
          name: tag.name,
          others,
        })
        const content = await viewDifference(sql, settings, views, lastApplied)
        return { ...content, ...naming, clashes: [...naming.clashes, ...content.clashes, ...left] }
      },
      prove: (removals, lastApplied) => this.#prove(claim, prod, ids, rewritten, removals, lastApplied),
    }
  }

  /** Prod's arches and extra as the rules want them in staging. */
  async #rewritten({ tag, rows }: ProdTag, claim: Claim, signal: AbortSignal): Promise<RewrittenTag> {
    const extra = rows.tag_extra.map(({ key, value, createEvent }) => ({
      key,
      value,
      prodEvent: createEvent,
    }))
    return this.#rewrite.apply({
      name: tag.name,
      arches: tag.arches,
      extra: await mapSidetagUser(this.#deps, extra, claim.priority, signal),
      configEvent: rows.tag_config[0]?.createEvent ?? 0,
    })
  }

  /**
   * Is its content yet to come? It was placed but never converged whole, or its config is about to be created though
   * staging has none: prod made it again.
   */
  async #isNew(row: NamedRow, plan: Plan): Promise<boolean> {
    const { database } = this.#deps
    if (row.recorded && row.appliedName === null) return true
    const active = await database.query(
      'tag.active',
      'select 1 from tag_config where tag_id = $1 and active',
      [row.stagingId],
    )
    if (active.length > 0) return false
    const lastApplied = await lastMapped(database, formatKey(plan.claim.key))
    const { ops } = await plan.difference(database, lastApplied)
    return ops.some((op) => op.kind === 'create' && op.table === 'tag_config')
  }

  /** Prod's own revokes prove; what a rule takes away is proved by the rule. */
  async #prove(
    claim: Claim,
    prod: ProdTag,
    ids: TagIds,
    rewritten: RewrittenTag,
    removals: readonly Op[],
    lastApplied: number | null,
  ): Promise<Proofs> {
    const { hub, database } = this.#deps
    const tables = [...new Set(removals.map((op) => op.table as TagTable))]
    const history = await readRevoked(hub, prod.tag, tables, { priority: claim.priority })
    const parents = (history.tag_inheritance ?? []).map((row) => row.parentId)
    const repos = (history.tag_external_repos ?? []).map((row) => row.externalRepoId)
    const known: TagIds = {
      ...ids,
      parents: await this.#stagingIds('tag', parents),
      externalRepos: await this.#stagingIds('external_repo', repos),
      groups: await findGroups(database, history),
    }
    const revoked = tagRows({ ...history, tag_config: [] }, known).map((row) => ({
      ...row,
      revokeEvent: row.revokeEvent ?? 0,
    }))
    const proofs = proofsOf(
      revoked.filter((row) => row.cells.tag_id === ids.tagId),
      lastApplied,
    )
    return (op) => {
      const byRule =
        op.table === 'tag_extra' && op.kind === 'revoke'
          ? rewritten.removed.get(String(op.row.cells.key))
          : undefined
      return byRule === undefined ? proofs(op) : { prodEvent: byRule, slot: byRule }
    }
  }

  async #stagingIds(kind: 'tag' | 'external_repo', prodIds: readonly number[]): Promise<Map<number, number>> {
    const { database, owner } = this.#deps
    const rows = await findNamedRows(database, owner, kind, prodIds)
    return new Map([...rows].map(([prodId, row]) => [prodId, row.stagingId]))
  }
}

/** The views of a tag's tables, with prod's rows by staging's ids. */
export function viewsOf(prod: ProdTag, ids: TagIds, rewritten: RewrittenTag): View[] {
  const extra = new Map(rewritten.extra.map((row) => [row.key, row]))
  const rows = tagRows({ ...prod.rows, tag_extra: [] }, ids).map(({ table, cells, createEvent }) => ({
    table,
    cells: table === 'tag_config' ? { ...cells, arches: rewritten.arches } : cells,
    prodEvent: createEvent,
  }))
  return TAG_SETTINGS.map((table) => ({
    table,
    where: { tag_id: ids.tagId },
    wanted:
      table === 'tag_extra'
        ? [...extra.values()].map(({ key, value, prodEvent }) => ({
            cells: { tag_id: ids.tagId, key, value },
            prodEvent,
          }))
        : rows.filter((row) => row.table === table),
  }))
}

/** The keys that a tag waits for: not those that are parked, and not for ever. */
function awaited(missing: readonly MissingRef[], claim: Claim): Key[] {
  if (claim.waits >= MAX_WAITS) return []
  const parked = new Set(claim.parkedDependencies.map(formatKey))
  return missing.map(({ key }) => key).filter((key) => !parked.has(formatKey(key)))
}

/** What is left out is reported, until it is there. */
function clashOfMissing({ key, table, name }: MissingRef): Clash {
  return {
    subject: `${table} ${formatKey(key)}`,
    kind: 'missing',
    prod: { name },
    local: null,
    decision: 'held',
  }
}
