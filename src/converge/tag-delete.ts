import type { Claim } from '../queue/queue.ts'
import type { Sql } from '../staging/database.ts'
import type { Converged, Deps } from './deps.ts'
import type { Gone } from './gone.ts'
import { readName } from './gone.ts'
import type { NamedRow } from './named-row.ts'
import { askNames, nameDifference } from './naming.ts'
import { type RemovedPart, removalDifference, removalProof } from './removal.ts'
import { settle } from './settle.ts'

/** What kojihub.py _delete_tag revokes; its children's links and the targets that build in or into it included. */
function partsOfTag(tagId: number): RemovedPart[] {
  const own = { tag_id: tagId }
  return [
    { table: 'tag_config', where: own, use: 'its settings' },
    { table: 'tag_extra', where: own, use: 'its extra' },
    { table: 'tag_inheritance', where: own, use: 'its parents' },
    { table: 'tag_inheritance', where: { parent_id: tagId }, use: 'a child that inherits from it' },
    { table: 'tag_external_repos', where: own, use: 'its external repos' },
    { table: 'group_config', where: own, use: 'its groups' },
    { table: 'group_req_listing', where: own, use: 'its groups' },
    { table: 'group_package_listing', where: own, use: 'its groups' },
    { table: 'build_target_config', where: { build_tag: tagId }, use: 'a target that builds in it' },
    { table: 'build_target_config', where: { dest_tag: tagId }, use: 'a target that builds into it' },
    { table: 'tag_packages', where: own, use: 'a package listed in it' },
    { table: 'tag_package_owners', where: own, use: 'a package listed in it' },
    { table: 'tag_listing', where: own, use: 'a build tagged into it' },
  ]
}

/**
 * Ends a tag that prod deleted: everything that belongs to it is revoked at one event. The identity row stays, as in Koji,
 * under prod's name of it; a tag of that name that comes again has the same id.
 */
export async function deleteTag(
  deps: Deps,
  claim: Claim,
  row: NamedRow,
  gone: Gone | null,
): Promise<Converged> {
  const { database, hub, catalog, owner, conflicts } = deps
  const options = { priority: claim.priority }
  const name = gone?.name ?? row.name
  const others = await askNames(deps, 'tag', row, name, (id) => readName(hub, 'tag', id, options))
  const about = { catalog, owner, policy: conflicts.onRemoved, subject: 'tag', gone }
  return settle(deps, {
    claim,
    unmet: [],
    tagIds: [row.stagingId, ...(await childrenOf(database, row.stagingId))],
    prodEvent: null,
    difference: async (sql) => {
      const naming = await nameDifference(sql, deps, 'tag', { prodId: row.prodId, name, others })
      const removal = await removalDifference(sql, about, partsOfTag(row.stagingId))
      return { ...removal, ...naming, clashes: [...naming.clashes, ...removal.clashes] }
    },
    prove: async () => () => removalProof(gone),
  })
}

/** Tags whose repos go stale with this one's links. */
async function childrenOf(sql: Sql, tagId: number): Promise<number[]> {
  const rows = await sql.query<{ tag_id: number }>(
    'tag.children',
    'select tag_id from tag_inheritance where parent_id = $1 and active order by tag_id',
    [tagId],
  )
  return rows.map((row) => row.tag_id)
}
