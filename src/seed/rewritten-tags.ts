import type { Session } from './session.ts'

/**
 * Marks the tags whose settings are to differ from prod's in staging: a seed has them as prod does, and who follows prod afterwards
 * looks at what prod changes. `matches`: by prod's name. Returns how many.
 */
export async function markRewrittenTags(
  session: Session,
  matches: (name: string) => boolean,
): Promise<number> {
  const tags = await session.query<{ id: number; name: string }>(
    'seed.tags',
    'select t.id, t.name from tag t where exists (select 1 from tag_config c where c.tag_id = t.id and c.active) order by t.id',
  )
  const wanted = tags.filter(({ name }) => matches(name))
  if (wanted.length === 0) return 0
  return session.change(
    'seed.mark-rewritten',
    `insert into staging_sync.queue (key, kind, priority, due_at, marked_at)
     select 'tag/' || id, 'tag', 1, clock_timestamp(), clock_timestamp() from unnest($1::bigint[]) id order by 1
     on conflict (key) do nothing`,
    [wanted.map(({ id }) => id)],
  )
}
