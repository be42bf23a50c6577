import { isDeepStrictEqual } from 'node:util'
import { AgainError } from '../errors.ts'
import { queryHistory } from '../hub/calls-history.ts'
import { getTag, getTagExternalRepos } from '../hub/calls-tag.ts'
import type { Answers, Hub, ReadOptions } from '../hub/hub.ts'
import type { HistoryRows } from '../model/history-rows.ts'
import type { Tag, TagExternalRepo } from '../model/tag-records.ts'
import { TAG_SETTINGS } from '../staging/versioned-tables.ts'
import { nullIfNever } from './gone.ts'

/** A table that a tag's settings are in. */
export type TagTable = (typeof TAG_SETTINGS)[number]
export type TagHistory = { readonly [T in TagTable]: readonly HistoryRows[T][] }

/** A tag as prod shows it. */
export interface ProdTag {
  readonly tag: Tag
  /** active rows, those of the tag itself */
  readonly rows: TagHistory
  /** external repo id to arches, which queryHistory lacks up to 1.35 */
  readonly repoArches: ReadonlyMap<number, string | null>
}

/** How often a torn read is repeated before the key is given back. */
const ROUNDS = 3

/**
 * Reads a tag's settings from prod in one multicall; null when prod shows no such tag (it was deleted, or never was).
 *
 * A multicall is no snapshot, and queryHistory takes each table on its own: so the identity is asked first and last, and
 * what two calls both show must agree. Throws AgainError HUB_TORN when it never rests.
 */
export async function observeTag(hub: Hub, tagId: number, options: ReadOptions): Promise<ProdTag | null> {
  for (let round = 1; ; round += 1) {
    const read = await readOnce(hub, tagId, options, round === ROUNDS)
    if (read !== 'torn') return read
    if (round === ROUNDS) {
      throw new AgainError('HUB_TORN', `tag ${tagId} changed in prod while it was read, ${ROUNDS} times`)
    }
  }
}

const callsOf = (tagId: number) =>
  [
    getTag(tagId),
    getTagExternalRepos(tagId),
    queryHistory(TAG_SETTINGS, { tag: tagId, active: true }),
    getTag(tagId),
  ] as const

async function readOnce(
  hub: Hub,
  tagId: number,
  options: ReadOptions,
  isLast: boolean,
): Promise<ProdTag | null | 'torn'> {
  let answers: Answers<ReturnType<typeof callsOf>>
  try {
    answers = await hub.read(callsOf(tagId), options)
  } catch (error) {
    return nullIfNever(error, hub, 'tag', tagId, options)
  }
  const [first, repos, history, last] = answers
  if (!isDeepStrictEqual(first, last)) return 'torn'
  if (first === null) return null
  const rows = { ...history, tag_inheritance: history.tag_inheritance.filter((row) => row.tagId === tagId) }
  if (!sameConfig(first, rows)) return 'torn'
  // A repo that was deleted under the tag is shown by history alone: not torn for ever, so the last look takes it as it is.
  if (!sameRepos(repos, rows) && !isLast) return 'torn'
  return {
    tag: first,
    rows,
    repoArches: new Map(repos.map((repo) => [repo.externalRepoId, repo.arches])),
  }
}

/** Whether the identity's answer and the history's rows tell of the same moment, as far as both show it. */
function sameConfig(tag: Tag, rows: TagHistory): boolean {
  const [config] = rows.tag_config
  return (
    rows.tag_config.length === 1 &&
    config !== undefined &&
    config.arches === tag.arches &&
    config.permId === tag.permId &&
    config.locked === tag.locked &&
    config.mavenSupport === tag.mavenSupport &&
    config.mavenIncludeAll === tag.mavenIncludeAll
  )
}

function sameRepos(repos: readonly TagExternalRepo[], rows: TagHistory): boolean {
  const shown = repos.map((repo) => `${repo.externalRepoId} ${repo.priority} ${repo.mergeMode}`)
  const listed = rows.tag_external_repos.map(
    (row) => `${row.externalRepoId} ${row.priority} ${row.mergeMode}`,
  )
  return isDeepStrictEqual(shown.sort(), listed.sort())
}

/** The tag's revoked rows, and whether it is still what was observed. Throws AgainError HUB_TORN if not. */
export async function readRevoked(
  hub: Hub,
  observed: Tag,
  tables: readonly TagTable[],
  options: ReadOptions,
): Promise<Partial<TagHistory>> {
  const [history, now] = await hub.read(
    [queryHistory(tables, { tag: observed.id, active: false }), getTag(observed.id)],
    options,
  )
  if (!isDeepStrictEqual(now, observed)) {
    throw new AgainError('HUB_TORN', `tag ${observed.name} changed in prod while it was read`)
  }
  return history as Partial<TagHistory>
}
