import { getUser } from '../hub/calls-lookup.ts'
import type { Key } from '../model/key.ts'
import type { Priority } from '../model/outcome.ts'
import type { Deps } from './deps.ts'
import { ensureGroups } from './groups.ts'
import { findNamedRows, keyOf } from './named-row.ts'
import type { ExtraRow } from './rewrite.ts'
import type { ProdTag } from './tag-observe.ts'
import type { TagIds } from './tag-rows.ts'
import { ensureUsers } from './users.ts'

/** Something that a tag refers to and staging lacks: its own key must come first. */
export interface MissingRef {
  readonly key: Key
  readonly table: 'tag_inheritance' | 'tag_external_repos'
  /** prod's name of it */
  readonly name: string
}

export interface TagRefs {
  readonly ids: TagIds
  readonly missing: readonly MissingRef[]
}

/**
 * Staging's ids of all that a tag's settings refer to. Permissions and groups are names, made where staging lacks them (a
 * permission's name only: nobody gets it by that); parents and external repos are things of their own.
 */
export async function resolveTagRefs(deps: Deps, tagId: number, prod: ProdTag): Promise<TagRefs> {
  const { database, owner, names } = deps
  const { rows, repoArches } = prod
  const perms = rows.tag_config.flatMap((row) =>
    row.permId === null || row.permName === null ? [] : [{ prodId: row.permId, name: row.permName }],
  )
  const permIds = perms.length === 0 ? new Map<string, number>() : await names.ensure('permission', perms)
  const parents = await findNamedRows(
    database,
    owner,
    'tag',
    rows.tag_inheritance.map((row) => row.parentId),
  )
  const repos = await findNamedRows(
    database,
    owner,
    'external_repo',
    rows.tag_external_repos.map((row) => row.externalRepoId),
  )
  const missing = [
    ...rows.tag_inheritance
      .filter((row) => !parents.has(row.parentId))
      .map(
        (row): MissingRef => ({
          key: keyOf('tag', row.parentId),
          table: 'tag_inheritance',
          name: row.parentName,
        }),
      ),
    ...rows.tag_external_repos
      .filter((row) => !repos.has(row.externalRepoId))
      .map(
        (row): MissingRef => ({
          key: keyOf('external_repo', row.externalRepoId),
          table: 'tag_external_repos',
          name: row.externalRepoName,
        }),
      ),
  ]
  return {
    missing,
    ids: {
      tagId,
      repoArches,
      permissions: new Map(perms.map(({ prodId, name }) => [prodId, permIds.get(name) as number])),
      parents: stagingIds(parents),
      externalRepos: stagingIds(repos),
      groups: await ensureGroups(names, rows),
    },
  }
}

function stagingIds(rows: ReadonlyMap<number, { readonly stagingId: number }>): Map<number, number> {
  return new Map([...rows].map(([prodId, row]) => [prodId, row.stagingId]))
}

/**
 * The extra `sidetag_user_id` (plugins/hub/sidetag_hub.py createSideTag) is an id of prod's users: whose side tag it is.
 * It becomes staging's id of the same user, or is left out when prod has no such user: somebody else's id would hand the
 * tag over to him.
 */
export async function mapSidetagUser(
  deps: Deps,
  extra: readonly ExtraRow[],
  priority: Priority,
  signal: AbortSignal,
): Promise<readonly ExtraRow[]> {
  const row = extra.find(({ key, value }) => key === SIDETAG_USER && value !== null)
  if (row === undefined) return extra
  const prodId = /^[0-9]{1,10}$/.test(row.value ?? '') ? Number(row.value) : null
  const [user] = prodId === null ? [null] : await deps.hub.read([getUser(prodId)], { priority, signal })
  const ids = user === null ? new Map<number, number>() : await ensureUsers(deps, [user], priority, signal)
  const stagingId = user === null ? undefined : ids.get(user.id)
  return extra.flatMap((other) => {
    if (other.key !== SIDETAG_USER) return [other]
    return stagingId === undefined ? [] : [{ ...other, value: String(stagingId) }]
  })
}

const SIDETAG_USER = 'sidetag_user_id'
