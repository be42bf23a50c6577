import type { ResetContext } from './reset.ts'
import { createRow, revokeRows } from './versioned-row.ts'

/** What `[[tag_rewrite]]` makes of a tag of prod's, by its name. */
export interface RewriteTags {
  matches(name: string): boolean
  apply(tag: {
    readonly name: string
    readonly arches: string | null
    readonly extra: readonly ExtraValue[]
  }): { readonly arches: string | null; readonly extra: readonly ExtraValue[] }
}

/** One of a tag's extra as its column has it: JSON text; null is a blocked key. */
export interface ExtraValue {
  readonly key: string
  readonly value: string | null
}

interface Tag {
  readonly id: number
  readonly name: string
  readonly arches: string | null
  readonly extra: readonly ExtraValue[]
}

/**
 * As the daemon rewrites them, so that it finds them equal: staging's kojira would ask for repos with prod's arches as soon as the database
 * is swapped in.
 */
export async function rewriteTags(context: ResetContext): Promise<void> {
  const { session, wishes, report } = context
  const all = await session.query<Omit<Tag, 'extra'> & { extra: string }>('seed.tags', TAGS)
  const arches: { id: number; arches: string | null }[] = []
  let extras = 0
  for (const row of all) {
    if (!wishes.tagRewrite.matches(row.name)) continue
    const tag: Tag = { ...row, extra: JSON.parse(row.extra) as ExtraValue[] }
    const wanted = wishes.tagRewrite.apply(tag)
    if (wanted.arches !== tag.arches) arches.push({ id: tag.id, arches: wanted.arches })
    extras += await rewriteExtra(context, tag, wanted.extra)
  }
  report.add('tag_config', 'arches rewritten', await rewriteArches(context, arches))
  report.add('tag_extra', 'rewritten', extras)
}

async function rewriteExtra(context: ResetContext, tag: Tag, wanted: readonly ExtraValue[]): Promise<number> {
  const is = new Map(tag.extra.map(({ key, value }) => [key, value]))
  const fresh = wanted.filter(({ key, value }) => !is.has(key) || is.get(key) !== value)
  const gone = tag.extra.filter(({ key }) => !wanted.some((one) => one.key === key))
  const ended = [...fresh, ...gone].map(({ key }) => key)
  if (ended.length === 0) return 0
  await revokeRows(context, 'tag_extra', 'tag_id = $3 and key = any($4::text[])', [tag.id, ended])
  for (const { key, value } of fresh) await createRow(context, 'tag_extra', { tag_id: tag.id, key, value })
  return ended.length
}

async function rewriteArches(
  context: ResetContext,
  tags: readonly { readonly id: number; readonly arches: string | null }[],
): Promise<number> {
  const { session, catalog, event, userId } = context
  if (tags.length === 0) return 0
  const skip = ['create_event', 'revoke_event', 'creator_id', 'revoker_id', 'active', 'arches']
  const columns = catalog
    .columns('tag_config')
    .map(({ name }) => name)
    .filter((name) => !skip.includes(name))
  const ids = tags.map(({ id }) => id)
  await revokeRows(context, 'tag_config', 'tag_id = any($3::int[])', [ids])
  return session.change(
    'seed.tag-arches',
    `insert into tag_config (${columns.join(', ')}, arches, create_event, creator_id, active)
     select ${columns.map((name) => `c.${name}`).join(', ')}, r.arches, $1::int, $2::int, true
       from tag_config c join unnest($3::int[], $4::text[]) as r(id, arches) on r.id = c.tag_id where c.revoke_event = $1::int`,
    [event, userId, ids, tags.map(({ arches }) => arches)],
  )
}

const TAGS = `
  select t.id, t.name, c.arches,
         coalesce(json_agg(json_build_object('key', x.key, 'value', x.value) order by x.key) filter (where x.key is not null), '[]')::text as extra
    from tag t join tag_config c on c.tag_id = t.id and c.active left join tag_extra x on x.tag_id = t.id and x.active
   group by 1, 2, 3 order by 1`
