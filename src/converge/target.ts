import { isDeepStrictEqual } from 'node:util'
import { AgainError } from '../errors.ts'
import { queryHistory } from '../hub/calls-history.ts'
import { getBuildTarget } from '../hub/calls-lookup.ts'
import type { ReadOptions } from '../hub/hub.ts'
import type { TargetConfigRow } from '../model/history-rows.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { Claim } from '../queue/queue.ts'
import { closeScope } from './closure.ts'
import type { Converged, Converger, Deps } from './deps.ts'
import { type Gone, lostByHub, nullIfNever, readGone, readName } from './gone.ts'
import { findNamedRow, findNamedRows, keyOf, type NamedRow, placeNamedRow } from './named-row.ts'
import { askNames, nameDifference } from './naming.ts'
import { removalDifference, removalProof } from './removal.ts'
import { settle } from './settle.ts'
import { viewDifference } from './versioned-plan.ts'
import { MAX_WAITS, skipped, waitFor } from './wait.ts'

type TargetKey = Extract<Key, { kind: 'target' }>

const ROUNDS = 3

/**
 * A build target: its name, and the tags that it builds in and into. In scope if one of them is; then the other joins the
 * scope. Deleting one revokes its config and keeps its row (kojihub.py _delete_build_target).
 */
export class TargetConverger implements Converger<TargetKey> {
  readonly #deps: Deps
  constructor(deps: Deps) {
    this.#deps = deps
  }

  async converge(key: TargetKey, claim: Claim, signal: AbortSignal): Promise<Converged> {
    const { database, owner } = this.#deps
    const [known, prod] = await Promise.all([
      findNamedRow(database, owner, 'build_target', key.targetId),
      this.#observe(key.targetId, { priority: claim.priority, signal }),
    ])
    if (prod === null) return this.#deleted(key, claim, known)
    const outside = await this.#whyOutside(prod, claim, signal)
    if (outside !== null) return skipped(known === null ? outside : `${outside}: staging keeps it as it is`)

    const tags = await findNamedRows(database, owner, 'tag', [prod.buildTagId, prod.destTagId])
    await closeScope(this.#deps, neededTags(prod, tags), claim.priority)
    if (known === null) {
      const wanted = { id: prod.targetId, name: prod.targetName }
      const { heldBy } = await placeNamedRow(this.#deps, 'build_target', wanted)
      if (heldBy !== null) {
        const first = [keyOf('build_target', heldBy)]
        return waitFor(this.#deps, claim, first, 'the target that has its name comes first')
      }
    }
    const missing = [...new Set([prod.buildTagId, prod.destTagId])].filter((id) => !tags.has(id))
    if (missing.length > 0) {
      const parked = new Set(claim.parkedDependencies.map(formatKey))
      const keys = missing.map((id) => keyOf('tag', id))
      const reason = 'its tags come first'
      const hopeless = claim.waits >= MAX_WAITS || keys.some((tag) => parked.has(formatKey(tag)))
      if (hopeless) return skipped(`${reason}, and one does not come`)
      return waitFor(this.#deps, claim, keys, reason)
    }
    const row = await findNamedRow(database, owner, 'build_target', key.targetId)
    if (row === null)
      throw new AgainError('ROW_GONE', `target ${prod.targetName} went as soon as it was placed`)
    return this.#settle(claim, prod, row, {
      build_tag: (tags.get(prod.buildTagId) as NamedRow).stagingId,
      dest_tag: (tags.get(prod.destTagId) as NamedRow).stagingId,
    })
  }

  async #settle(
    claim: Claim,
    prod: TargetConfigRow,
    row: NamedRow,
    tags: { readonly build_tag: number; readonly dest_tag: number },
  ): Promise<Converged> {
    const { catalog, owner, conflicts, hub } = this.#deps
    const settings = { catalog, owner, policy: conflicts.tag }
    const ids = { build_target_id: row.stagingId }
    const view = {
      table: 'build_target_config' as const,
      where: ids,
      wanted: [{ cells: { ...ids, ...tags }, prodEvent: prod.createEvent }],
    }
    const name = prod.targetName
    const others = await askNames(this.#deps, 'build_target', row, name, (id) =>
      readName(hub, 'build_target', id, { priority: claim.priority }),
    )
    const naming = { prodId: row.prodId, name, others }
    return settle(this.#deps, {
      claim,
      unmet: [],
      // No repo depends on a target.
      tagIds: [],
      prodEvent: prod.createEvent,
      difference: async (sql, lastApplied) => {
        const named = await nameDifference(sql, this.#deps, 'build_target', naming)
        const content = await viewDifference(sql, settings, [view], lastApplied)
        return { ...content, ...named, clashes: [...named.clashes, ...content.clashes] }
      },
      // The one row that the view covers is wanted, so nothing is ever removed here.
      prove: async () => () => null,
    })
  }

  async #deleted(key: TargetKey, claim: Claim, known: NamedRow | null): Promise<Converged> {
    const { hub } = this.#deps
    const options = { priority: claim.priority }
    const gone = await readGone(hub, 'build_target', key.targetId, options)
    if (gone === 'never' && known !== null) throw lostByHub('build_target', key.targetId)
    if (gone === 'never' || known === null) return skipped('prod has no such build target')
    return this.#remove(claim, known, gone)
  }

