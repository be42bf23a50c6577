import { takeIntoScope } from './closure.ts'
import type { Deps } from './deps.ts'

interface TagHere {
  readonly prodId: number
  readonly stagingId: number
  /** prod's, as far as it is known */
  readonly name: string
  readonly sideTag: boolean
  /** the closure has it already */
  readonly included: boolean
}

/**
 * Closes the scope over what staging shows, at the start of a daemon: a staging that was copied has links and targets that no
 * key has converged yet, and the tags that they need would count as out of scope until one does. Only what came from prod
 * counts. Marks the keys of what was not in scope; writes nothing when all is.
 */
export async function closeScopeOverStaging(
  deps: Pick<Deps, 'database' | 'scope' | 'queue' | 'owner'>,
): Promise<void> {
  const { database, scope, owner } = deps
  const about = [owner.userId, owner.seedEvent]
  const tags = await database.query<TagHere>('scope.tags-here', TAGS, [owner.seedEvent])
  const links = await database.query<Link>(
    'scope.links-here',
    `select tag_id as "from", parent_id as "to" from tag_inheritance where active and ${OURS}`,
    about,
  )
  const targets = await database.query<Link>(
    'scope.targets-here',
    `select build_tag as "from", dest_tag as "to" from build_target_config where active and ${OURS}`,
    about,
  )
  const byId = new Map(tags.map((tag) => [tag.stagingId, tag]))
  const isNamed = (tag: TagHere): boolean => scope.names({ ...tag, id: tag.prodId })
  const reasons = new Map<number, string>()
  const needs = new Map<number, Need[]>()
  const add = (from: number, to: number, why: string): void => {
    needs.set(from, [...(needs.get(from) ?? []), { to, why }])
  }
  for (const { from, to } of links) add(from, to, 'parent of')
  for (const { from, to } of targets) {
    add(from, to, 'tag of a target of')
    add(to, from, 'tag of a target of')
  }
  const work = tags.filter((tag) => tag.included || isNamed(tag))
  const seen = new Set(work.map((tag) => tag.stagingId))
  for (let tag = work.pop(); tag !== undefined; tag = work.pop()) {
    for (const { to, why } of needs.get(tag.stagingId) ?? []) {
      const needed = byId.get(to)
      if (needed === undefined || seen.has(to)) continue
      seen.add(to)
      work.push(needed)
      reasons.set(needed.prodId, `${why} ${tag.name}`)
    }
  }
  await takeIntoScope(
    deps,
    [...reasons].map(([id, reason]) => ({ id, reason })),
    'sweep',
  )
}

interface Link {
  readonly from: number
  readonly to: number
}

interface Need {
  readonly to: number
  readonly why: string
}

const OURS = '(creator_id = $1 or create_event <= $2::bigint)'

const TAGS = `
select coalesce(o.prod_id, t.id) as "prodId", t.id as "stagingId", coalesce(o.digest, t.name) as name,
       exists (select 1 from tag_extra e
                where e.tag_id = t.id and e.active and e.key = 'sidetag' and e.value = 'true') as "sideTag",
       exists (select 1 from staging_sync.scope_tag s where s.tag_id = coalesce(o.prod_id, t.id)) as included
  from tag t left join staging_sync.owned o on o.kind = 'tag' and o.staging_id = t.id
 where exists (select 1 from tag_config c where c.tag_id = t.id and c.active)
   and (o.prod_id is not null
        or exists (select 1 from tag_config c where c.tag_id = t.id and c.create_event <= $1::bigint))`
