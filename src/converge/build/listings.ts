import { listTagsOfBuild } from '../../hub/calls-tag.ts'
import type { Key } from '../../model/key.ts'
import type { Tx } from '../../staging/database.ts'
import type { Deps, Owner } from '../deps.ts'
import type { BuildWork } from './content.ts'

/**
 * The listings that left the build out while a clash kept it from staging: of the tags that have it in prod. Their own keys
 * have ended without it, and nothing else would bring them back.
 */
export async function listingsWithout({ hub }: Deps, work: BuildWork): Promise<Key[]> {
  if (!work.standing.leftOut) return []
  const { build } = work.prod
  const { claim, signal } = work
  const [tags] = await hub.read([listTagsOfBuild(build.id)], { priority: claim.priority, signal })
  return tags.map(({ id }) => ({ kind: 'tagged', tagId: id, packageId: build.packageId }))
}

/**
 * The listings of prod's tags that hold the build in staging. A reset takes a build's taggings with their history (kojihub.py
 * reset_build), so that no feed tells of them: when prod made the build anew, all of them are to be looked at.
 */
export async function listingsWith(
  tx: Tx,
  owner: Owner,
  build: { readonly stagingId: number; readonly packageId: number },
): Promise<Key[]> {
  const rows = await tx.query<{ tag_id: number }>(
    'build.listings',
    `select distinct coalesce(o.prod_id, l.tag_id) as tag_id
       from tag_listing l left join staging_sync.owned o on o.kind = 'tag' and o.staging_id = l.tag_id
      where l.build_id = $1 and l.active
        and (o.prod_id is not null
             or exists (select 1 from tag_config c where c.tag_id = l.tag_id and c.create_event <= $2))
      order by 1`,
    [build.stagingId, owner.seedEvent ?? -1],
  )
  return rows.map(({ tag_id: tagId }) => ({ kind: 'tagged', tagId, packageId: build.packageId }))
}
