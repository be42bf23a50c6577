import type { Database } from '../staging/database.ts'
import { numberSetting, readSettings } from '../staging/settings.ts'
import type { Replaced } from './seed-replaced.ts'

/** What staging made itself and a dump of prod's does not have, counted by kind; nothing where it is no staging yet. */
export async function countLocalWork(
  database: Database,
  { isInitialised, isKoji }: Replaced,
): Promise<Readonly<Record<string, number>>> {
  if (!isKoji || !isInitialised) return {}
  const settings = await readSettings(database)
  const rows = await database.query<{ kind: string; count: number }>(
    'seed.local',
    `select 'builds' as kind, count(*) as count from build b
       where b.state = 1 and b.create_event > $1
         and not exists (select 1 from staging_sync.owned o where o.kind = 'build' and o.staging_id = b.id)
     union all
     select 'tags', count(*) from tag t
       where exists (select 1 from tag_config c where c.tag_id = t.id and c.active)
         and not exists (select 1 from tag_config c where c.tag_id = t.id and c.create_event <= $1)
         and not exists (select 1 from staging_sync.owned o where o.kind = 'tag' and o.staging_id = t.id)
     union all
     select 'taggings', count(*) from tag_listing l
       where l.active and l.create_event > $1 and l.creator_id is distinct from $2
     union all
     select 'targets', count(*) from build_target_config c
       where c.active and c.create_event > $1 and c.creator_id is distinct from $2
     union all
     select 'permissions', count(*) from user_perms p
       where p.active and p.create_event > $1 and p.creator_id is distinct from $2`,
    [numberSetting(settings, 'seed_event') ?? -1, numberSetting(settings, 'user_id') ?? -1],
  )
  return Object.fromEntries(rows.filter(({ count }) => count > 0).map(({ kind, count }) => [kind, count]))
}

/** `2 builds, 1 tags`; empty: nothing. */
export function describeLocal(local: Readonly<Record<string, number>>): string {
  return Object.entries(local)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ')
}
