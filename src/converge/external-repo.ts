import { isDeepStrictEqual } from 'node:util'
import { AgainError } from '../errors.ts'
import { queryHistory } from '../hub/calls-history.ts'
import { getExternalRepo } from '../hub/calls-lookup.ts'
import type { ReadOptions } from '../hub/hub.ts'
import type { ExternalRepoConfigRow } from '../model/history-rows.ts'
import type { Key } from '../model/key.ts'
import type { Claim } from '../queue/queue.ts'
import type { Sql } from '../staging/database.ts'
import type { Converged, Converger, Deps } from './deps.ts'
import { type Gone, lostByHub, nullIfNever, readGone, readName } from './gone.ts'
import { findNamedRow, keyOf, type NamedRow, placeNamedRow } from './named-row.ts'
import { askNames, nameDifference } from './naming.ts'
import { removalDifference, removalProof } from './removal.ts'
import { rewriteUrl } from './rewrite.ts'
import { settle } from './settle.ts'
import { viewDifference } from './versioned-plan.ts'
import { skipped, waitFor } from './wait.ts'

type ExternalRepoKey = Extract<Key, { kind: 'external-repo' }>

/** INTERNAL, which every Koji has: the place of rpms that are not external (docs/schema.sql). */
const INTERNAL_ID = 0

const ROUNDS = 3

/**
 * An external repo: its name and its URL, rewritten by the rules. All of prod's are replicated, in a tag of scope or not:
 * they are few, cost nothing unused, and external rpms need them as well as tags.
 */
export class ExternalRepoConverger implements Converger<ExternalRepoKey> {
  readonly #deps: Deps
  constructor(deps: Deps) {
    this.#deps = deps
  }

  async converge(key: ExternalRepoKey, claim: Claim, signal: AbortSignal): Promise<Converged> {
    const { database, owner } = this.#deps
    if (key.repoId === INTERNAL_ID) return skipped('INTERNAL is the same everywhere')
    const [known, prod] = await Promise.all([
      findNamedRow(database, owner, 'external_repo', key.repoId),
      this.#observe(key.repoId, { priority: claim.priority, signal }),
    ])
    if (prod === null) return this.#deleted(key, claim, known)
    const wanted = { id: prod.externalRepoId, name: prod.externalRepoName }
    if (known === null) {
      const { heldBy } = await placeNamedRow(this.#deps, 'external_repo', wanted)
      if (heldBy !== null) {
        const first = [keyOf('external_repo', heldBy)]
        return waitFor(this.#deps, claim, first, 'the external repo that has its name comes first')
      }
    }
    const row = await findNamedRow(database, owner, 'external_repo', key.repoId)
    if (row === null) throw new AgainError('ROW_GONE', `repo ${wanted.name} went as soon as it was placed`)
    return this.#settle(claim, prod, row)
  }

  async #settle(claim: Claim, prod: ExternalRepoConfigRow, row: NamedRow): Promise<Converged> {
    const { database, catalog, owner, conflicts, externalRepoRewrite } = this.#deps
    const settings = { catalog, owner, policy: conflicts.tag }
    const ids = { external_repo_id: row.stagingId }
    const url = rewriteUrl(prod.url, externalRepoRewrite)
    const view = {
      table: 'external_repo_config' as const,
      where: ids,
      wanted: [{ cells: { ...ids, url }, prodEvent: prod.createEvent }],
    }
    const naming = await this.#naming(claim, row, prod.externalRepoName)
    return settle(this.#deps, {
      claim,
      unmet: [],
      tagIds: await tagsWith(database, row.stagingId),
      prodEvent: prod.createEvent,
      difference: async (sql, lastApplied) => {
        const named = await nameDifference(sql, this.#deps, 'external_repo', naming)
        const content = await viewDifference(sql, settings, [view], lastApplied)
        return { ...content, ...named, clashes: [...named.clashes, ...content.clashes] }
      },
      // The one row that the view covers is wanted, so nothing is ever removed here.
      prove: async () => () => null,
    })
  }

  async #deleted(key: ExternalRepoKey, claim: Claim, known: NamedRow | null): Promise<Converged> {
    const options = { priority: claim.priority }
    const gone = await readGone(this.#deps.hub, 'external_repo', key.repoId, options)
    if (gone === 'never' && known !== null) throw lostByHub('external_repo', key.repoId)
    if (gone === 'never' || known === null) return skipped('prod has no such external repo')
    return this.#remove(claim, known, gone)
  }

  /** As kojihub.py delete_external_repo: out of all tags, then its config. The row stays, external rpms refer to it. */
  async #remove(claim: Claim, row: NamedRow, gone: Gone | null): Promise<Converged> {
    const { database, catalog, owner, conflicts } = this.#deps
    const about = { catalog, owner, policy: conflicts.onRemoved, subject: 'external repo', gone }
    const where = { external_repo_id: row.stagingId }
    const parts = [
      { table: 'tag_external_repos' as const, where, use: 'a tag that uses it' },
      { table: 'external_repo_config' as const, where, use: 'its settings' },
    ]
    const naming = await this.#naming(claim, row, gone?.name ?? row.name)
    return settle(this.#deps, {
      claim,
      unmet: [],
      tagIds: await tagsWith(database, row.stagingId),
      prodEvent: null,
      difference: async (sql) => {
        const named = await nameDifference(sql, this.#deps, 'external_repo', naming)
        const removal = await removalDifference(sql, about, parts)
        return { ...removal, ...named, clashes: [...named.clashes, ...removal.clashes] }
      },
      prove: async () => () => removalProof(gone),
    })
  }

  async #naming(claim: Claim, row: NamedRow, name: string) {
    const { hub } = this.#deps
    const others = await askNames(this.#deps, 'external_repo', row, name, (id) =>
      readName(hub, 'external_repo', id, { priority: claim.priority }),
    )
    return { prodId: row.prodId, name, others }
  }

  /** The repo's active config; null: prod shows no such repo. The identity is asked first and last. */
  async #observe(repoId: number, options: ReadOptions): Promise<ExternalRepoConfigRow | null> {
    for (let round = 0; round < ROUNDS; round += 1) {
      try {
        const [first, history, last] = await this.#deps.hub.read(
          [
            getExternalRepo(repoId),
            queryHistory(['external_repo_config'], { externalRepo: repoId, active: true }),
            getExternalRepo(repoId),
          ],
          options,
        )
        const row = history.external_repo_config[0] ?? null
        const whole = first?.name === row?.externalRepoName && first?.url === row?.url
        if (whole && isDeepStrictEqual(first, last)) return row
      } catch (error) {
        return nullIfNever(error, this.#deps.hub, 'external_repo', repoId, options)
      }
    }
    throw new AgainError(
      'HUB_TORN',
      `external repo ${repoId} changed in prod while it was read, ${ROUNDS} times`,
    )
  }
}

/** Staging's tags that use a repo: their repos go stale with it (kojihub/repos.py, from 1.35 on). */
async function tagsWith(sql: Sql, repoId: number): Promise<number[]> {
  const rows = await sql.query<{ tag_id: number }>(
    'external-repo.tags',
    'select tag_id from tag_external_repos where external_repo_id = $1 and active order by tag_id',
    [repoId],
  )
  return rows.map((row) => row.tag_id)
}
