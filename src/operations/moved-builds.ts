import { createHash } from 'node:crypto'
import type { Config } from '../config/config.ts'
import type { Key } from '../model/key.ts'
import { readSettings, writeSetting } from '../staging/settings.ts'
import { markUnlessQueued } from './healing.ts'
import type { Engine } from './world.ts'

/** Builds that are looked at in one statement. */
const PAGE = 5_000

interface PlacedRow {
  readonly buildId: number
  readonly mode: string
  readonly stagingVolume: string
  readonly prodVolume: string
  readonly name: string
  readonly btypes: readonly string[]
  readonly tags: readonly string[]
}

/**
 * After a change of the placement rules: marks the builds that stand otherwise than the rules choose now. Once for each set of rules;
 * with the same ones, nothing but a setting is read. Judged by staging's rows, since whoever converges a build asks prod again; what a
 * build's types or tags make of it later is found when that change is converged.
 */
export async function markMoved(
  engine: Pick<Engine, 'database' | 'queue' | 'deps'>,
  config: Pick<Config, 'placement'> & { readonly prod: Pick<Config['prod'], 'volumes'> },
): Promise<void> {
  const { database, deps } = engine
  const digest = createHash('sha256')
    .update(JSON.stringify([config.placement, Object.entries(config.prod.volumes).sort()]))
    .digest('hex')
  if ((await readSettings(database)).get('placement_rules') === digest) return
  for (let after = -1; ; ) {
    const rows = await database.query<PlacedRow>('placement.rules', PLACED, [
      after,
      PAGE,
      deps.placement.needsTags,
    ])
    const moved = rows.filter((row) => {
      const placement = deps.placement.choose(row)
      return (
        placement.mode !== row.mode ||
        deps.placement.stagingVolume(placement, row.prodVolume) !== row.stagingVolume
      )
    })
    const ids = [...new Set(moved.map((row) => row.buildId))]
    await markUnlessQueued(
      engine,
      ids.map((buildId): Key => ({ kind: 'build', buildId })),
    )
    const last = rows.at(-1)
    if (last === undefined) break
    after = last.buildId
  }
  await database.transaction('placement.rules', (tx) => writeSetting(tx, 'placement_rules', digest))
}

/** A promoted draft has two places for a moment: the last one counts. */
const PLACED = `
  select distinct on (p.prod_build_id) p.prod_build_id as "buildId", p.mode, p.staging_volume as "stagingVolume",
         p.prod_volume as "prodVolume", p.name,
         array(select t.name from build_types bt join btype t on t.id = bt.btype_id
                where bt.build_id = o.staging_id order by 1) as btypes,
         case when $3::boolean then
           array(select t.name from tag_listing l join tag t on t.id = l.tag_id
                  where l.build_id = o.staging_id and l.active order by 1)
         else '{}' end as tags
    from staging_sync.placement p
    join staging_sync.owned o on o.kind = 'build' and o.prod_id = p.prod_build_id
   where p.state = 'placed' and p.prod_build_id > $1::bigint
   order by p.prod_build_id, p.changed_at desc
   limit $2`
