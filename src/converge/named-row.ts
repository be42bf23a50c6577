import type { Key } from '../model/key.ts'
import type { Sql } from '../staging/database.ts'
import { chooseIds } from '../staging/ids.ts'
import { findByStagingId, recordOwned } from '../staging/owned.ts'
import { insertRows } from '../staging/rows.ts'
import type { Deps, Owner } from './deps.ts'

/** Things with an identity row (id, name) whose settings are versioned rows of a config table. */
export type NamedRowKind = 'tag' | 'build_target' | 'external_repo'

interface Shape {
  readonly config: 'tag_config' | 'build_target_config' | 'external_repo_config'
  /** the column of `config` that points to the identity row */
  readonly column: string
}

/** The identity's table is called as the kind is. */
const SHAPES: Readonly<Record<NamedRowKind, Shape>> = {
  tag: { config: 'tag_config', column: 'tag_id' },
  build_target: { config: 'build_target_config', column: 'build_target_id' },
  external_repo: { config: 'external_repo_config', column: 'external_repo_id' },
}

/** An identity row of staging that came from prod. */
export interface NamedRow {
  readonly prodId: number
  readonly stagingId: number
  readonly name: string
  /** The name that we gave it last; null: it was placed, or copied with the seed, but never converged whole. */
  readonly appliedName: string | null
  /** false: known only because it was copied with the seed */
  readonly recorded: boolean
}

/**
 * Staging's rows of things of prod, by prod's id: by our record, or by the seed's ceiling (same id, settings created at
 * or before the event up to which staging was copied). Those that staging does not have are absent.
 */
export async function findNamedRows(
  sql: Sql,
  owner: Owner,
  kind: NamedRowKind,
  prodIds: readonly number[],
): Promise<Map<number, NamedRow>> {
  const found = new Map<number, NamedRow>()
  if (prodIds.length === 0) return found
  const { config, column } = SHAPES[kind]
  const recorded = await sql.query<NamedRow>(
    `named.find.${kind}`,
    `select o.prod_id as "prodId", t.id as "stagingId", t.name, o.digest as "appliedName", true as recorded
       from staging_sync.owned o join ${kind} t on t.id = o.staging_id
      where o.kind = $1 and o.prod_id = any($2::bigint[])`,
    [kind, prodIds],
  )
  for (const row of recorded) found.set(row.prodId, row)
  const rest = prodIds.filter((id) => !found.has(id))
  if (rest.length === 0 || owner.seedEvent === null) return found
  const seeded = await sql.query<NamedRow>(
    `named.find-seeded.${kind}`,
    `select t.id as "prodId", t.id as "stagingId", t.name, null as "appliedName", false as recorded from ${kind} t
      where t.id = any($1::int[])
        and exists (select 1 from ${config} c where c.${column} = t.id and c.create_event <= $2)
        and not exists (select 1 from staging_sync.owned o where o.kind = $3 and o.staging_id = t.id)`,
    [rest, owner.seedEvent, kind],
  )
  for (const row of seeded) found.set(row.prodId, row)
  return found
}

/** The one of `findNamedRows`; null: staging has none. */
export async function findNamedRow(
  sql: Sql,
  owner: Owner,
  kind: NamedRowKind,
  prodId: number,
): Promise<NamedRow | null> {
  return (await findNamedRows(sql, owner, kind, [prodId])).get(prodId) ?? null
}

/** Who has a name in staging: `prodId` of ours, null for a local row; absent: the name is free. */
export async function findHolder(
  sql: Sql,
  owner: Owner,
  kind: NamedRowKind,
  name: string,
): Promise<{ readonly stagingId: number; readonly prodId: number | null } | null> {
  const [row] = await sql.query<{ id: number }>(
    `named.holder.${kind}`,
    `select id from ${kind} where name = $1`,
    [name],
  )
  if (row === undefined) return null
  const owned = (await findByStagingId(sql, kind, [row.id])).get(row.id)
  if (owned !== undefined) return { stagingId: row.id, prodId: owned.prodId }
  const seeded = (await findNamedRows(sql, owner, kind, [row.id])).get(row.id)
  return { stagingId: row.id, prodId: seeded?.stagingId === row.id ? seeded.prodId : null }
}

/**
 * Makes the identity row of a thing that staging lacks, in a short transaction of its own, so that others can refer to it
 * before its settings are there: to Koji a tag, target or repo without active config does not exist.
 *
 * | staging has the name     | then                                                                       |
 * | ------------------------ | -------------------------------------------------------------------------- |
 * | no                       | a row is made, with prod's id where that is free                           |
 * | on a local row           | that row is ours from now on (same name, same thing); its settings may clash |
 * | on a row of ours         | nothing; `heldBy` is its prod id, whose key must come first (prod renamed it)  |
 */
export async function placeNamedRow(
  deps: Deps,
  kind: NamedRowKind,
  { id, name }: { readonly id: number; readonly name: string },
): Promise<{ readonly heldBy: number | null }> {
  const { database, catalog, owner } = deps
  return database.transaction(`named.place.${kind}`, async (tx) => {
    if ((await findNamedRow(tx, owner, kind, id)) !== null) return { heldBy: null }
    const holder = await findHolder(tx, owner, kind, name)
    if (holder !== null) {
      if (holder.prodId !== null) return { heldBy: holder.prodId }
      await recordOwned(tx, kind, [{ prodId: id, stagingId: holder.stagingId }])
      return { heldBy: null }
    }
    const stagingId = (await chooseIds(tx, catalog, kind, [id])).get(id) as number
    await insertRows(tx, catalog, kind, [{ id: stagingId, name }])
    await recordOwned(tx, kind, [{ prodId: id, stagingId }])
    return { heldBy: null }
  })
}

/** The key that converges such a thing. */
export function keyOf(kind: NamedRowKind, prodId: number): Key {
  if (kind === 'tag') return { kind, tagId: prodId }
  if (kind === 'build_target') return { kind: 'target', targetId: prodId }
  return { kind: 'external-repo', repoId: prodId }
}