  async #remove(claim: Claim, row: NamedRow, gone: Gone | null): Promise<Converged> {
    const { catalog, owner, conflicts, hub } = this.#deps
    const name = gone?.name ?? row.name
    const others = await askNames(this.#deps, 'build_target', row, name, (id) =>
      readName(hub, 'build_target', id, { priority: claim.priority }),
    )
    const about = { catalog, owner, policy: conflicts.onRemoved, subject: 'build target', gone }
    const part = {
      table: 'build_target_config' as const,
      where: { build_target_id: row.stagingId },
      use: 'its settings',
    }
    return settle(this.#deps, {
      claim,
      unmet: [],
      tagIds: [],
      prodEvent: null,
      difference: async (sql) => {
        const naming = { prodId: row.prodId, name, others }
        const named = await nameDifference(sql, this.#deps, 'build_target', naming)
        const removal = await removalDifference(sql, about, [part])
        return { ...removal, ...named, clashes: [...named.clashes, ...removal.clashes] }
      },
      prove: async () => () => removalProof(gone),
    })
  }

  /** The target's active config; null: prod shows no such target. The identity is asked first and last. */
  async #observe(targetId: number, options: ReadOptions): Promise<TargetConfigRow | null> {
    for (let round = 0; round < ROUNDS; round += 1) {
      try {
        const [first, history, last] = await this.#deps.hub.read(
          [
            getBuildTarget(targetId),
            queryHistory(['build_target_config'], { target: targetId, active: true }),
            getBuildTarget(targetId),
          ],
          options,
        )
        const row = history.build_target_config[0] ?? null
        const whole =
          first?.name === row?.targetName &&
          first?.buildTagId === row?.buildTagId &&
          first?.destTagId === row?.destTagId
        if (whole && isDeepStrictEqual(first, last)) return row
      } catch (error) {
        return nullIfNever(error, this.#deps.hub, 'build_target', targetId, options)
      }
    }
    throw new AgainError('HUB_TORN', `target ${targetId} changed in prod while it was read, ${ROUNDS} times`)
  }

  async #whyOutside(prod: TargetConfigRow, claim: Claim, signal: AbortSignal): Promise<string | null> {
    const { hub, database, scope } = this.#deps
    const tags = [...new Set([prod.buildTagId, prod.destTagId])]
    const reasons = await Promise.all(
      tags.map((id) => scope.whyOutside(hub, database, id, claim.priority, signal)),
    )
    return reasons.includes(null) ? null : `its tags are out of scope: ${reasons.join(', ')}`
  }
}

function neededTags(prod: TargetConfigRow, tags: ReadonlyMap<number, NamedRow>) {
  const reason = `tag of target ${prod.targetName}`
  return [
    { id: prod.buildTagId, name: prod.buildTagName, reason, present: tags.has(prod.buildTagId) },
    { id: prod.destTagId, name: prod.destTagName, reason, present: tags.has(prod.destTagId) },
  ]
}
