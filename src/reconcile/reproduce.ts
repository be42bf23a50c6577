import type { Deps } from '../converge/deps.ts'
import { findNamedRow } from '../converge/named-row.ts'
import { SyncError } from '../errors.ts'
import { getTag, listTags } from '../hub/calls-tag.ts'
import type { ReadOptions } from '../hub/hub.ts'
import { checkpointWindows, type ShownRow, type StagingVersion, shownWindows } from './shown-at.ts'
import { readCheckpoints, readRepoVersions, readTagVersions } from './staging-versions.ts'
import { activeAt, isSideTagAt, readSince, readTagThen, repoShownAt, shownOf } from './tag-at-event.ts'
import { ALWAYS, intersection, type Windows } from './windows.ts'

/*
 * Which event of staging shows what prod showed at its event E. The checkpoints of `staging_sync.event_map` say when a key stood as
 * prod had it up to an event; but a pair names only the newest event that was *shown*, and what came and went before it was
 * read, or became visible later, is in none. So at checkpoints, both sides are compared as they were: prod's history at E
 * with staging's own rows, which Koji never deletes. What is answered was looked at.
 */

/** Reasons that are told of an event that is not reproducible. */
const MAX_REASONS = 10

/** During which events of staging all of it was as prod's at one event, and why never. */
export interface Reproduced {
  readonly windows: Windows
  readonly reasons: readonly string[]
}

/** The tags that a compose of `tag` reads at each of the events: itself and all that it inherited from then, by event. */
export async function closuresAt(
  deps: Deps,
  tagId: number,
  events: readonly number[],
  options: ReadOptions,
): Promise<Map<number, Set<number>>> {
  const since = Math.min(...events)
  const links = new Map<
    number,
    readonly { parentId: number; createEvent: number; revokeEvent: number | null }[]
  >()
  const linksOf = async (id: number) => {
    const known = links.get(id)
    if (known !== undefined) return known
    const { tag_inheritance: rows } = await readSince(deps, ['tag_inheritance'], { tag: id }, since, options)
    const own = rows.filter((row) => row.tagId === id)
    links.set(id, own)
    return own
  }
  const closures = new Map<number, Set<number>>()
  for (const event of events) {
    const closure = new Set([tagId])
    for (const id of closure)
      for (const { parentId } of activeAt(await linksOf(id), event)) closure.add(parentId)
    closures.set(event, closure)
  }
  return closures
}

/** Prod's id of a tag by its name now, also of one that prod has deleted. Throws SyncError EVENT_TAG_UNKNOWN. */
export async function findTagByName(deps: Deps, name: string, options: ReadOptions): Promise<number> {
  const [tag] = await deps.hub.read([getTag(name)], options)
  if (tag !== null) return tag.id
  const [row] = await deps.database.query<{ id: number }>(
    'event.tag-by-name',
    `select coalesce(o.prod_id, t.id) as id from tag t
       left join staging_sync.owned o on o.kind = 'tag' and o.staging_id = t.id where t.name = $1`,
    [name],
  )
  const named = row === undefined ? null : await findNamedRow(deps.database, deps.owner, 'tag', row.id)
  if (named === null)
    throw new SyncError('EVENT_TAG_UNKNOWN', `prod has no tag ${name}`, { detail: { name } })
  return named.prodId
}

/** All tags in scope, for those who ask about everything. */
export async function tagsInScope(deps: Deps, options: ReadOptions): Promise<number[]> {
  const [tags] = await deps.hub.read([listTags()], options)
  const ids: number[] = []
  for (const { id, name } of tags) {
    if (await deps.scope.covers(deps.database, { id, name, sideTag: false })) ids.push(id)
  }
  return ids
}

/**
 * Of each of some events of prod, when staging showed what the tags that belong to it then showed. One tag at a time is in memory.
 * `tagsOf` are the tags of an event; one that did not exist then shows nothing, unless it is `needed`.
 */
export async function reproduce(
  deps: Deps,
  events: readonly number[],
  tagsOf: (event: number) => ReadonlySet<number>,
  needed: number | null,
  options: ReadOptions,
): Promise<Map<number, Reproduced>> {
  const since = Math.min(...events)
  const found = new Map(events.map((event) => [event, { windows: ALWAYS, reasons: [] as string[] }]))
  const repos = new Map<number, Set<number>>(events.map((event) => [event, new Set()]))
  const note = (event: number, what: string, windows: Windows, reasons: readonly string[]): void => {
    const so = found.get(event)
    if (so === undefined) return
    const before = so.windows
    so.windows = intersection(so.windows, windows)
    if (reasons.length > 0)
      so.reasons.push(...reasons.map((reason) => `never in staging as it was: ${reason}`))
    else if (before.length > 0 && so.windows.length === 0) {
      so.reasons.push(
        windows.length === 0
          ? `${what}: staging passed over this, or shows something newer`
          : `${what}: when it was so in staging, others were not`,
      )
    }
    so.reasons.splice(MAX_REASONS)
  }

  for (const tagId of new Set(events.flatMap((event) => [...tagsOf(event)]))) {
    const then = await readTagThen(deps, tagId, since, options)
    const versions =
      then === null
        ? []
        : await readTagVersions(deps.database, deps.catalog, deps.owner, {
            prodId: tagId,
            stagingId: then.stagingId,
          })
    const check = await checkerOf(deps, versions)
    for (const event of events) {
      if (!tagsOf(event).has(tagId)) continue
      const shown = then === null ? null : shownOf(deps, then, event)
      if (then === null || shown === null) {
        if (tagId === needed) note(event, `tag ${tagId}`, [], ['the tag: prod had none then'])
        continue
      }
      // Of all that is in scope by name, side tags are not.
      if (needed === null && isSideTagAt(then, event)) continue
      const { windows, reasons } = check(shown, event)
      note(event, `tag ${then.name}`, windows, reasons)
      for (const row of activeAt(then.rows.tag_external_repos, event))
        repos.get(event)?.add(row.externalRepoId)
    }
  }
  for (const repoId of new Set([...repos.values()].flatMap((ids) => [...ids]))) {
    const shownAt = await repoShownAt(deps, repoId, since, options)
    const named = await findNamedRow(deps.database, deps.owner, 'external_repo', repoId)
    const versions =
      named === null ? [] : await readRepoVersions(deps.database, deps.catalog, deps.owner, named)
    const check = await checkerOf(deps, versions)
    for (const event of events) {
      const shown = shownAt(event)
      if (repos.get(event)?.has(repoId) !== true || shown === null) continue
      const { windows, reasons } = check([shown], event)
      note(event, shown.subject, windows, reasons)
    }
  }
  return found
}

/** Content, and the checkpoints of each key of it. */
async function checkerOf(
  { database, owner }: Pick<Deps, 'database' | 'owner'>,
  versions: readonly StagingVersion[],
): Promise<(shown: readonly ShownRow[], event: number) => Reproduced> {
  const byKey = new Map<string, StagingVersion[]>()
  for (const version of versions) {
    const some = byKey.get(version.key)
    if (some === undefined) byKey.set(version.key, [version])
    else some.push(version)
  }
  const checkpoints = await readCheckpoints(database, [...byKey.keys()])
  const base = owner.seedEvent ?? 0
  return (shown, event) => {
    const content = shownWindows(shown, versions)
    let { windows } = content
    for (const [key, some] of byKey) {
      if (windows.length === 0) break
      windows = intersection(windows, checkpointWindows(checkpoints.get(key) ?? [], some, event, base))
    }
    return { windows, reasons: content.reasons }
  }
}
